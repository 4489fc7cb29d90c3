"""What watches the collector from inside: how late its event loop is, and whether it can take events."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import suppress

from aiohttp import web
from msgspec import Struct

from kizashi_collector.http._services import SERVICES, Services
from kizashi_collector.http._watching._readiness import unready

__all__ = ["WATCH", "Watch", "watching"]

_log = logging.getLogger("kizashi.ready")
_SAMPLE_S = 0.025


class Watch(Struct, frozen=True, kw_only=True):
    """From how many seconds on an answer is slow, and how many bytes of the volume must be free (see `unready`).

    Every `look_seconds` the log is told whether anything changed.
    """

    slow_seconds: float = 1.0
    min_free: int | None = None
    look_seconds: float = 5.0


WATCH = web.AppKey("watch", Watch)


async def watching(app: web.Application) -> AsyncIterator[None]:
    """Watch for as long as the application runs: a cleanup context."""
    services = app[SERVICES]
    sampler = _Sampler(services)
    look = asyncio.create_task(_tell_changes(services, app[WATCH]))
    yield
    sampler.stop()
    look.cancel()
    with suppress(asyncio.CancelledError):
        await look


class _Sampler:
    """Measures how late a timer is: what a request that came in at that instant would have waited."""

    def __init__(self, services: Services) -> None:
        self._loop = asyncio.get_running_loop()
        self._held = services.metrics.held
        self._due = self._loop.time() + _SAMPLE_S
        self._timer = self._loop.call_at(self._due, self._sample)

    def _sample(self) -> None:
        now = self._loop.time()
        self._held(now - self._due)
        self._due = now + _SAMPLE_S
        self._timer = self._loop.call_at(self._due, self._sample)

    def stop(self) -> None:
        self._timer.cancel()


async def _tell_changes(services: Services, watch: Watch) -> None:
    """Say once in the log that events cannot be taken and what to do, and once that they can again."""
    told: dict[str, str] = {}
    while True:
        found = await unready(services, watch.min_free)
        if not services.draining:
            for reason, text in found.items():
                if reason not in told:
                    _log.error("not ready: %s", text, extra={"fields": {"reason": reason}})
            for reason in told:
                if reason not in found:
                    _log.info("ready again: %s is over", reason, extra={"fields": {"reason": reason}})
            told = found
        await asyncio.sleep(watch.look_seconds)
