"""The transport over HTTP/1.1: one connection kept alive, gzip, and one deadline for a whole exchange.

http.client bounds each operation of a socket; a server that sends a byte now and then would hold it for ever. Here
every operation gets only what is left until the deadline. Looking up a host name is the exception: the system's
resolver cannot be interrupted, which is why callers wait for the worker, in bounded time, and not for this module.
"""

from __future__ import annotations

import http.client
import io
import os
import socket
import ssl
import time
import zlib
from typing import TYPE_CHECKING, cast

from kizashi._config import Endpoint
from kizashi._errors import TransportError
from kizashi._transport import Answer
from kizashi._version import __version__

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

__all__ = ["HttpTransport"]

_GZIP_FROM_BYTES = 1_024
# Events repeat their keys: the fastest level takes most of what there is to take, at a third of the time.
_GZIP_LEVEL = 1
_GZIP_WBITS = 31
_MAX_ANSWER_BYTES = 8 * 1024 * 1024


class HttpTransport:
    """Posts batches to `endpoint`/v1/events. Redirects are not followed, proxies not used."""

    def __init__(self, endpoint: Endpoint, *, key: str | None, gzip: bool) -> None:
        self._endpoint = endpoint
        self._gzip = gzip
        self._headers = {
            "Content-Type": "application/json",
            "Accept": "application/json",
            "User-Agent": f"kizashi-python/{__version__}",
        }
        if key is not None:
            self._headers["Authorization"] = f"Bearer {key}"
        self._tls = ssl.create_default_context() if endpoint.secure else None
        if endpoint.secure:
            endpoint.host.encode("idna")  # the codec that ssl would import later, in a thread; see _Connection.connect
        self._connection: _Connection | None = None
        self._inherited: list[_Connection] = []
        self._aborted = False

    def send(self, body: bytes, *, seconds: float) -> Answer:
        """Post one body and return the whole answer within `seconds`. Raises TransportError."""
        if self._aborted:
            raise TransportError("aborted")
        deadline = time.monotonic() + seconds
        headers = self._headers
        if self._gzip and len(body) > _GZIP_FROM_BYTES:
            body = zlib.compress(body, _GZIP_LEVEL, _GZIP_WBITS)
            headers = headers | {"Content-Encoding": "gzip"}
        reused = self._connection is not None
        try:
            try:
                return self._exchange(body, headers, deadline)
            except (http.client.RemoteDisconnected, ConnectionError):
                # The server may close an idle connection just as it is used again. Ids make a second try harmless.
                if not reused or self._aborted:
                    raise
                self.close()
                return self._exchange(body, headers, deadline)
        except (OSError, http.client.HTTPException) as error:
            self.close()
            raise TransportError(_words(error)) from error
        except BaseException:
            self.close()
            raise

    def abort(self) -> None:
        """Make a `send` that is under way fail soon. It is the end: there is no second try, and no later one."""
        self._aborted = True
        connection = self._connection
        if connection is not None:
            connection.abort()

    def close(self) -> None:
        """Close the connection. The next `send` opens another."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    def after_fork(self) -> None:
        """In a forked child: close this process's copy of the socket, and nothing else.

        The connection object is kept on purpose. Were it finalised, its reader would take a lock that a thread of the
        parent may have held at the fork, and that nobody here will ever release.
        """
        connection, self._connection = self._connection, None
        if connection is not None:
            self._inherited.append(connection)
            connection.forget()

    def _exchange(self, body: bytes, headers: dict[str, str], deadline: float) -> Answer:
        if self._connection is None:
            self._connection = _Connection(self._endpoint, self._tls)
        connection = self._connection
        connection.deadline = deadline
        try:
            connection.request("POST", self._endpoint.path + "/v1/events", body, headers)
        except (BrokenPipeError, ConnectionResetError):
            # A server may answer 413 and hang up before it has read everything: the answer is worth a look.
            if connection.sock is None:
                raise
        response = connection.getresponse()
        content = response.read(_MAX_ANSWER_BYTES + 1)
        if len(content) > _MAX_ANSWER_BYTES:
            raise http.client.HTTPException("answer too long")
        if response.length:
            raise http.client.IncompleteRead(b"")
        if response.will_close:
            self.close()
        return Answer(response.status, content, response.headers.get("Retry-After"))


class _Connection(http.client.HTTPConnection):
    """A connection whose every operation ends at `deadline`, a reading of time.monotonic()."""

    def __init__(self, endpoint: Endpoint, tls: ssl.SSLContext | None) -> None:
        super().__init__(endpoint.host, endpoint.port)
        # http.client leaves the port out of the Host header where it is the scheme's own; tell it which one that is.
        self.default_port = 443 if endpoint.secure else 80
        self.deadline = 0.0
        self._tls = tls
        self._socket: socket.socket | None = None

    def left(self) -> float:
        """Seconds until the deadline. Raises TimeoutError when there are none."""
        left = self.deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError("timed out")
        return left

    def connect(self) -> None:
        """Open the socket, trying one address after the other, and speak TLS where the endpoint does."""
        fault: OSError = OSError("no address")
        # As bytes, so that no codec is imported here, in a thread, while another thread may be about to fork.
        host = self.host.encode("ascii")
        for family, kind, protocol, _, address in socket.getaddrinfo(host, self.port, type=socket.SOCK_STREAM):
            self._socket = opened = socket.socket(family, kind, protocol)
            try:
                opened.settimeout(self.left())
                opened.connect(address)
                opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                if self._tls is not None:
                    self._socket = opened = self._tls.wrap_socket(
                        opened, server_hostname=self.host, do_handshake_on_connect=False
                    )
                    opened.settimeout(self.left())
                    opened.do_handshake()
            except OSError as error:
                opened.close()
                fault = error
            else:
                self.sock = cast(socket.socket, _TimedSocket(self, opened))
                return
        raise fault

    def abort(self) -> None:
        """Wake whoever waits for the socket. Safe from another thread."""
        if self._socket is not None:
            try:
                # Past SSLSocket.shutdown, which takes its TLS state away from under the reading thread.
                socket.socket.shutdown(self._socket, socket.SHUT_RDWR)
            except OSError:
                return  # not connected yet, or not any more

    def forget(self) -> None:
        """Close the descriptor without touching buffers, locks or the peer."""
        if self._socket is not None and (descriptor := self._socket.detach()) >= 0:
            os.close(descriptor)


class _TimedSocket:
    """As much of a socket as http.client uses, under its connection's deadline."""

    def __init__(self, connection: _Connection, wrapped: socket.socket) -> None:
        self._connection = connection
        self._socket = wrapped

    def sendall(self, data: bytes) -> None:
        rest = memoryview(data)
        while rest:
            self._socket.settimeout(self._connection.left())
            rest = rest[self._socket.send(rest) :]

    def makefile(self, _mode: str) -> io.BufferedReader:
        return io.BufferedReader(_TimedReader(self._connection, self._socket))

    def close(self) -> None:
        self._socket.close()


class _TimedReader(io.RawIOBase):
    def __init__(self, connection: _Connection, wrapped: socket.socket) -> None:
        self._connection = connection
        self._socket = wrapped
        # The socket counts its files and stays open below them, even when http.client closes it early.
        self._file = wrapped.makefile("rb", buffering=0)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: WriteableBuffer) -> int | None:
        self._socket.settimeout(self._connection.left())
        return self._file.readinto(buffer)

    def close(self) -> None:
        if not self.closed:
            self._file.close()
        super().close()


def _words(error: OSError | http.client.HTTPException) -> str:
    """What happened, without payloads: a broken answer could hold anything."""
    if isinstance(error, TimeoutError):
        return "timed out"
    if isinstance(error, socket.gaierror | ssl.SSLError):
        return f"{type(error).__name__}: {error.strerror or error.args[-1]}"
    if isinstance(error, OSError) and error.errno is not None:
        return os.strerror(error.errno)
    return type(error).__name__
