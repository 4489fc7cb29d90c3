"""A server that counts what arrives and misbehaves when told to: a process of its own, led by lines of JSON on stdin.

    {"do": "behave", "mode": "hang", "times": 3}      the next three requests; without times, until told otherwise
    {"do": "wait", "distinct": 500, "seconds": 5}     answers when that many have come, or when the time is over
    {"do": "report"}                                  answers at once

Modes: `serve`; `hang` (reads and never answers), `cut` (tears the connection down within the answer; `keep` tells
whether the events were stored), `html` (a 200 that is a page), `busy` (429 with Retry-After), `bad` (400), `down`
(503), `limit` (413 above `bytes`), and `refuse`, in which nobody listens and every open connection has been torn down,
as when a process died.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import sys
import time
from collections import Counter
from typing import Any

from conformance.dialects import DIALECTS, Arrival, decompress

__all__ = ["Sink"]

PAGE = b"<!doctype html><title>Sign in</title><p>Welcome to the hotel's network."
_ERRORS = {"bad": 400, "down": 503}
_PHRASES = {
    200: "OK",
    400: "Bad Request",
    413: "Content Too Large",
    429: "Too Many Requests",
    503: "Service Unavailable",
}


class Sink:
    """What arrived, and how to behave."""

    def __init__(self, number: str) -> None:
        self.number = number
        self.mode: dict[str, Any] = {"mode": "serve"}
        self.seen: dict[int, str | None] = {}
        self.identities: set[str] = set()
        self.notes: Counter[str] = Counter()
        self.resent = self.duplicates = self.requests = self.served = 0
        self.largest = 0
        self.busy_at: float | None = None
        self.first_after_busy: float | None = None
        self.changed = asyncio.Condition()
        self.writers: set[asyncio.StreamWriter] = set()

    def report(self) -> dict[str, Any]:
        """The counts so far. `resent` came again under the same identity, `duplicates` under another or none."""
        return {
            "distinct": len(self.seen),
            "resent": self.resent,
            "duplicates": self.duplicates,
            "requests": self.requests,
            "served": self.served,
            "largest": self.largest,
            "notes": dict(self.notes),
            "waited": self.first_after_busy,
            "later": sum(number >= 50 for number in self.seen),
        }

    def keep(self, arrivals: list[Arrival]) -> None:
        """Count events as stored, but those with a number below 0."""
        for identity, properties in arrivals:
            number = properties[self.number]
            if number < 0:
                continue
            if number not in self.seen:
                self.seen[number] = identity
                self.notes[repr(properties.get("note", "absent"))] += 1
            elif identity is not None and identity == self.seen[number]:
                self.resent += 1
            else:
                self.duplicates += 1
            if identity is not None:
                self.identities.add(identity)

    async def connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection until it ends."""
        self.writers.add(writer)
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while await self.exchange(reader, writer):
                pass
        self.writers.discard(writer)
        writer.close()

    async def exchange(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """Read a request and answer it, or not; tell whether another may follow."""
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        path = head[0].split(" ")[1]
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in head[1:])}
        wire = await reader.readexactly(int(headers.get("content-length", 0)))
        body = decompress(wire, headers.get("content-encoding", ""))
        dialect = DIALECTS[path]
        arrivals = dialect.read(body)
        self.note_request(len(body))
        mode = self.next_mode()
        if mode["mode"] == "hang":
            await asyncio.Event().wait()
        elif mode["mode"] == "cut":
            if mode.get("keep", True):
                await self.store(arrivals)
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n{")
            await writer.drain()
            writer.transport.abort()
            return False
        elif mode["mode"] == "html":
            answer(writer, 200, PAGE, "Content-Type: text/html\r\n")
        elif mode["mode"] == "busy":
            self.busy_at = time.monotonic()
            answer(writer, 429, dialect.refuse(429), f"Retry-After: {mode['retry_after']}\r\n")
        elif mode["mode"] in _ERRORS:
            answer(writer, _ERRORS[mode["mode"]], dialect.refuse(_ERRORS[mode["mode"]]))
        elif mode["mode"] == "limit" and len(body) > mode["bytes"]:
            answer(writer, 413, dialect.refuse(413))
        else:
            accepted = dialect.accept(arrivals, self.identities)
            self.served += 1
            await self.store(arrivals)
            answer(writer, 200, accepted)
        await writer.drain()
        return True

    def note_request(self, size: int) -> None:
        self.requests += 1
        self.largest = max(self.largest, size)
        if self.busy_at is not None and self.first_after_busy is None:
            self.first_after_busy = time.monotonic() - self.busy_at

    def next_mode(self) -> dict[str, Any]:
        mode = self.mode
        if "times" in mode:
            mode["times"] -= 1
            if mode["times"] <= 0:
                self.mode = {"mode": "serve"}
        return mode

    async def store(self, arrivals: list[Arrival]) -> None:
        async with self.changed:
            self.keep(arrivals)
            self.changed.notify_all()

    async def wait(self, distinct: int, seconds: float) -> None:
        """Return when so many distinct events have come, or the time is over."""
        async with self.changed:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self.changed.wait_for(lambda: len(self.seen) >= distinct), seconds)

    async def run(self, port: int) -> None:
        """Listen, and do what stdin says until it ends."""
        server = await asyncio.start_server(self.connected, "127.0.0.1", port, limit=2**26)
        port = server.sockets[0].getsockname()[1]
        print(f"listening on http://127.0.0.1:{port}", flush=True)
        orders = asyncio.StreamReader()
        await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(orders), sys.stdin)
        while line := await orders.readline():
            order = json.loads(line)
            if order["do"] == "wait":
                await self.wait(order["distinct"], order["seconds"])
            elif order["do"] == "behave":
                if order["mode"] == "refuse" and server.is_serving():
                    server.close()
                    for writer in list(self.writers):
                        writer.transport.abort()
                elif order["mode"] != "refuse" and not server.is_serving():
                    server = await asyncio.start_server(self.connected, "127.0.0.1", port, limit=2**26)
                self.mode = order
            print(json.dumps(self.report()), flush=True)


def answer(writer: asyncio.StreamWriter, status: int, body: bytes, headers: str = "") -> None:
    """Write a whole answer."""
    head = f"HTTP/1.1 {status} {_PHRASES[status]}\r\nContent-Length: {len(body)}\r\n{headers}\r\n"
    writer.write(head.encode() + body)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--number", default="n", help="the property that tells one event from another")
    options = parser.parse_args()
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(Sink(options.number).run(options.port))


if __name__ == "__main__":
    main()
