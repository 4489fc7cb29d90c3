"""DELETE /v1/actors/{actor}: erasure."""

from __future__ import annotations

from aiohttp import web

from kizashi_collector.http._problems import ProblemError
from kizashi_collector.http._query import Query
from kizashi_collector.http._respond import json_response
from kizashi_collector.http._services import SERVICES
from kizashi_schemas import TEXT_CHARACTERS, ErasureAnswer

__all__ = ["erase_actor"]


async def erase_actor(request: web.Request) -> web.Response:
    """Erase everything that is stored of an actor; the answer comes once no file holds it any more."""
    Query(request, ())
    actor = request.match_info["actor"]
    if len(actor) > TEXT_CHARACTERS:
        raise ProblemError(400, "bad_actor", f"the actor has {len(actor)} characters; at most {TEXT_CHARACTERS} may be")
    erased = await request.app[SERVICES].log.erase(actor)
    return json_response(ErasureAnswer(events=erased.events, rejected=erased.rejected))
