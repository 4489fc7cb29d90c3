"""Around every request: its id, its time, and a log line where it is worth one."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import Counter
from collections.abc import Mapping

from aiohttp import web

from kizashi_collector.http._auth import Handler
from kizashi_collector.http._request_id import HEADER, Note, noted, noting, request_id
from kizashi_collector.http._services import SERVICES
from kizashi_collector.http._watching._watch import WATCH

__all__ = ["observed", "tell"]

_log = logging.getLogger("kizashi.access")

_CLIENT_LEFT = 499
"""What web servers write down for a client that did not wait for its answer."""
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


@web.middleware
async def observed(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Give the request an id, count and time it, and log errors and slow answers; all of them at level debug."""
    began = time.perf_counter()
    status, response = 500, None
    services = request.app[SERVICES]
    note = Note(request_id(request.headers))
    token = noting(note)
    services.metrics.in_flight += 1
    with services.in_flight:
        try:
            response = await handler(request)
            status = response.status
            response.headers[HEADER] = note.request_id
            response.headers["X-Content-Type-Options"] = "nosniff"  # no browser is to make a page of what was sent
        except asyncio.CancelledError:
            status = _CLIENT_LEFT
            raise
        finally:
            resource = request.match_info.route.resource
            route = "unknown" if resource is None else resource.canonical
            seconds = (note.began or time.perf_counter()) - began
            services.metrics.in_flight -= 1
            services.metrics.request(request.method, route, status, seconds)
            slow = seconds >= request.app[WATCH].slow_seconds
            if slow or status >= 400 or _log.isEnabledFor(logging.DEBUG):
                sent = response.content_length if isinstance(response, web.Response) else None
                method = request.method if request.method in _METHODS else "other"
                told = {"bytes_in": request.content_length, "bytes_out": sent, "remote": request.remote}
                tell(note, method, route, status, seconds, told, slow=slow)
            noted(token)
    return response


def tell(
    note: Note,
    method: str,
    route: str,
    status: int,
    seconds: float,
    told: Mapping[str, object],
    *,
    slow: bool,
) -> None:
    """Write the line. It names the route's pattern, and neither path, query, header nor body."""
    fields: dict[str, object] = {
        "method": method,
        "route": route,
        "status": status,
        "ms": round(seconds * 1000, 1),
        "code": note.code,
        "key": note.key,
        **told,
    }
    if note.report is not None:
        fields["events"] = len(note.report.outcomes)
        fields.update(Counter(one.code or one.verdict for one in note.report.outcomes))
    level = logging.DEBUG
    if status == 500:
        level = logging.ERROR
    elif status > 500 or slow:
        level = logging.WARNING
    elif status >= 400 and status != _CLIENT_LEFT:
        level = logging.INFO
    # Lines are alike, for what keeps floods back, when route and status are.
    alike = f"{method} {route} {status}"
    extra = {"fields": {name: value for name, value in fields.items() if value is not None}, "alike": alike}
    _log.log(level, "%s %s %d%s", method, route, status, " (slow)" if slow else "", extra=extra)
