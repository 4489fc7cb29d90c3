"""GET and POST /v1/plan."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

import msgspec
from aiohttp import web

from kizashi_collector.analysis import Break, Ladder, bids_rest_on
from kizashi_collector.http._body import body_of
from kizashi_collector.http._problems import ProblemError
from kizashi_collector.http._query import Query
from kizashi_collector.http._respond import json_response
from kizashi_collector.http._services import SERVICES, Services
from kizashi_schemas import PlanAnswer, PlanHealth, TrackingBreak, UnplannedEvent, format_time
from kizashi_schemas.plan import Plan, load_plan, load_plan_data

__all__ = ["get_plan", "post_plan"]

# Numbers keep their text, as they do in TOML.
_json = msgspec.json.Decoder(float_hook=Decimal)
_TOML_TYPES = ("application/toml", "text/toml", "text/plain", "application/octet-stream")


async def get_plan(request: web.Request) -> web.Response:
    """The plan in force, and where it and reality differ."""
    Query(request, ())
    services = request.app[SERVICES]
    plan = services.plans.current
    found = () if plan is None else await services.answers.breaks(plan, services.clock.now())
    return await _described(services, plan, found)


async def post_plan(request: web.Request) -> web.Response:
    """Put another plan in force, given as TOML, or as JSON with the same keys."""
    services = request.app[SERVICES]
    Query(request, ())
    await services.plans.replace(await _read(request), services.clock.now())
    # Its events have yet to be looked at.
    return await _described(services, services.plans.current, None)


async def _read(request: web.Request) -> Plan:
    async with body_of(request) as body:
        return _decode(body, request.content_type)


def _decode(body: bytes, content_type: str) -> Plan:
    try:
        if content_type == "application/json":
            return load_plan_data(_json.decode(body), filename="the posted plan")
        if content_type in _TOML_TYPES:
            return load_plan(body.decode(), filename="the posted plan")
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ProblemError(400, "undecodable", f"the plan cannot be decoded: {error}") from None
    raise ProblemError(415, "bad_content_type", "send the plan as application/toml or application/json")


async def _described(services: Services, plan: Plan | None, found: Sequence[Break] | None) -> web.Response:
    seen = await services.log.names()
    names = {name.name for name in seen}
    planned = {} if plan is None else plan.events
    return json_response(
        PlanAnswer(
            id=None if plan is None else plan.id,
            plan=None if plan is None else plan.document(),
            warnings=[] if plan is None else list(plan.warnings),
            health=PlanHealth(
                never_seen=[name for name in planned if name not in names],
                unplanned=[
                    UnplannedEvent(name=name.name, count=name.count, last_seen=format_time(name.last_time))
                    for name in seen
                    if name.name not in planned
                ],
                breaks=None if found is None else _told(found, plan),
            ),
        )
    )


def _told(found: Sequence[Break], plan: Plan | None) -> list[TrackingBreak]:
    resting = bids_rest_on(Ladder.of(plan))
    return [
        TrackingBreak(
            event=one.event,
            kind=one.kind,
            seen=one.seen,
            expected=round(one.expected, 1),
            since=format_time(one.since),
            sentence=one.sentence,
            blocks_bids=one.event in resting,
        )
        for one in found
    ]
