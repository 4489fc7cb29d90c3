"""Clients that do not wait for each other: batches are sent when they are due, whatever became of those before."""

from __future__ import annotations

import asyncio
import time
from collections import Counter, deque
from collections.abc import Sequence

import msgspec

__all__ = ["Client", "offer", "saturate"]

_SERIAL = b"@serial@"


class Client:
    """One write key: its name, the events of a batch, what it was answered, and how long that took.

    Every event is called `name`, so that the collector's own count by name tells what it has of this client. An id is
    never sent twice: `acknowledged` batches can be sent again, to be told that all of it is there.
    """

    def __init__(self, name: str, secret: str, batch: int, port: int, connections: int = 400) -> None:
        self.name = name
        self.batch = batch
        self.port = port
        self.connections = connections
        self.offered = 0
        self.unsent = 0
        self.answers: Counter[int] = Counter()
        self.seconds: list[float] = []
        self.acknowledged: list[int] = []
        self.retry_after: Counter[str] = Counter()
        self.broken = 0
        self._serial = 0
        self._idle: deque[_Connection] = deque()
        self._open = 0
        self._body = _body(name, batch)
        head = (
            "POST /v1/events HTTP/1.1\r\nHost: overload\r\nContent-Type: application/json\r\n"
            f"Authorization: Bearer {secret}\r\nContent-Length: {len(self._body)}\r\n\r\n"
        )
        self._request = head.encode() + self._body

    def request(self, serial: int) -> bytes:
        """The whole request of a batch."""
        return self._request.replace(_SERIAL, b"%08x" % serial)

    def forget(self) -> None:
        """Begin to count anew, but for what was acknowledged."""
        self.offered = self.unsent = self.broken = 0
        self.answers, self.seconds, self.retry_after = Counter(), [], Counter()

    def next(self) -> int:
        """The number of a batch that was never sent."""
        self._serial += 1
        return self._serial

    async def send(self, serial: int, due: float) -> int:
        """Send a batch that was due at `due`, note what became of it, and return the status; 0 where there was none."""
        try:
            connection = self._idle.pop() if self._idle else await self._connect()
            status, head = await connection.ask(self.request(serial))
        except OSError:
            self.broken += 1
            return 0
        self._idle.append(connection)
        self.answers[status] += 1
        if status == 200:
            self.acknowledged.append(serial)
            self.seconds.append(time.perf_counter() - due)
        else:
            self.retry_after[head.lower().partition(b"retry-after: ")[2].partition(b"\r\n")[0].decode()] += 1
        return status

    @property
    def busy(self) -> int:
        """How many of its connections wait for an answer."""
        return self._open - len(self._idle)

    async def _connect(self) -> _Connection:
        self._open += 1
        _, made = await asyncio.get_running_loop().create_connection(lambda: _Connection(self), "127.0.0.1", self.port)
        return made

    def lost(self, connection: _Connection) -> None:
        """Its connection was closed."""
        self._open -= 1
        if connection in self._idle:
            self._idle.remove(connection)

    def close(self) -> None:
        """Close its connections."""
        for connection in list(self._idle):
            connection.transport.close()


class _Connection(asyncio.Protocol):
    """One request at a time."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._buffer = b""
        self._answer: asyncio.Future[tuple[int, bytes]] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def ask(self, request: bytes) -> asyncio.Future[tuple[int, bytes]]:
        self._answer = asyncio.get_running_loop().create_future()
        if self.transport.is_closing():
            self._answer.set_exception(ConnectionResetError())
        else:
            self.transport.write(request)
        return self._answer

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        head, end, body = self._buffer.partition(b"\r\n\r\n")
        if not end or len(body) < int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0]):
            return
        self._buffer = b""
        if self._answer is not None and not self._answer.done():
            self._answer.set_result((int(head[9:12]), head))

    def connection_lost(self, error: Exception | None) -> None:
        self._client.lost(self)
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(error or ConnectionResetError())


def _body(name: str, batch: int) -> bytes:
    now = time.time_ns() // 1_000_000
    return msgspec.json.encode(
        {
            "events": [
                {
                    "id": f"0198c2aa-{name}-{_SERIAL.decode()}-{number:04x}",
                    "name": name,
                    "time": now + number,
                    "actor": f"v-{number % 97:x}",
                    "value": 1200,
                    "currency": "JPY",
                    "session": f"s-{number % 89:x}",
                    "source": {"campaign": "brand", "device": "mobile"},
                    "properties": {"sku": f"A-{number % 1000}", "qty": 2},
                }
                for number in range(batch)
            ]
        }
    )


async def saturate(clients: Sequence[Client], seconds: float, connections: int) -> float:
    """Each client keeps so many connections busy; returns acknowledged events per second: the peak."""
    began = time.perf_counter()

    async def keep_busy(client: Client) -> None:
        while time.perf_counter() - began < seconds:
            if await client.send(client.next(), time.perf_counter()) != 200:
                await asyncio.sleep(0.05)

    await asyncio.gather(*(keep_busy(client) for client in clients for _ in range(connections)))
    took = time.perf_counter() - began
    return sum(client.answers[200] * client.batch for client in clients) / took


async def offer(client: Client, events_per_second: float, seconds: float) -> None:
    """Send batches at this rate and wait for the answers. One for which no connection is free counts as unsent."""
    pause = client.batch / events_per_second
    began = due = time.perf_counter()
    sending: set[asyncio.Task[int]] = set()
    while due < began + seconds:
        await asyncio.sleep(max(0.0, due - time.perf_counter()))
        client.offered += 1
        if client.busy >= client.connections:
            client.unsent += 1
        else:
            task = asyncio.create_task(client.send(client.next(), due))
            sending.add(task)
            task.add_done_callback(sending.discard)
        due += pause
    await asyncio.gather(*sending)
