"""GET /v1/increments: what a feed is to tell an ad platform, each time what changed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

import msgspec
from aiohttp import web

from kizashi_collector.http._problems import ProblemError
from kizashi_collector.http._query import Query
from kizashi_collector.http._respond import money, respond
from kizashi_collector.http._services import SERVICES
from kizashi_collector.store import IncrementLine, IncrementsReport, UnknownCursorError
from kizashi_schemas import Increment, IncrementsAnswer, format_time
from kizashi_schemas.plan import Plan

__all__ = ["MAX_INCREMENTS_BYTES", "get_increments"]

MAX_INCREMENTS_BYTES = 4_400_000
"""Longer answers stop earlier: the scripts of Google Ads, Microsoft and Yahoo read at most 5 MB."""

_DEFAULT_LIMIT, _MAX_LIMIT = 1_000, 10_000


async def get_increments(request: web.Request) -> web.Response:
    """The increments after a cursor."""
    services = request.app[SERVICES]
    query = Query(request, ("since", "limit", "money"))
    limit = query.limit(_DEFAULT_LIMIT, _MAX_LIMIT)
    plan = services.plans.current
    if plan is None or not plan.finals:
        raise ProblemError(
            409, "no_plan", "no plan with a final event is in force: nothing says what journeys lead to; post one"
        )
    write = _Write(plan, query.money())
    since = query.get("since")
    try:
        body = await services.answers.increments(plan, services.clock.now(), since, limit, write)
    except UnknownCursorError as error:
        raise ProblemError(400, "bad_query", str(error)) from None
    return respond(body, "application/json", {"Cache-Control": "no-store"})


class _Write(msgspec.Struct, frozen=True):
    """Writes the answer in the thread that read the ledger."""

    plan: Plan
    style: Literal["number", "string"]

    def __call__(self, report: IncrementsReport) -> bytes:
        """The answer as JSON, of bounded length."""
        written = list(_fitting(report, self.style))
        cut = len(written) < len(report.lines)
        return msgspec.json.encode(
            IncrementsAnswer(
                as_of=format_time(report.as_of),
                currency=self.plan.currency,
                plan=self.plan.id,
                increments=written,
                next_cursor=report.lines[len(written) - 1].cursor if cut else report.next_cursor,
                more=report.more or cut,
            )
        )


def _fitting(report: IncrementsReport, style: Literal["number", "string"]) -> Iterator[Increment]:
    size = 0
    for line in report.lines:
        increment = _increment(line, style)
        size += len(msgspec.json.encode(increment)) + 1
        if size > MAX_INCREMENTS_BYTES:
            return
        yield increment


def _increment(line: IncrementLine, style: Literal["number", "string"]) -> Increment:
    return Increment(
        cursor=line.cursor,
        time=format_time(line.time),
        journey=line.journey,
        actor=line.actor,
        source=msgspec.Raw(line.source.encode()),
        kind=line.kind,
        event=line.event,
        event_id=line.event_id,
        event_time=None if line.event_time is None else format_time(line.event_time),
        order=line.order,
        value=money(line.value, style),
        emitted=money(line.emitted, style),
        fit=line.fit,
    )
