"""GET /v1/rejected, POST /v1/rejected/replay."""

from __future__ import annotations

import msgspec
from aiohttp import web

from kizashi_collector.http._body import body_of
from kizashi_collector.http._problems import ProblemError
from kizashi_collector.http._query import Query
from kizashi_collector.http._respond import json_response
from kizashi_collector.http._services import SERVICES
from kizashi_collector.ingest import Replay
from kizashi_collector.store import RejectedFilter
from kizashi_schemas import RejectedEvent, RejectedListing, ReplayRequest, TimeError, format_time, parse_time

__all__ = ["list_rejected", "replay_rejected"]

_DEFAULT_LIMIT = 100
_MAX_LIMIT = 1_000
_decode = msgspec.json.Decoder(ReplayRequest).decode


async def list_rejected(request: web.Request) -> web.Response:
    """The newest rejected events, and how many there are of each code."""
    query = Query(request, ("limit", "codes", "since", "until"))
    codes = query.get("codes")
    wanted = RejectedFilter(
        codes=None if codes is None else tuple(codes.split(",")),
        since=_time("since", _digits(query.get("since"))),
        until=_time("until", _digits(query.get("until"))),
    )
    limit = query.limit(_DEFAULT_LIMIT, _MAX_LIMIT)
    rows, counts = await request.app[SERVICES].log.rejected(limit, wanted)
    return json_response(
        RejectedListing(
            total=sum(counts.values()),
            codes=counts,
            rejected=[
                RejectedEvent(
                    received_at=format_time(row.received_at),
                    id=row.id,
                    code=row.code,
                    message=row.message,
                    event=msgspec.Raw(row.body or b"null"),
                )
                for row in rows
            ],
        )
    )


async def replay_rejected(request: web.Request) -> web.Response:
    """Try rejected events again under the plan in force."""
    services = request.app[SERVICES]
    Query(request, ())
    if services.draining:
        raise ProblemError(503, "draining", "the collector is stopping; ask again", {"Retry-After": "5"})
    async with body_of(request) as body:
        asked = _read(body)
    wanted = RejectedFilter(
        codes=None if asked.codes is None else tuple(asked.codes),
        ids=None if asked.ids is None else tuple(asked.ids),
        since=_time("since", asked.since),
        until=_time("until", asked.until),
    )
    replay = Replay(services.log, services.plans, services.clock, retention=services.retention)
    return json_response(await replay.run(wanted, asked.limit))


def _read(body: bytes) -> ReplayRequest:
    try:
        return _decode(body or b"{}")
    except msgspec.ValidationError as error:
        raise ProblemError(422, "bad_replay", f"the request has the wrong shape: {error}") from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ProblemError(400, "undecodable", f"the body is not JSON: {error}") from None


def _digits(text: str | None) -> int | str | None:
    return int(text) if text is not None and text.isascii() and text.isdigit() and len(text) < 20 else text


def _time(name: str, value: int | str | None) -> int | None:
    try:
        return None if value is None else parse_time(value)
    except TimeError as error:
        raise ProblemError(400, "bad_query", f"{name}: {error}") from None
