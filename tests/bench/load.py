"""A lean HTTP/1.1 load generator: requests made beforehand, a fixed number of connections, no client library."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Sequence
from functools import partial

__all__ = ["Traffic", "p99_at", "request", "run_load"]

_NAMES = ("mv_product_view",) * 6 + ("mv_add_to_cart", "mv_add_to_cart", "mv_form_step1", "purchase")
_VISIT = 5
"""Events of one visit, which share session, source and click id."""


class Traffic:
    """Events of the documented shape: a million actors, 200 campaigns on 3 devices, a click id for each visit.

    Ids are UUIDv7 of the event's time, or with `random_ids` UUIDv4. With `shuffled` milliseconds, times lie anywhere in
    such a span before `now`, in no order.
    """

    def __init__(self, seed: int, *, random_ids: bool = False, shuffled: int = 0) -> None:
        self._random = random.Random(seed)
        self._random_ids = random_ids
        self._shuffled = shuffled
        self._visits: list[tuple[int, str]] = []
        self._orders = seed * 10**9

    def batch(self, size: int, now: int, *, imported: bool = False) -> bytes:
        """A body with `size` events that no other has."""
        head = b'{"import":true,"events":[' if imported else b'{"events":['
        return head + ",".join([self._event(now) for _ in range(size)]).encode() + b"]}"

    def _event(self, now: int) -> str:
        chance = self._random
        time_ms = now - chance.randrange(self._shuffled) if self._shuffled else now - chance.randrange(100)
        bits = chance.getrandbits(128)
        digits = f"{bits:032x}" if self._random_ids else f"{time_ms:012x}7{bits & (1 << 76) - 1:019x}"
        event_id = f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-a{digits[17:20]}-{digits[20:]}"
        # Visits go on beside each other, as those of a site do.
        if len(self._visits) < 2_000:
            self._visits.append((_VISIT, self._visit()))
        place = chance.randrange(len(self._visits))
        left, visit = self._visits[place]
        if left == 1:
            self._visits[place] = self._visits[-1]
            self._visits.pop()
        else:
            self._visits[place] = (left - 1, visit)
        name = _NAMES[bits % 10]
        order = "null"
        if name == "purchase":
            self._orders += 1
            order = f'"A-{self._orders}"'
        return (
            f'{{"id":"{event_id}","name":"{name}","time":{time_ms},"value":{100 * (bits % 300)},"currency":"JPY",'
            f'"order":{order},{visit},"properties":{{"sku":"A-{bits % 5000}","qty":{bits % 3 + 1}}}}}'
        )

    def _visit(self) -> str:
        chance = self._random
        campaign, device = chance.randrange(200), ("mobile", "desktop", "tablet")[chance.randrange(3)]
        click = f"EAIaIQobChMI{chance.getrandbits(84):021x}EAAYASAAEg{chance.getrandbits(20):05x}_BwE"
        return (
            f'"actor":"v-{chance.randrange(1_000_000):x}","session":"s-{chance.getrandbits(48):x}",'
            f'"source":{{"campaign":"campaign-{campaign}","device":"{device}","gclid":"{click}"}}'
        )


def request(body: bytes, key: str) -> bytes:
    """A whole request, head and body, ready to be written to a socket."""
    head = (
        "POST /v1/events HTTP/1.1\r\nHost: bench\r\nContent-Type: application/json\r\n"
        f"Authorization: Bearer {key}\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


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
        self.answered()

    def answered(self) -> None:
        self.send()

    def connection_lost(self, error: Exception | None) -> None:
        if not self.done.done():
            self.done.set_exception(error or RuntimeError("the server closed the connection"))


class _Paced(_Connection):
    """Sends a request when its time has come; one that had to wait for the answer before it waited all the same."""

    def __init__(self, todo: list[bytes], seconds: list[float], done: asyncio.Future[None], every: float) -> None:
        super().__init__(todo, seconds, done)
        self.every = every
        self.due: float | None = None

    def send(self) -> None:
        if self.due is None:
            self.due = time.perf_counter() + self.every * random.random()
        wait = self.due - time.perf_counter()
        if wait > 0 and self.todo:
            asyncio.get_running_loop().call_later(wait, self.send)
            return
        super().send()
        self.began, self.due = self.due, self.due + self.every


def run_load(port: int, todo: Sequence[bytes], connections: int) -> tuple[float, list[float]]:
    """Send all requests as fast as they are answered; return the whole time and each request's time, in seconds."""
    return asyncio.run(_run(port, todo, connections, _Connection))


def p99_at(port: int, todo: Sequence[bytes], connections: int, rate: float) -> float:
    """Send `rate` requests a second, whatever is answered when; return the 99th percentile of the seconds each took."""
    paced = partial(_Paced, every=connections / rate)
    _, seconds = asyncio.run(_run(port, todo, connections, paced))
    return sorted(seconds)[int(len(seconds) * 0.99)]


async def _run(
    port: int, todo: Sequence[bytes], connections: int, kind: type[_Connection] | partial[_Paced]
) -> tuple[float, list[float]]:
    loop = asyncio.get_running_loop()
    left, seconds = list(reversed(todo)), list[float]()
    began = time.perf_counter()
    finished = [loop.create_future() for _ in range(connections)]
    for done in finished:
        await loop.create_connection(partial(kind, left, seconds, done), "127.0.0.1", port)
    await asyncio.gather(*finished)
    return time.perf_counter() - began, seconds
