"""GET /v1/summary: the answer that bidding scripts poll, with ETag and pages."""

from __future__ import annotations

import asyncio
import base64
import binascii
import hashlib

import msgspec
from aiohttp import web

from kizashi_collector.analysis import Interval, resolve_interval
from kizashi_collector.http._problems import ProblemError
from kizashi_collector.http._query import INTERVAL, Query
from kizashi_collector.http._respond import respond
from kizashi_collector.http._routes._summary_page import Page, Writer
from kizashi_collector.http._services import SERVICES
from kizashi_schemas import MAX_DURATION_MS
from kizashi_schemas.plan import Plan

__all__ = ["MAX_ANSWER_BYTES", "get_summary"]

MAX_ANSWER_BYTES = 4_500_000
"""Longer answers come in pages: the scripts of Google Ads, Microsoft and Yahoo read at most 5 MB."""

_KNOWN = (*INTERVAL, "by", "format", "money", "csv", "cursor")


class _Cursor(msgspec.Struct, array_like=True, frozen=True):
    """Where a page begins: after `key`, in the interval and under the plan of the pages before it.

    `question` is a digest of query and plan, so that it serves no other question.
    """

    start: int
    end: int
    as_of: int
    question: str
    key: tuple[str, ...]

    def text(self) -> str:
        return base64.urlsafe_b64encode(msgspec.json.encode(self)).decode().rstrip("=")


async def get_summary(request: web.Request) -> web.Response:
    """Answer a poll; 304 when no number changed since the answer that the client holds."""
    services = request.app[SERVICES]
    query = Query(request, _KNOWN)
    by = query.by()
    as_csv = query.choice("format", ("json", "csv")) == "csv"
    raw = query.choice("csv", ("safe", "raw")) == "raw"
    style = query.money()
    plan = services.plans.current
    question = _question(query, plan)
    cursor = _read_cursor(query.get("cursor"), question, by)
    interval = query.interval() if cursor is None else _interval(cursor, services.clock.now())
    report = await services.answers.summary(plan, interval, by, moving=cursor is None and query.moving)
    interval = report.interval
    services.metrics.complete(report.complete_until)

    def write() -> Page:
        rows = report.summary.rows
        if cursor is not None:
            rows = [row for row in rows if row.key > cursor.key]
        writer = Writer(report, plan, interval, by, style, MAX_ANSWER_BYTES)
        return writer.csv(rows, raw=raw) if as_csv else writer.json(rows, after)

    def after(key: tuple[str, ...]) -> str:
        return _Cursor(interval.start, interval.end, interval.as_of, question, key).text()

    page = await asyncio.get_running_loop().run_in_executor(None, write)
    etag = hashlib.sha256(question.encode() + (query.get("cursor") or "").encode() + page.numbers).hexdigest()
    headers = {
        "ETag": f'W/"{etag[:32]}"',
        "Cache-Control": "private, no-cache",
        "Vary": "Authorization, Accept-Encoding",
    }
    if page.last_key is not None:
        headers["X-Next-Cursor"] = after(page.last_key)
    if _holds(request, headers["ETag"]):
        return web.Response(status=304, headers=headers)
    return respond(page.body, "text/csv" if as_csv else "application/json", headers)


def _question(query: Query, plan: Plan | None) -> str:
    """What was asked, and under which plan: not when, and not which page."""
    asked = [item for item in query.items if item[0] != "cursor"]
    return hashlib.sha256(msgspec.json.encode([plan.id if plan else None, asked])).hexdigest()[:16]


def _holds(request: web.Request, etag: str) -> bool:
    """Whether If-None-Match names the tag; compared weakly (RFC 9110, section 13.1.2)."""
    held = [tag.strip().removeprefix("W/") for tag in request.headers.get("If-None-Match", "").split(",")]
    return etag.removeprefix("W/") in held or "*" in held


def _read_cursor(text: str | None, question: str, by: tuple[str, ...]) -> _Cursor | None:
    if text is None:
        return None
    try:
        cursor = msgspec.json.decode(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)), type=_Cursor)
    except (binascii.Error, ValueError, msgspec.DecodeError):
        cursor = None
    if cursor is None or cursor.question != question or len(cursor.key) != len(by):
        raise ProblemError(400, "bad_query", "cursor belongs to another query or plan; begin again without it")
    return cursor


def _interval(cursor: _Cursor, now: int) -> Interval:
    """The interval of the pages before, checked as if it had been asked for."""
    interval = resolve_interval(now, start=max(0, cursor.start), end=cursor.end, as_of=cursor.as_of)
    if cursor.start >= 0:
        return interval
    # A window that ends shortly after 1970 begins before, at a time that nobody can ask for.
    return Interval(start=max(cursor.start, -MAX_DURATION_MS), end=interval.end, as_of=interval.as_of)
