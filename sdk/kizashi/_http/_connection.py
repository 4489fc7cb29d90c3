"""One connection, every operation of which ends at one deadline.

A socket's timeout bounds each operation of its own; a server that sends a byte now and then would hold it for ever.
Here every operation gets only what is left. Looking up a host name is the exception: the system's resolver cannot be
interrupted, which is why callers wait for the worker, in bounded time, and not for this module.
"""

from __future__ import annotations

import errno
import os
import select
import socket
import time

from kizashi._config import Endpoint
from kizashi._http._response import Response, ResponseError

TYPE_CHECKING = False
if TYPE_CHECKING:
    import ssl

__all__ = ["Connection", "StaleError", "words"]

_CHUNK_BYTES = 256 * 1024
_HUNG_UP = (errno.EPIPE, errno.ECONNRESET)


class StaleError(ConnectionError):
    """The server hung up before it said a word: on a connection that was idle, it may not have meant this request."""


class Connection:
    """A connection to an endpoint. `deadline` is a reading of time.monotonic()."""

    def __init__(self, endpoint: Endpoint, tls: ssl.SSLContext | None) -> None:
        self._endpoint = endpoint
        self._tls = tls
        self._socket: socket.socket | None = None
        self._used = False
        self.deadline = 0.0

    def open(self) -> None:
        """Connect, trying one address after the other, and speak TLS where the endpoint does. Raises OSError."""
        fault: OSError = OSError("no address")
        # As bytes, so that no codec is imported here, in a thread, while another thread may be about to fork.
        host, port = self._endpoint.host.encode("idna"), self._endpoint.port
        addresses = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        for place, (family, kind, protocol, _, address) in enumerate(addresses):
            opened: socket.socket | None = None
            try:
                self._socket = opened = socket.socket(family, kind, protocol)
                # One that does not answer must leave the others their part of the time.
                opened.settimeout(self._left() / (len(addresses) - place))
                opened.connect(address)
                opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                if self._tls is not None:
                    self._socket = opened = self._tls.wrap_socket(
                        opened, server_hostname=self._endpoint.host, do_handshake_on_connect=False
                    )
                    opened.settimeout(self._left())
                    opened.do_handshake()
            except OSError as error:
                if opened is not None:
                    opened.close()
                self._socket = None
                fault = error
            else:
                return
        raise fault

    def exchange(self, request: bytes) -> Response:
        """Send a whole request and read the whole answer. Raises OSError or ResponseError."""
        wire = self._socket
        if wire is None:
            raise StaleError
        if self._used and _speaks(wire):
            # It hung up, or says something that nobody asked for: neither is an answer to this.
            raise StaleError("the server hung up")
        self._used = True
        response = Response()
        fault: OSError | None = None
        try:
            rest = memoryview(request)
            while rest:
                wire.settimeout(self._left())
                rest = rest[wire.send(rest) :]
        except OSError as error:
            if not _hung_up(error):
                raise
            # A server may answer 413 and hang up before it has read everything: the answer is worth a look.
            fault = error
        while not response.complete:
            wire.settimeout(self._left())
            try:
                data = wire.recv(_CHUNK_BYTES)
            except OSError as error:
                if response.begun or not _hung_up(error):
                    raise
                raise StaleError(
                    os.strerror(error.errno) if error.errno in _HUNG_UP else "the server hung up"
                ) from None
            if data:
                response.feed(data)
            elif response.begun:
                response.end()
            else:
                raise StaleError("the server hung up" if fault is None else words(fault))
        if fault is not None:
            response.last = True
        return response

    def abort(self) -> None:
        """Wake whoever waits for the socket. Safe from another thread."""
        if self._socket is not None:
            try:
                # Past SSLSocket.shutdown, which takes its TLS state away from under the reading thread.
                socket.socket.shutdown(self._socket, socket.SHUT_RDWR)
            except (OSError, AttributeError):
                return  # not connected yet, or not any more; or eventlet's, which knows no such call

    def close(self) -> None:
        """Hang up."""
        if self._socket is not None:
            self._socket.close()

    def forget(self) -> None:
        """Close the descriptor without a word to the peer, as a forked child must."""
        if self._socket is not None and (descriptor := self._socket.detach()) >= 0:
            os.close(descriptor)

    def _left(self) -> float:
        left = self.deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError("timed out")
        return left


def _speaks(wire: socket.socket) -> bool:
    poll = select.poll()  # knows descriptors beyond 1,023, unlike select
    poll.register(wire, select.POLLIN)
    return bool(poll.poll(0))


def _hung_up(error: OSError) -> bool:
    """Whether the server ended the connection, in TCP or in TLS."""
    return error.errno in _HUNG_UP or type(error).__name__ in ("SSLEOFError", "SSLZeroReturnError")


def words(error: OSError | ResponseError) -> str:
    """What happened, without payloads: a broken answer could hold anything."""
    if isinstance(error, TimeoutError):
        return "timed out"
    if isinstance(error, ResponseError | StaleError):
        return str(error)
    # TLS has numbers of its own for what went wrong. Its module is not loaded where no endpoint needs it.
    if isinstance(error, socket.gaierror) or type(error).__module__ == "ssl":
        return f"{type(error).__name__}: {error.strerror or error.args[-1]}"
    if error.errno is not None:
        return os.strerror(error.errno)
    return str(error) or type(error).__name__
