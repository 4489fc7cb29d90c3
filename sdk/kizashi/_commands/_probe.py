"""The ways to a collector, one step at a time, so that each can fail with a name: resolve, connect, TLS, GET, POST.

Each step ends within its seconds, whatever is at the other end. What cannot be interrupted, such as the system's
resolver, is waited for in a thread and left behind.
"""

from __future__ import annotations

import http.client
import socket
import ssl
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from typing import TypeVar

from msgspec import Struct

from kizashi._config import Endpoint
from kizashi._errors import TransportError
from kizashi._http import HttpTransport
from kizashi._transport import Answer
from kizashi._version import __version__

__all__ = ["Address", "Probe", "Reply"]

T = TypeVar("T")

Address = tuple[socket.AddressFamily, tuple[str | int | bytes, ...]]
"""A family and what connects there; the host's number comes first."""

_MAX_REPLY_BYTES = 8 * 1024 * 1024


class Reply(Struct, frozen=True):
    """A whole answer to a GET. `asked` is this machine's clock half-way through, in seconds since 1970."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    asked: float

    @property
    def is_page(self) -> bool:
        """Whether it is a page for people, which no collector sends."""
        start = self.body.lstrip()[:100].lower()
        return "html" in self.headers.get("content-type", "").lower() or start.startswith((b"<!doctype html", b"<html"))


class Probe:
    """Talks to one endpoint. `clock` reads this machine's time in seconds since 1970."""

    def __init__(self, endpoint: Endpoint, clock: Callable[[], float] = time.time) -> None:
        self._endpoint = endpoint
        self._clock = clock

    def resolve(self, seconds: float) -> list[Address]:
        """The host's addresses, in the order in which the SDK tries them. Raises OSError."""
        host = self._endpoint.host.encode("idna")
        found = _within(seconds, lambda: socket.getaddrinfo(host, self._endpoint.port, type=socket.SOCK_STREAM))
        return [(family, address) for family, _, _, _, address in found]

    def connect(self, address: Address, seconds: float) -> None:
        """Open a connection to one address, and close it. Raises OSError."""
        self._open(address, seconds).close()

    def handshake(self, address: Address, seconds: float) -> str:
        """Agree on TLS with one address; returns its version. Raises OSError, of which ssl.SSLError is one."""
        with self._secured(address, seconds) as secured:
            return secured.version() or "TLS"

    def get(self, path: str, address: Address, seconds: float, *, key: str | None = None) -> Reply:
        """Ask for a path below the endpoint's. Raises OSError or http.client.HTTPException."""
        opened: list[socket.socket] = []

        def ask() -> Reply:
            wire = self._secured(address, seconds) if self._endpoint.secure else self._open(address, seconds)
            opened.append(wire)
            with wire:
                return self._exchange(wire, path, key)

        def hang_up() -> None:
            for wire in opened:
                try:
                    socket.socket.shutdown(wire, socket.SHUT_RDWR)
                except OSError:
                    continue  # it has ended meanwhile

        return _within(seconds, ask, hang_up)

    def post(self, body: bytes, seconds: float, *, key: str | None) -> Answer:
        """Send a batch as the SDK does, on a connection of its own. Raises TransportError."""
        transport = HttpTransport(self._endpoint, key=key, gzip=False)

        def send() -> Answer:
            try:
                return transport.send(body, seconds=seconds)
            finally:
                transport.close()

        try:
            return _within(seconds, send, transport.abort)
        except TimeoutError as error:
            raise TransportError("timed out") from error

    def _open(self, address: Address, seconds: float) -> socket.socket:
        family, place = address
        wire = socket.socket(family, socket.SOCK_STREAM)
        try:
            wire.settimeout(seconds)
            wire.connect(place)
        except BaseException:
            wire.close()
            raise
        return wire

    def _secured(self, address: Address, seconds: float) -> ssl.SSLSocket:
        context = ssl.create_default_context()
        wire = self._open(address, seconds)
        try:
            return context.wrap_socket(wire, server_hostname=self._endpoint.host)
        except BaseException:
            wire.close()
            raise

    def _exchange(self, wire: socket.socket, path: str, key: str | None) -> Reply:
        connection = http.client.HTTPConnection(self._endpoint.host, self._endpoint.port)
        connection.default_port = 443 if self._endpoint.secure else 80
        connection.sock = wire
        headers = {"User-Agent": f"kizashi-python/{__version__}", "Accept": "*/*", "Connection": "close"}
        if key is not None:
            headers["Authorization"] = f"Bearer {key}"
        before = self._clock()
        connection.request("GET", self._endpoint.path + path, headers=headers)
        with connection.getresponse() as response:
            asked = (before + self._clock()) / 2
            body = response.read(_MAX_REPLY_BYTES)
            return Reply(response.status, {name.lower(): text for name, text in response.getheaders()}, body, asked)


def _within(seconds: float, work: Callable[[], T], give_up: Callable[[], None] = lambda: None) -> T:
    """What the work returns or raises, or TimeoutError; `give_up` is to make it end soon then."""
    done: Future[T] = Future()

    def run() -> None:
        try:
            done.set_result(work())
        except Exception as error:  # noqa: BLE001  # raised again where it is waited for
            done.set_exception(error)

    threading.Thread(target=run, name="kizashi-doctor", daemon=True).start()
    try:
        return done.result(max(seconds, 0.0))
    except TimeoutError:
        if not done.done():
            give_up()
        raise
