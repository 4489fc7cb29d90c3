"""GET /v1/summary: the answer that bidding scripts poll, with ETag and pages."""

from __future__ import annotations

import base64
import binascii
import hashlib

import msgspec
from aiohttp import web

from kizashi_collector.analysis import Interval
from kizashi_collector.http._problems import ProblemError
from kizashi_collector.http._query import INTERVAL, Query
from kizashi_collector.http._respond import respond
from kizashi_collector.http._services import SERVICES
from kizashi_collector.http._summary_page import Page

__all__ = ["MAX_ANSWER_BYTES", "get_summary"]

MAX_ANSWER_BYTES = 4_500_000
"""Longer answers come in pages: the scripts of Google Ads, Microsoft and Yahoo read at most 5 MB."""

_KNOWN = (*INTERVAL, "by", "format", "money", "csv", "cursor")


class _Cursor(msgspec.Struct, array_like=True, frozen=True):
    """Where a page begins: after `key`, in the same interval as the pages before it."""

    start: int
    end: int
    as_of: int
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
    cursor = _read_cursor(query.get("cursor"), by)
    interval = query.interval() if cursor is None else Interval(cursor.start, cursor.end, cursor.as_of)
    plan = services.plans.current
    report = await services.answers.summary(plan, interval, by)
    rows = [row for row in report.summary.rows if cursor is None or row.key > cursor.key]
    shown = len(rows)
    while True:
        after = (
            _Cursor(interval.start, interval.end, interval.as_of, rows[shown - 1].key) if shown < len(rows) else None
        )
        page = Page(
            report=report,
            plan=plan,
            interval=interval,
            by=by,
            rows=rows[:shown],
            style=style,
            next_cursor=None if after is None else after.text(),
        )
        body = page.csv(raw=raw) if as_csv else page.json()
        if len(body) <= MAX_ANSWER_BYTES or shown <= 1:
            break
        shown = max(1, shown * MAX_ANSWER_BYTES // (len(body) + len(body) // 16))
    headers = {
        "ETag": _etag(page, query),
        "Cache-Control": "private, no-cache",
        "Vary": "Authorization, Accept-Encoding",
    }
    if page.next_cursor is not None:
        headers["X-Next-Cursor"] = page.next_cursor
    if _holds(request, headers["ETag"]):
        return web.Response(status=304, headers=headers)
    return respond(body, "text/csv" if as_csv else "application/json", headers)


def _etag(page: Page, query: Query) -> str:
    """A weak tag over plan, query, rows and total."""
    digest = hashlib.sha256(msgspec.json.encode([page.plan.id if page.plan else None, query.items]))
    digest.update(page.numbers())
    return f'W/"{digest.hexdigest()[:32]}"'


def _holds(request: web.Request, etag: str) -> bool:
    """Whether If-None-Match names the tag; compared weakly (RFC 9110, section 13.1.2)."""
    held = [tag.strip().removeprefix("W/") for tag in request.headers.get("If-None-Match", "").split(",")]
    return etag.removeprefix("W/") in held or "*" in held


def _read_cursor(text: str | None, by: tuple[str, ...]) -> _Cursor | None:
    if text is None:
        return None
    try:
        cursor = msgspec.json.decode(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)), type=_Cursor)
    except (binascii.Error, ValueError, msgspec.DecodeError):
        cursor = None
    if cursor is None or len(cursor.key) != len(by):
        raise ProblemError(400, "bad_query", "cursor does not belong to this query; begin again without it")
    return cursor
