"""A real HTTP server that misbehaves as the test says, and a clock that does not wait."""

from __future__ import annotations

import json
import socket
import struct
import threading
import zlib
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from kizashi._clock import Clock

__all__ = [
    "Collector",
    "Reply",
    "Request",
    "SkippingClock",
    "accept",
    "collecting",
    "cut",
    "hang",
    "refuse",
    "reset",
    "status",
]


class Request:
    """One POST as it came in, decompressed and decoded."""

    def __init__(self, path: str, headers: Mapping[str, str], wire: bytes) -> None:
        self.path = path
        self.headers = {key.lower(): value for key, value in headers.items()}
        self.wire = wire
        self.body = zlib.decompress(wire, 31) if self.headers.get("content-encoding") == "gzip" else wire
        self.batch: dict[str, Any] = json.loads(self.body)
        self.events: list[dict[str, Any]] = self.batch["events"]


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: Server

    def do_POST(self) -> None:
        wire = self.rfile.read(int(self.headers["Content-Length"]))
        request = Request(self.path, dict(self.headers.items()), wire)
        self.server.collector.answer(self, request)

    def do_GET(self) -> None:
        self.server.collector.gets += 1
        self.respond(200, {}, b"{}")

    def respond(self, code: int, headers: Mapping[str, str], body: bytes) -> None:
        self.send_response(code)
        for key, value in ({"Content-Length": str(len(body))} | dict(headers)).items():
            self.send_header(key, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name it has in the standard library
        pass


Reply = Callable[[Handler, Request], None]
"""Answers a request, or does not. What it stores, it stores before it answers."""


class Server(ThreadingHTTPServer):
    daemon_threads = True
    collector: Collector

    def handle_error(self, request: object, client_address: object) -> None:
        pass  # clients that hang up are what these tests are about


class Collector:
    """Plays the replies of its script in order, then accepts. Ids that were stored are answered as duplicates."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.script: deque[Reply] = deque()
        self.always: Reply = accept
        self.requests: list[Request] = []
        self.stored: dict[str, dict[str, Any]] = {}
        self.gets = 0
        self.hanging = threading.Event()
        self.release = threading.Event()
        self._lock = threading.Condition()

    def answer(self, handler: Handler, request: Request) -> None:
        with self._lock:
            self.requests.append(request)
            reply = self.script.popleft() if self.script else self.always
            self._lock.notify_all()
        reply(handler, request)

    def store(self, events: list[dict[str, Any]]) -> None:
        self.stored |= {event["id"]: event for event in events}

    def wait_for_requests(self, count: int) -> None:
        with self._lock:
            assert self._lock.wait_for(lambda: len(self.requests) >= count, 10)

    @property
    def events(self) -> list[dict[str, Any]]:
        """What is stored, in the order of arrival."""
        return list(self.stored.values())

    def names(self) -> list[str]:
        return [event["name"] for event in self.events]


def accept(handler: Handler, request: Request) -> None:
    stored = handler.server.collector.stored
    verdicts = [
        {"index": index, "id": event["id"], "verdict": "duplicate"}
        for index, event in enumerate(request.events)
        if event["id"] in stored
    ]
    told = {
        "accepted": len(request.events) - len(verdicts),
        "duplicates": len(verdicts),
        "rejected": 0,
        "verdicts": verdicts,
    }
    handler.server.collector.store(request.events)
    handler.respond(200, {}, json.dumps(told).encode())


def status(code: int, body: bytes = b"", **headers: str) -> Reply:
    """Answer with a status and count nothing as stored."""

    def reply(handler: Handler, _request: Request) -> None:
        handler.respond(code, {key.replace("_", "-"): value for key, value in headers.items()}, body)

    return reply


def refuse(code: int) -> Reply:
    """Refuse the batch with a problem, as the collector does."""
    return status(code, json.dumps({"title": "Refused", "status": code, "code": "bad_body"}).encode())


def reset(handler: Handler, _request: Request) -> None:
    """Tear the connection down with a RST, without a word."""
    handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    handler.connection.close()
    handler.close_connection = True


def cut(handler: Handler, request: Request) -> None:
    """Store the events, and end in the middle of saying so."""
    handler.server.collector.store(request.events)
    handler.send_response(200)
    handler.send_header("Content-Length", "1000")
    handler.end_headers()
    handler.wfile.write(b'{"accepted":')
    handler.close_connection = True


def hang(handler: Handler, _request: Request) -> None:
    """Read the request and say nothing until the test is over."""
    collector = handler.server.collector
    collector.hanging.set()
    collector.release.wait(30)
    handler.close_connection = True


@contextmanager
def collecting(port: int = 0) -> Iterator[Collector]:
    server = Server(("127.0.0.1", port), Handler)
    server.collector = collector = Collector(f"http://127.0.0.1:{server.server_port}")
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield collector
    finally:
        collector.release.set()
        server.shutdown()
        thread.join()
        server.server_close()


class SkippingClock(Clock):
    """Skips waits: each moves this clock forward and is written down. Only idling, and waits of an hour, are real."""

    def __init__(self) -> None:
        self.now = 1_000.0
        self.wall_ns = 1_790_000_000_000_000_000
        self.waits: list[float] = []

    def time_ns(self) -> int:
        return self.wall_ns

    def monotonic(self) -> float:
        return self.now

    def wait(self, condition: threading.Condition, seconds: float | None) -> None:
        if seconds is None or seconds > 3_500:
            condition.wait()
        else:
            self.waits.append(seconds)
            self.now += seconds
            condition.wait(0)
