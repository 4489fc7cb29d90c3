"""Many requests on a few connections, each sent before the last is answered; and their answers, in order."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Iterator, Sequence
from typing import Generic, NamedTuple, Protocol, TypeVar

__all__ = ["Answer", "Request", "send_all"]

PATIENCE_S = 60.0
MOST_TRIES = 3


class Request(Protocol):
    """Whatever can be sent: its bytes, and whether its answer has a body (that of HEAD has none)."""

    @property
    def wire(self) -> bytes:
        """The request as it goes over the wire."""

    @property
    def bodiless(self) -> bool:
        """Whether the answer has no body though it tells its length."""


class Answer(NamedTuple):
    """One answer. Header names are in lower case."""

    status: int
    headers: dict[str, str]
    body: bytes


R = TypeVar("R", bound=Request)


class _Line(Generic[R]):
    """One connection after another, as long as there are requests."""

    def __init__(
        self,
        address: tuple[str, int],
        requests: Iterator[R],
        told: Callable[[R, Answer | None], Awaitable[None]],
        depth: int,
    ) -> None:
        self._address = address
        self._depth = depth
        self._requests = requests
        self._told = told
        self._waiting: deque[R] = deque()
        self._tries = 0

    async def run(self) -> None:
        more = True
        while more or self._waiting:
            reader, writer = await asyncio.open_connection(*self._address)
            try:
                more = await self._talk(reader, writer)
            except (OSError, EOFError):
                # The server has closed, as it may after an error: what was not answered is sent again.
                self._tries += 1
                if self._tries >= MOST_TRIES and self._waiting:
                    self._tries = 0
                    await self._told(self._waiting.popleft(), None)
            finally:
                writer.close()

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        writer.writelines([request.wire for request in self._waiting])
        while True:
            batch: list[bytes] = []
            while len(self._waiting) < self._depth and (request := next(self._requests, None)) is not None:
                self._waiting.append(request)
                batch.append(request.wire)
            writer.writelines(batch)
            if not self._waiting:
                return False
            for _ in range(max(1, len(self._waiting) // 2)):
                async with asyncio.timeout(PATIENCE_S):
                    answer = await _read(reader, bodiless=self._waiting[0].bodiless)
                self._tries = 0
                await self._told(self._waiting.popleft(), answer)
                if answer.headers.get("connection", "").lower() == "close":
                    raise EOFError


async def _read(reader: asyncio.StreamReader, *, bodiless: bool) -> Answer:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    first, *lines = head[:-4].split("\r\n")
    version, status, _ = first.split(" ", 2)
    if version not in ("HTTP/1.1", "HTTP/1.0"):
        raise ValueError(f"no answer of HTTP: {first}")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    if bodiless or status in ("204", "304") or status.startswith("1"):
        body = b""
    elif headers.get("transfer-encoding") == "chunked":
        body = await _chunks(reader)
    elif "content-length" in headers:
        body = await reader.readexactly(int(headers["content-length"]))
    else:
        body = await reader.read()
    return Answer(int(status), headers, body)


async def _chunks(reader: asyncio.StreamReader) -> bytes:
    parts = []
    while size := int(await reader.readuntil(b"\r\n"), 16):
        parts.append(await reader.readexactly(size))
        await reader.readexactly(2)
    await reader.readexactly(2)
    return b"".join(parts)


async def send_all(
    address: tuple[str, int],
    sources: Sequence[Iterator[R]],
    told: Callable[[R, Answer | None], Awaitable[None]],
    depth: int = 1,
) -> None:
    """Send what the sources give, each on a connection of its own; `told` gets every request with its answer.

    The answer is None where the connection ended three times before it came. Up to `depth` requests are under way at
    a time; only those that are HTTP may be, since a server gives up on all that it has read together with one that is
    not.
    """
    async with asyncio.TaskGroup() as group:
        for source in sources:
            group.create_task(_Line(address, source, told, depth).run())
