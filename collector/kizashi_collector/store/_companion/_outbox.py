"""Sends to a companion from several threads, without waiting for it until much has gathered."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
from collections import deque

__all__ = ["Outbox"]

_FULL = 128 << 10
_PATIENCE_SECONDS = 30.0


class Outbox:
    """Sends bytes in the order of the calls. What the socket does not take at once is sent by the event loop.

    Of 128 KiB that wait, some 2,000 events, whoever sends more waits for half of that to go, 30 s at most, but not in
    the event loop: a question waits behind all that was sent before. Raises ConnectionError where it does not go, or
    after `close`.
    """

    def __init__(self, connection: socket.socket, loop: asyncio.AbstractEventLoop) -> None:
        self._connection = connection
        self._loop = loop
        self._thread = threading.get_ident()
        self._waiting: deque[memoryview] = deque()
        self._bytes = 0
        self._room = threading.Condition()
        self._closed = False

    def send(self, data: bytes) -> None:
        """Send this after all before."""
        with self._room:
            if self._bytes > _FULL and threading.get_ident() != self._thread:
                self._room.wait_for(lambda: self._bytes <= _FULL // 2 or self._closed, _PATIENCE_SECONDS)
                if self._bytes > _FULL // 2:
                    self._closed = True
            if self._closed:
                raise ConnectionError("the companion takes nothing more")
            sent = 0
            if not self._waiting:
                sent = self._sent(data)
                if sent == len(data):
                    return
                self._loop.call_soon_threadsafe(self._watch)
            self._waiting.append(memoryview(data)[sent:])
            self._bytes += len(data) - sent

    def _sent(self, data: bytes | memoryview) -> int:
        try:
            return self._connection.send(data)
        except BlockingIOError:
            return 0

    def _watch(self) -> None:
        if not self._closed:
            self._loop.add_writer(self._connection, self._go_on)

    def _go_on(self) -> None:
        with self._room:
            while self._waiting:
                part = self._waiting[0]
                try:
                    sent = self._sent(part)
                except OSError:  # the reader finds the connection closed
                    self._loop.remove_writer(self._connection)
                    return
                self._bytes -= sent
                if sent < len(part):
                    self._waiting[0] = part[sent:]
                    break
                self._waiting.popleft()
            else:
                self._loop.remove_writer(self._connection)
            self._room.notify_all()

    def close(self) -> None:
        """Send nothing more; in the event loop, before the socket is closed."""
        with self._room:
            self._closed = True
            self._waiting.clear()
            self._room.notify_all()
        with contextlib.suppress(ValueError):  # the socket is closed already
            self._loop.remove_writer(self._connection)
