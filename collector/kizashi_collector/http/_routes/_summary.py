"""GET /v1/summary: the answer that bidding scripts poll, with ETag and pages."""

from __future__ import annotations

import base64
import binascii
import hashlib
from typing import Literal

import msgspec
from aiohttp import web

from kizashi_collector.analysis import Interval, resolve_interval
from kizashi_collector.http._problems import ProblemError
from kizashi_collector.http._query import INTERVAL, Query
from kizashi_collector.http._respond import respond
from kizashi_collector.http._routes._summary_page import Writer
from kizashi_collector.http._services import SERVICES
from kizashi_collector.store import SummaryReport
from kizashi_schemas import MAX_DURATION_MS
from kizashi_schemas.plan import Plan

__all__ = ["MAX_ANSWER_BYTES", "get_summary"]

MAX_ANSWER_BYTES = 4_500_000
"""Longer answers come in pages: the scripts of Google Ads, Microsoft and Yahoo read at most 5 MB."""

_KNOWN = (*INTERVAL, "by", "format", "money", "csv", "cursor", "fresh")


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

    write = _Write(
        plan=None if plan is None else plan.id,
        no_final=plan is None or not plan.finals,
        question=question,
        by=by,
        style=style,
        as_csv=as_csv,
        raw=raw,
        cursor=query.get("cursor") or "",
        after=None if cursor is None else cursor.key,
    )
    held = _held(request)
    of_tags = {tag: services.tags.version(f"{question} {tag}") for tag in held} if cursor is None else {}
    known = next(((tag, version) for tag, version in of_tags.items() if version is not None), None)
    written = await services.answers.summary(
        plan,
        interval,
        by,
        write,
        moving=cursor is None and query.moving,
        known=None if known is None else known[1],
        fresh=query.fresh,
    )
    if written is None:
        return _not_modified(f"W/{known[0] if known is not None else ''}")
    services.metrics.complete(written.complete_until)
    tag = written.tag
    if cursor is None and written.next_cursor is None:
        services.tags.note(f"{question} {tag.removeprefix('W/')}", written.version)
    if tag.removeprefix("W/") in held or "*" in held:
        return _not_modified(tag, written.next_cursor)
    headers = _headers(tag, written.next_cursor)
    return respond(written.body, "text/csv" if as_csv else "application/json", headers)


class _Written(msgspec.Struct, frozen=True):
    """A page as bytes, its tag, the cursor of the next one, if there is any, and what the report says beside it."""

    body: bytes
    tag: str
    next_cursor: str | None
    complete_until: int | None
    version: str | None


class _Write(msgspec.Struct, frozen=True, kw_only=True):
    """Writes the page that was asked for, wherever it was counted: under the plan with an id, after a key."""

    plan: str | None
    no_final: bool
    question: str
    by: tuple[str, ...]
    style: Literal["number", "string"]
    as_csv: bool
    raw: bool
    cursor: str
    after: tuple[str, ...] | None

    def __call__(self, report: SummaryReport) -> _Written:
        """The page."""
        rows = report.summary.rows
        if self.after is not None:
            rows = [row for row in rows if row.key > self.after]
        reason: Literal["no_plan", "recomputing"] = "no_plan" if self.no_final else "recomputing"
        interval = report.interval

        def cursor(key: tuple[str, ...]) -> str:
            return _Cursor(interval.start, interval.end, interval.as_of, self.question, key).text()

        writer = Writer(report, self.plan, reason, interval, self.by, self.style, MAX_ANSWER_BYTES)
        page = writer.csv(rows, raw=self.raw) if self.as_csv else writer.json(rows, cursor)
        numbers = self.question.encode() + self.cursor.encode() + page.numbers
        tag = f'W/"{hashlib.sha256(numbers).hexdigest()[:32]}"'
        next_cursor = None if page.last_key is None else cursor(page.last_key)
        return _Written(page.body, tag, next_cursor, report.complete_until, report.version)


def _headers(tag: str, next_cursor: str | None) -> dict[str, str]:
    headers = {"ETag": tag, "Cache-Control": "private, no-cache", "Vary": "Authorization, Accept-Encoding"}
    if next_cursor is not None:
        headers["X-Next-Cursor"] = next_cursor
    return headers


def _not_modified(tag: str, next_cursor: str | None = None) -> web.Response:
    return web.Response(status=304, headers=_headers(tag, next_cursor))


def _question(query: Query, plan: Plan | None) -> str:
    """What was asked, and under which plan: not when, and not which page."""
    asked = [item for item in query.items if item[0] != "cursor"]
    return hashlib.sha256(msgspec.json.encode([plan.id if plan else None, asked])).hexdigest()[:16]


def _held(request: web.Request) -> list[str]:
    """The tags that the client holds, without the mark of a weak one: they are compared weakly (RFC 9110, 13.1.2)."""
    return [tag.strip().removeprefix("W/") for tag in request.headers.get("If-None-Match", "").split(",")]


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
