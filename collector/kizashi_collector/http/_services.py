"""What the handlers work with, handed over once when the application is made."""

from __future__ import annotations

import asyncio

from aiohttp import web
from msgspec import Struct, field

from kizashi_collector.http._admission import FairPool
from kizashi_collector.http._metrics import Metrics
from kizashi_collector.http._tags import Tags
from kizashi_collector.ingest import Clock, Ingest, PlanBook
from kizashi_collector.store import Answers, Keys, Log

__all__ = ["SERVICES", "Limits", "Services"]


class Limits(Struct, frozen=True, kw_only=True):
    """Bounds of one request: bytes on the wire when compressed, bytes once decoded, events.

    Of all together: bytes of bodies that are being read or waiting to be stored; events that wait to be written, and
    for how many seconds they may be expected to. Of each key: events and questions a second, None for any number.

    Of clients: connections; seconds that one may be idle, and bytes of a head that comes in pieces; seconds until a
    head and a body are there, and until so much of an answer was read that more fits into the connection. A body may
    take `body_grace` seconds and one more for every `body_rate` bytes that came, never more than `body_seconds`.

    Of clients that follow events: how many there may be, and seconds of silence after which they are told that there
    was none to tell.
    """

    compressed_bytes: int = 1024 * 1024
    decoded_bytes: int = 10 * 1024 * 1024
    events: int = 2_500
    bytes_in_flight: int = 64 * 1024 * 1024
    pending_events: int = 100_000
    wait_seconds: float = 1.0
    rate: float | None = None
    read_rate: float | None = None
    connections: int = 20_000
    idle_seconds: float = 75.0
    head_bytes: int = 32 * 1024
    header_seconds: float = 10.0
    body_seconds: float = 30.0
    body_grace: float = 10.0
    body_rate: int = 1024
    answer_seconds: float = 60.0
    followers: int = 20
    keep_alive_seconds: float = 15.0


class InFlight:
    """Counts the requests that are being answered, so that a stop can wait for the last of them, and their bytes."""

    def __init__(self) -> None:
        self.bodies = FairPool()
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

    @property
    def bytes(self) -> int:
        """Bytes of bodies that are being read or waiting to be stored."""
        return self.bodies.total

    @property
    def count(self) -> int:
        """How many requests are being answered."""
        return self._count

    async def none(self) -> None:
        """Return once no request is being answered."""
        await self._none.wait()


class Services(Struct, kw_only=True):
    """The parts of a running collector. `keys` is None in development without keys; `draining` is set at the end.

    `retention` in milliseconds overrides the plan's.
    """

    log: Log
    answers: Answers
    ingest: Ingest
    plans: PlanBook
    keys: Keys | None
    clock: Clock
    metrics: Metrics
    limits: Limits
    in_flight: InFlight = field(default_factory=InFlight)
    tags: Tags = field(default_factory=Tags)
    draining: bool = False
    retention: int | None = None

    def drain(self) -> None:
        """Take no new batch, and end what would not end by itself."""
        self.draining = True
        self.ingest.live.close()


SERVICES = web.AppKey("services", Services)
