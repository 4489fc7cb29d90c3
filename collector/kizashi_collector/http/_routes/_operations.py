"""/healthz, /readyz, /metrics and /openapi.json."""

from __future__ import annotations

import asyncio
from importlib.metadata import version

import msgspec
from aiohttp import web

from kizashi_collector.http._metrics import Moment
from kizashi_collector.http._problems import ProblemError
from kizashi_collector.http._respond import json_response
from kizashi_collector.http._services import SERVICES
from kizashi_collector.http._watching import REASONS, WATCH, unready
from kizashi_collector.store import StoreError
from kizashi_schemas.openapi import openapi

__all__ = ["get_health", "get_metrics", "get_openapi", "get_ready"]


async def get_health(_: web.Request) -> web.Response:
    """The process is alive."""
    return web.Response(text="ok\n")


async def get_ready(request: web.Request) -> web.Response:
    """The collector can take events now, or 503 with the reasons."""
    reasons = await unready(request.app[SERVICES], request.app[WATCH].min_free)
    if reasons:
        raise ProblemError(503, "not_ready", "; also: ".join(reasons.values()), {"Retry-After": "5"})
    return web.Response(text="ready\n")


async def get_metrics(request: web.Request) -> web.Response:
    """Prometheus metrics. Where the log's state cannot be read, all others are told."""
    services = request.app[SERVICES]
    try:
        log = await services.log.state()
    except StoreError:
        log = None
    reasons = await unready(services, request.app[WATCH].min_free, log)
    metrics = services.metrics
    answers = await asyncio.to_thread(services.answers.state)
    moment = Moment(
        unready={reason: reason in reasons for reason in REASONS},
        pending_events=services.log.pending(),
        requests_in_flight=metrics.in_flight,
        body_bytes=services.in_flight.bytes,
        connections=metrics.connections(),
        clock_drift_ms=services.clock.drift(),
        complete_until=answers.complete_until or metrics.complete_until,
        answers=answers,
        log=log,
    )
    # In a thread, where it gives way to what the event loop has to do: it takes some milliseconds.
    body = await asyncio.to_thread(metrics.render, moment)
    return web.Response(body=body, headers={"Content-Type": "text/plain; version=0.0.4; charset=utf-8"})


async def get_openapi(_: web.Request) -> web.Response:
    """The description of this API."""
    return json_response(msgspec.to_builtins(openapi(version("kizashi"))))
