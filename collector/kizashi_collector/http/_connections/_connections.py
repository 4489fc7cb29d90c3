"""Connections: how many there may be, and how long a client may take. aiohttp's own protocol does the HTTP.

aiohttp closes connections that were idle for too long; it knows no deadline for a request's head, no bound on
connections, and waits for ever for a client that does not read its answer.
"""

from __future__ import annotations

import asyncio
import heapq
import resource
from collections.abc import Callable
from typing import Any, Literal

import msgspec
from aiohttp import web

from kizashi_collector.http._body import answering_expectations
from kizashi_collector.http._connections._quick import QuickPosts
from kizashi_collector.http._services import Limits
from kizashi_schemas import Problem

__all__ = ["ConnectionRunner", "Cut", "open_file_room"]

Cut = Literal["slow_head", "large_head", "slow_reader", "evicted", "full"]
"""Why a connection was closed by the collector."""

_RESERVED_FILES = 256
"""Open files that are not connections: the log, its segments and readers, and those that are being told 503."""
_BACKLOG = 64 * 1024
_MOST_REFUSALS = 64
_REFUSAL_S = 1.0
_EVICT_AT_ONCE = 64
_IDLE_FROM_S = 1.0


def open_file_room(wanted: int) -> int:
    """Raise the soft limit on open files to the hard one; return how many connections, up to `wanted`, it allows."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
            soft = hard
        except (ValueError, OSError):  # macOS gives an unlimited hard limit that it does not grant
            soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return wanted if soft == resource.RLIM_INFINITY else max(1, min(wanted, soft - _RESERVED_FILES))


class ConnectionRunner(web.AppRunner):
    """Runs an application on connections that keep to the limits. `on_cut` is told of each that is closed for one."""

    def __init__(
        self,
        app: web.Application,
        limits: Limits,
        on_cut: Callable[[Cut], None],
        quick: QuickPosts,
        **options: Any,
    ) -> None:
        super().__init__(app, keepalive_timeout=limits.idle_seconds, **options)
        self._limits = limits
        self._on_cut = on_cut
        self._quick = quick

    async def _make_server(self) -> web.Server:
        return _Connections(await super()._make_server(), self._limits, self._on_cut, self._quick)

    @property
    def open(self) -> int:
        """How many connections there are."""
        return 0 if self.server is None else len(self.server._connections)


class _Connections(web.Server):
    """All connections. A deadline is kept only for those that are slow: a usual request never meets a timer here."""

    def __init__(self, plain: web.Server, limits: Limits, on_cut: Callable[[Cut], None], quick: QuickPosts) -> None:
        super().__init__(
            answering_expectations(plain.request_handler),
            request_factory=plain.request_factory,
            handler_cancellation=plain.handler_cancellation,
            loop=plain._loop,
            **plain._kwargs,
        )
        self.limits = limits
        self.on_cut = on_cut
        self.quick = quick
        self.refusals = 0
        self._slow: dict[_Connection, float] = {}  # by deadline, since all get the same time
        self._timer: asyncio.TimerHandle | None = None
        self._looked_at = -_IDLE_FROM_S

    def __call__(self) -> web.RequestHandler:
        return _Connection(self, loop=self._loop, **self._kwargs)

    async def shutdown(self, timeout: float | None = None) -> None:  # noqa: ASYNC109  # aiohttp's signature
        if self._timer is not None:
            self._timer.cancel()
        await super().shutdown(timeout)

    def await_head(self, connection: _Connection) -> None:
        """Cut the connection unless the rest of its request's head comes in time."""
        self._slow[connection] = self._loop.time() + self.limits.header_seconds
        if self._timer is None:
            self._timer = self._loop.call_at(self._slow[connection], self._cut_slow)

    def head_is_there(self, connection: _Connection) -> None:
        """The head came, or its connection went."""
        self._slow.pop(connection, None)

    def _cut_slow(self) -> None:
        self._timer = None
        now = self._loop.time()
        while self._slow:
            connection, deadline = next(iter(self._slow.items()))
            if deadline > now:
                self._timer = self._loop.call_at(deadline, self._cut_slow)
                return
            connection.cut("slow_head")

    def has_room(self) -> bool:
        """Whether one more connection may come; the longest idle ones go if that makes room."""
        if len(self._connections) < self.limits.connections:
            return True
        now = self._loop.time()
        if now - self._looked_at < _IDLE_FROM_S:  # a look costs time, and a flood would have one for each connection
            return False
        self._looked_at = now
        idle = [
            (since, id(connection), connection)
            for connection in self._connections
            if isinstance(connection, _Connection) and (since := connection.idle_since()) <= now - _IDLE_FROM_S
        ]
        for _, _, connection in heapq.nsmallest(_EVICT_AT_ONCE, idle):
            connection.cut("evicted")
            self._connections.pop(connection, None)
        return len(self._connections) < self.limits.connections


