"""What the handlers work with, handed over once when the application is made."""

from __future__ import annotations

import asyncio

from aiohttp import web
from msgspec import Struct, field

from kizashi_collector.http._metrics import Metrics
from kizashi_collector.ingest import Clock, Ingest, PlanBook
from kizashi_collector.store import Answers, KeyRing, Log

__all__ = ["SERVICES", "Limits", "Services"]


class Limits(Struct, frozen=True, kw_only=True):
    """Bounds of one request: bytes on the wire when compressed, bytes once decoded, seconds until its body is there.
    And of all together: bytes of bodies that are being read or waiting to be stored.
    """

    compressed_bytes: int = 1024 * 1024
    decoded_bytes: int = 10 * 1024 * 1024
    body_seconds: float = 30.0
    bytes_in_flight: int = 64 * 1024 * 1024


class InFlight:
    """Counts the requests that are being answered, so that a stop can wait for the last of them, and their bytes."""

    def __init__(self) -> None:
        self.bytes = 0
        self._count = 0
        self._none = asyncio.Event()
        self._none.set()

    def __enter__(self) -> None:
        self._count += 1
        self._none.clear()

    def __exit__(self, *_: object) -> None:
        self._count -= 1
        if self._count == 0:
            self._none.set()

    async def none(self) -> None:
        """Return once no request is being answered."""
        await self._none.wait()


class Services(Struct, kw_only=True):
    """The parts of a running collector. `keys` is None in development without keys; `draining` is set at the end."""

    log: Log
    answers: Answers
    ingest: Ingest
    plans: PlanBook
    keys: KeyRing | None
    clock: Clock
    metrics: Metrics
    limits: Limits
    in_flight: InFlight = field(default_factory=InFlight)
    draining: bool = False


SERVICES = web.AppKey("services", Services)
