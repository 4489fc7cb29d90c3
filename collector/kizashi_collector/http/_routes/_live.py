"""GET /v1/live: what is answered, as it is answered (server-sent events, WHATWG HTML section 9.2)."""

from __future__ import annotations

import asyncio
from contextlib import suppress

from aiohttp import web

from kizashi_collector.http._auth import may_still
from kizashi_collector.http._problems import ProblemError
from kizashi_collector.http._query import Query
from kizashi_collector.http._request_id import HEADER, answer_began, current_request_id
from kizashi_collector.http._services import SERVICES, Services

__all__ = ["get_live"]

_HEADERS = {
    "Content-Type": "text/event-stream; charset=utf-8",
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
    "X-Accel-Buffering": "no",  # nginx would keep messages back until it has a buffer full of them
}
_OPEN = b"retry: 3000\n\n"
_KEEP_ALIVE = b": keep-alive\n\n"


async def get_live(request: web.Request) -> web.StreamResponse:
    """Each batch that is answered from now on, until the client leaves, may ask no longer, or the collector stops."""
    services = request.app[SERVICES]
    Query(request, ())
    if services.draining:
        raise ProblemError(503, "draining", "the collector is stopping; ask again", {"Retry-After": "5"})
    most = services.limits.followers
    if len(services.ingest.live.followers) >= most:
        raise ProblemError(503, "busy", f"{most} clients follow events already; close one", {"Retry-After": "5"})
    response = web.StreamResponse(headers={**_HEADERS, HEADER: current_request_id() or ""})
    if request.method == "HEAD":
        return response
    # Left on both ways: a client that goes is an error of its connection, and a collector that stops one of time.
    with suppress(ConnectionError, TimeoutError):
        await _follow(request, response, services)
    transport = request.transport
    if transport is not None and transport.get_write_buffer_size():
        transport.abort()  # the client does not read, and a collector that stops would wait for it
    return response


async def _follow(request: web.Request, response: web.StreamResponse, services: Services) -> None:
    feed, loop = services.ingest.live, asyncio.get_running_loop()
    async with asyncio.timeout(None) as end:
        follower = feed.follow(lambda: end.reschedule(loop.time()))
        try:
            await response.prepare(request)
            answer_began()
            await response.write(_OPEN)
            while True:
                try:
                    async with asyncio.timeout(services.limits.keep_alive_seconds):
                        told = await follower.news()
                except TimeoutError:
                    told = []
                if not may_still(request, "read"):
                    return
                if told:
                    await response.write(b"".join(map(_message, told)))
                if not told or follower.fell_behind:
                    losses = feed.losses(follower)
                    await response.write(_KEEP_ALIVE if losses is None else _message(losses))
        finally:
            feed.leave(follower)


def _message(batch: bytes) -> bytes:
    # JSON as it is written here has no line breaks in it.
    return b"event: batch\ndata: %b\n\n" % batch
