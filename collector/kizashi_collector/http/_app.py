"""The application: its routes, who may use them, and what surrounds every request."""

from __future__ import annotations

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
        make_app(services), access_log=None, auto_decompress=False, handle_signals=False, shutdown_timeout=1.0
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
        finally:
            resource = request.match_info.route.resource
            route = "unknown" if resource is None else resource.canonical
            services.metrics.request(request.method, route, status, time.perf_counter() - began)
    return response
