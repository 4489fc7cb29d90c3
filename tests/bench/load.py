"""A lean HTTP/1.1 load generator: requests made beforehand, a fixed number of connections, no client library."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from functools import partial

import msgspec

__all__ = ["batch", "requests", "run_load"]

_serial = iter(range(10**12))
_CAMPAIGNS = ("brand", "generic", "video", "partner", "newsletter")
_NAMES = ("mv_product_view", "mv_product_view", "mv_product_view", "mv_add_to_cart", "mv_form_step1")


def batch(size: int, now: int) -> bytes:
    """A batch of events of the documented shape, with time-ordered ids that no other batch has."""
    return msgspec.json.encode({"events": [_event(next(_serial), now) for _ in range(size)]})


def _event(number: int, now: int) -> dict[str, object]:
    return {
        "id": f"0198c2aa-{number:012x}-7000-8000",
        "name": _NAMES[number % 5],
        "time": now + number % 1000,
        "actor": f"v-{number * 2654435761 % 100_000:x}",
        "value": 1200,
        "currency": "JPY",
        "session": f"s-{number % 50_000:x}",
        "source": {"campaign": _CAMPAIGNS[number % 5], "device": "mobile", "gclid": f"EAIa{number:x}"},
        "properties": {"sku": f"A-{number % 1000}", "qty": 2},
    }


def requests(count: int, size: int, now: int, key: str) -> list[bytes]:
    """Whole requests, head and body, ready to be written to a socket."""
    made = []
    for _ in range(count):
        body = batch(size, now)
        head = (
            "POST /v1/events HTTP/1.1\r\nHost: bench\r\nContent-Type: application/json\r\n"
            f"Authorization: Bearer {key}\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        made.append(head.encode() + body)
    return made


class _Connection(asyncio.Protocol):
    """Sends the next request as soon as the last is answered, and notes how long each took."""

    def __init__(self, todo: list[bytes], seconds: list[float], done: asyncio.Future[None]) -> None:
        self.todo, self.seconds, self.done = todo, seconds, done
        self.buffer = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        self.send()

    def send(self) -> None:
        if not self.todo:
            self.transport.close()
            if not self.done.done():
                self.done.set_result(None)
            return
        self.began = time.perf_counter()
        self.transport.write(self.todo.pop())

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        head, end, body = self.buffer.partition(b"\r\n\r\n")
        if not end:
            return
        length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
        if len(body) < length:
            return
        self.buffer = b""
        if not head.startswith(b"HTTP/1.1 200"):
            self.done.set_exception(RuntimeError(f"answered {head[:40]!r} {body[:200]!r}"))
            return
        self.seconds.append(time.perf_counter() - self.began)
        self.send()

    def connection_lost(self, error: Exception | None) -> None:
        if not self.done.done():
            self.done.set_exception(error or RuntimeError("the server closed the connection"))


def run_load(port: int, todo: Sequence[bytes], connections: int) -> tuple[float, list[float]]:
    """Send all requests; return the whole time and each request's time, in seconds."""

    async def go() -> tuple[float, list[float]]:
        loop = asyncio.get_running_loop()
        left, seconds = list(reversed(todo)), list[float]()
        began = time.perf_counter()
        finished = [loop.create_future() for _ in range(connections)]
        for done in finished:
            await loop.create_connection(partial(_Connection, left, seconds, done), "127.0.0.1", port)
        await asyncio.gather(*finished)
        return time.perf_counter() - began, seconds

    return asyncio.run(go())
