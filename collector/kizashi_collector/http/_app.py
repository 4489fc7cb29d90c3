"""The application: its routes, who may use them, and what surrounds every request."""

from __future__ import annotations

import asyncio
import logging
import time

from aiohttp import web

from kizashi_collector.http._auth import Handler, needs
from kizashi_collector.http._events import list_events, list_rejected, post_events
from kizashi_collector.http._funnels import get_funnel, list_funnels, post_funnel
from kizashi_collector.http._operations import get_health, get_metrics, get_openapi, get_ready
from kizashi_collector.http._plan import get_plan, post_plan
from kizashi_collector.http._problems import problems
from kizashi_collector.http._services import SERVICES, Services
from kizashi_collector.http._summary import get_summary

__all__ = ["make_app", "make_runner"]

_CLIENT_LEFT = 499
"""What web servers write down for a client that did not wait for its answer."""


class _WithoutPayload(logging.Filter):
    """Keeps what was sent out of aiohttp's own log lines: its exceptions quote the bytes that they could not read."""

    def filter(self, record: logging.LogRecord) -> bool:
        error = record.exc_info[1] if record.exc_info else None
        record.msg = f"a request was not HTTP: {type(error).__name__}" if error else "a request was not HTTP"
        record.args, record.exc_info, record.exc_text = (), None, None
        record.levelno, record.levelname = logging.INFO, "INFO"  # scanners do this all day
        return True


_protocol_log = logging.getLogger("kizashi.http.protocol")
_protocol_log.addFilter(_WithoutPayload())


def make_app(services: Services) -> web.Application:
    """Return the collector's application."""
    app = web.Application(middlewares=[_measured, problems])
    app[SERVICES] = services
    app.router.add_post("/v1/events", needs("write", post_events))
    app.router.add_get("/v1/events", needs("read", list_events))
    app.router.add_get("/v1/rejected", needs("read", list_rejected))
    app.router.add_get("/v1/summary", needs("read", get_summary))
    app.router.add_get("/v1/funnels", needs("read", list_funnels))
    app.router.add_post("/v1/funnels", needs("read", post_funnel))
    app.router.add_get("/v1/funnels/{name}", needs("read", get_funnel))
    app.router.add_get("/v1/plan", needs("read", get_plan))
    app.router.add_post("/v1/plan", needs("admin", post_plan))
    app.router.add_get("/metrics", needs("read", get_metrics))
    app.router.add_get("/healthz", get_health)
    app.router.add_get("/readyz", get_ready)
    app.router.add_get("/openapi.json", get_openapi)
    return app


def make_runner(services: Services) -> web.AppRunner:
    """Return a runner for the application. Bodies stay compressed until their size was checked."""
    return web.AppRunner(
        make_app(services),
        access_log=None,
        auto_decompress=False,
        handle_signals=False,
        handler_cancellation=True,  # a client that leaves takes its question along; events are stored all the same
        logger=_protocol_log,
        shutdown_timeout=1.0,
    )


@web.middleware
async def _measured(request: web.Request, handler: Handler) -> web.StreamResponse:
    began = time.perf_counter()
    status = 500
    services = request.app[SERVICES]
    with services.in_flight:
        try:
            response = await handler(request)
            status = response.status
        except asyncio.CancelledError:
            status = _CLIENT_LEFT
            raise
        finally:
            resource = request.match_info.route.resource
            route = "unknown" if resource is None else resource.canonical
            services.metrics.request(request.method, route, status, time.perf_counter() - began)
    return response
