"""POST and GET /v1/events."""

from __future__ import annotations

import msgspec
from aiohttp import web

from kizashi_collector.analysis import LoggedEvent
from kizashi_collector.http._admission import ADMISSION
from kizashi_collector.http._auth import CALLER
from kizashi_collector.http._body import batch_format, body_of
from kizashi_collector.http._problems import ProblemError
from kizashi_collector.http._query import Query
from kizashi_collector.http._respond import json_response, money
from kizashi_collector.http._services import SERVICES
from kizashi_collector.store import StoreError
from kizashi_schemas import EventListing, StoredEvent, format_time

__all__ = ["list_events", "post_events"]

_DEFAULT_LIMIT = 100
_MAX_LIMIT = 1_000


async def post_events(request: web.Request) -> web.Response:
    """Take a batch; the answer comes once everything accepted is durable."""
    services = request.app[SERVICES]
    if services.draining:
        raise ProblemError(503, "draining", "the collector is stopping; send again", {"Retry-After": "5"})
    kind = batch_format(request)
    admission, caller = request.app[ADMISSION], CALLER.get()
    if not request.content.is_eof():
        admission.check(caller, request.content_length or 0)
    async with body_of(request) as body:
        batch = services.ingest.open(body, kind)
        admission.sized(len(body), len(batch.events))
        events = admission.enter(caller, len(batch.events))
        began = admission.clock()
        stored: int | None = None
        try:
            await admission.turns.begin(caller, events)
            try:
                answer = await services.ingest.take(batch)
            finally:
                admission.turns.end(events)
            stored = answer.accepted + answer.duplicates + answer.rejected
        except StoreError:
            stored = 0
            raise
        finally:
            admission.leave(caller, events, began, stored)
    if kind == "msgpack":
        return web.Response(body=msgspec.msgpack.encode(answer), content_type="application/msgpack")
    return web.Response(body=msgspec.json.encode(answer), content_type="application/json")


async def list_events(request: web.Request) -> web.Response:
    """The newest events."""
    limit = Query(request, ("limit",)).limit(_DEFAULT_LIMIT, _MAX_LIMIT)
    events = await request.app[SERVICES].log.newest(limit)
    return json_response(EventListing(events=[_stored(event) for event in events]))


def _stored(event: LoggedEvent) -> StoredEvent:
    return StoredEvent(
        id=event.id,
        name=event.name,
        time=format_time(event.time),
        received_at=format_time(event.received_at),
        actor=event.actor,
        value=None if event.value is None else money(event.value, "number"),
        currency=event.currency,
        order=event.order,
        session=event.session,
        adjust=event.adjust,
        source=dict(event.source),
        properties=dict(event.properties),
        consent=dict(event.consent),
        shift_ms=event.shift,
        import_=event.imported,
    )
