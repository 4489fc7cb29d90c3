"""/healthz, /readyz, /metrics and /openapi.json."""

from __future__ import annotations

from importlib.metadata import version

import msgspec
from aiohttp import web

from kizashi_collector.http._problems import ProblemError
from kizashi_collector.http._respond import json_response
from kizashi_collector.http._services import SERVICES, Services
from kizashi_schemas.openapi import openapi

__all__ = ["get_health", "get_metrics", "get_openapi", "get_ready"]


async def get_health(_: web.Request) -> web.Response:
    """The process is alive."""
    return web.Response(text="ok\n")


async def get_ready(request: web.Request) -> web.Response:
    """The collector can take events now, or 503 with the reason."""
    reason = await _unready(request.app[SERVICES])
    if reason is not None:
        raise ProblemError(503, "not_ready", reason, {"Retry-After": "5"})
    return web.Response(text="ready\n")


async def _unready(services: Services) -> str | None:
    if services.draining:
        return "the collector is stopping"
    if not services.clock.trusted:
        drift = services.clock.drift() // 1000
        return f"the wall clock was set by {drift} s since the start; mend it, or restart the collector"
    return await services.log.check()


async def get_metrics(request: web.Request) -> web.Response:
    """Prometheus metrics."""
    services = request.app[SERVICES]
    metrics = services.metrics
    metrics.pending.set(services.log.pending())
    metrics.drift.set(services.clock.drift() / 1000)
    metrics.ready.set(await _unready(services) is None)
    return web.Response(body=metrics.render(), headers={"Content-Type": "text/plain; version=0.0.4; charset=utf-8"})


async def get_openapi(_: web.Request) -> web.Response:
    """The description of this API."""
    return json_response(msgspec.to_builtins(openapi(version("kizashi"))))
