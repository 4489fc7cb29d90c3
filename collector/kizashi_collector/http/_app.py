"""The application: its routes, who may use them, and what surrounds every request."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from functools import partial

from aiohttp import web

from kizashi_collector.http._admission import ADMISSION, Admission
from kizashi_collector.http._auth import Handler, needs
from kizashi_collector.http._body import expected
from kizashi_collector.http._connections import ConnectionRunner, QuickPosts
from kizashi_collector.http._problems import problems
from kizashi_collector.http._routes import (
    erase_actor,
    get_funnel,
    get_health,
    get_increments,
    get_live,
    get_metrics,
    get_openapi,
    get_plan,
    get_ready,
    get_summary,
    get_values,
    list_events,
    list_funnels,
    list_rejected,
    post_events,
    post_funnel,
    post_plan,
    replay_rejected,
)
from kizashi_collector.http._services import SERVICES, Services
from kizashi_collector.http._watching import WATCH, Watch, observed, watching

__all__ = ["make_app", "make_runner"]


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


def _nothing(_: web.Application) -> None:
    return


def make_app(
    services: Services, watch: Watch | None = None, extend: Callable[[web.Application], None] = _nothing
) -> web.Application:
    """Return the collector's application; `extend` may add routes of its own to it."""
    app = web.Application(middlewares=[observed, problems])
    app[SERVICES] = services
    app[ADMISSION] = _admission(services)
    app[WATCH] = watch or Watch()
    app.cleanup_ctx.append(watching)
    app.on_shutdown.append(_drain)
    for method, path, handler in _routes():
        add = app.router.add_get if method == "GET" else partial(app.router.add_route, method)  # GET brings HEAD along
        add(path, handler, expect_handler=expected)
    extend(app)
    return app


async def _drain(app: web.Application) -> None:
    app[SERVICES].drain()


def _routes() -> Iterator[tuple[str, str, Handler]]:
    yield "POST", "/v1/events", needs("write", post_events)
    yield "GET", "/v1/events", needs("read", list_events)
    yield "GET", "/v1/live", needs("read", get_live)
    yield "GET", "/v1/rejected", needs("read", list_rejected)
    yield "POST", "/v1/rejected/replay", needs("admin", replay_rejected)
    yield "DELETE", "/v1/actors/{actor}", needs("admin", erase_actor)
    yield "GET", "/v1/summary", needs("read", get_summary)
    yield "GET", "/v1/values", needs("read", get_values)
    yield "GET", "/v1/increments", needs("read", get_increments)
    yield "GET", "/v1/funnels", needs("read", list_funnels)
    yield "POST", "/v1/funnels", needs("read", post_funnel)
    yield "GET", "/v1/funnels/{name}", needs("read", get_funnel)
    yield "GET", "/v1/plan", needs("read", get_plan)
    yield "POST", "/v1/plan", needs("admin", post_plan)
    yield "GET", "/metrics", needs("read", get_metrics)
    yield "GET", "/healthz", get_health
    yield "GET", "/readyz", get_ready
    yield "GET", "/openapi.json", get_openapi


def _admission(services: Services) -> Admission:
    limits = services.limits
    admission = Admission(
        max_events=limits.events,
        max_pending=limits.pending_events,
        max_wait=limits.wait_seconds,
        pending=services.log.pending,
        rate=limits.rate,
        read_rate=limits.read_rate,
        on_refusal=services.metrics.refused,
    )
    services.metrics.room = lambda: admission.room
    return admission


def make_runner(
    services: Services, watch: Watch | None = None, extend: Callable[[web.Application], None] = _nothing
) -> web.AppRunner:
    """Return a runner for the application (see `make_app`). Bodies stay compressed until their size was checked."""
    app = make_app(services, watch, extend)
    runner = ConnectionRunner(
        app,
        services.limits,
        services.metrics.cut,
        QuickPosts(services, app[ADMISSION], app[WATCH].slow_seconds),
        access_log=None,
        auto_decompress=False,
        handle_signals=False,
        handler_cancellation=True,  # a client that leaves takes its question along; events are stored all the same
        logger=_protocol_log,
        shutdown_timeout=1.0,
        lingering_time=5.0,  # so long a refused body may still come, and is thrown away, before the connection ends
        max_line_size=8190,
        max_field_size=8190,
        max_headers=64,
    )
    services.metrics.connections = lambda: runner.open
    return runner