class _Connection(web.RequestHandler):
    """aiohttp's connection, which also looks at how its client behaves."""

    __slots__ = (
        "_backlog",
        "_body",
        "_drop",
        "_head_bytes",
        "_owner",
        "_quick",
        "_reading_timer",
        "_refused",
        "_remote",
    )

    def __init__(self, owner: _Connections, **options: Any) -> None:
        super().__init__(owner, **options)
        self._owner = owner
        self._head_bytes = 0
        self._body: Any = None
        self._refused = False
        self._reading_timer: asyncio.TimerHandle | None = None
        # While a request is on its short way, what comes after it waits here.
        self._quick = False
        self._backlog = b""
        self._drop = 0
        self._remote = ""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        if self._owner.has_room():
            super().connection_made(transport)
            peer = transport.get_extra_info("peername")
            self._remote = str(peer[0]) if isinstance(peer, tuple) else ""
        elif isinstance(transport, asyncio.Transport):
            self._refuse(transport)

    def connection_lost(self, exc: BaseException | None) -> None:
        if self._head_bytes:
            self._owner.head_is_there(self)
        if self._reading_timer is not None:
            self._reading_timer.cancel()
        if self._refused:
            self._refused = False
            self._owner.refusals -= 1
        self._body = None
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._refused:
            return
        if self._drop:
            # The body of a request that was refused: nobody looks at it.
            dropped = min(self._drop, len(data))
            self._drop -= dropped
            data = data[dropped:]
            if not data:
                return
        if self._quick:
            self._backlog += data
            if len(self._backlog) > _BACKLOG and self.transport is not None:
                self.transport.pause_reading()
            return
        if self._is_between():
            self._quick = True
            unread = self._owner.quick.take(data, self._remote, self._answered)
            if unread is not None:
                self._drop = unread
                self._stay()
                return
            self._quick = False
        heads = self._request_count
        in_body = self._body is not None and not self._body.is_eof()
        super().data_received(data)
        if self._request_count != heads:
            self._body = self._messages[-1][1] if self._messages else None
            if self._head_bytes:
                self._head_bytes = 0
                self._owner.head_is_there(self)
        elif data and not in_body and not self._force_close:
            if not self._head_bytes:
                self._owner.await_head(self)
            self._head_bytes += len(data)
            if self._head_bytes > self._owner.limits.head_bytes:
                self.cut("large_head")

    def _is_between(self) -> bool:
        """Whether the last request was answered, and nothing has come of another."""
        return (
            self._waiter is not None
            and not self._messages
            and self._current_request is None
            and not self._head_bytes
            and not self._paused
            and not self._upgraded
            and self._payload_parser is None
            and (self._body is None or self._body.is_eof())
            and not (self._close or self._force_close)
        )

    def _answered(self, answer: bytes) -> None:
        self._quick = False
        transport = self.transport
        if transport is None:
            return  # the client has left; its events are stored all the same
        transport.write(answer)
        self._stay()
        backlog, self._backlog = self._backlog, b""
        if len(backlog) > _BACKLOG:
            transport.resume_reading()
        if backlog:
            self._loop.call_soon(self._go_on, backlog)

    def _go_on(self, backlog: bytes) -> None:
        if self.transport is not None:
            self.data_received(backlog)

    def _stay(self) -> None:
        """Count the time that the connection may be idle from now on, as aiohttp does after each answer."""
        self._keepalive = True
        self._next_keepalive_close_time = self._loop.time() + self._keepalive_timeout
        if self._keepalive_handle is None:
            self._keepalive_handle = self._loop.call_at(self._next_keepalive_close_time, self._process_keepalive)

    def _process_keepalive(self) -> None:
        if self._quick:
            self._stay()
        super()._process_keepalive()

    def pause_writing(self) -> None:
        super().pause_writing()
        if self._reading_timer is None:
            self._reading_timer = self._loop.call_later(self._owner.limits.answer_seconds, self.cut, "slow_reader")

    def resume_writing(self) -> None:
        super().resume_writing()
        if self._reading_timer is not None:
            self._reading_timer.cancel()
            self._reading_timer = None

    def idle_since(self) -> float:
        """When the last answer, or the connection itself, was made; infinity while a request is being answered."""
        if self._current_request is not None or self._messages or self._quick:
            return float("inf")
        return self._next_keepalive_close_time - self._keepalive_timeout

    def cut(self, reason: Cut) -> None:
        """Close the connection, with an answer where one can be expected."""
        self._owner.head_is_there(self)
        self._owner.on_cut(reason)
        transport = self.transport
        if transport is None:
            return
        if reason == "slow_reader":
            transport.abort()
            return
        if reason in _ANSWERS and self._current_request is None:
            transport.write(_ANSWERS[reason])
        self.force_close()

    def _refuse(self, transport: asyncio.Transport) -> None:
        self._owner.on_cut("full")
        self._refused = True
        self._owner.refusals += 1
        if self._owner.refusals > _MOST_REFUSALS:
            transport.abort()
            return
        transport.write(_ANSWERS["full"])
        # Closed at once, what the client has sent meanwhile would make its kernel forget this answer (RFC 9112, 9.6).
        transport.write_eof()
        self._loop.call_later(_REFUSAL_S, transport.abort)


def _answer(status: int, title: str, code: str, detail: str, *headers: str) -> bytes:
    body = msgspec.json.encode(Problem(title=title, status=status, code=code, detail=detail))
    lines = [
        f"HTTP/1.1 {status} {title}",
        "Content-Type: application/problem+json",
        f"Content-Length: {len(body)}",
        "Connection: close",
        *headers,
    ]
    return "\r\n".join([*lines, "", ""]).encode() + body


_ANSWERS: dict[Cut, bytes] = {
    "slow_head": _answer(408, "Request Timeout", "too_slow", "the request's head did not come in time"),
    "large_head": _answer(
        431, "Request Header Fields Too Large", "too_large", "the request's head is too large; send fewer headers"
    ),
    "full": _answer(503, "Service Unavailable", "busy", "too many connections are open; send again", "Retry-After: 2"),
}
