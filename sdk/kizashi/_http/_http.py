"""The transport over HTTP/1.1: one connection kept alive, gzip, and one deadline for a whole exchange.

The standard library's http.client takes several times as long for an exchange as the bytes on the wire do, loads the
e-mail package to read four headers, and knows no deadline for the whole; what is needed of HTTP here is little.
"""

from __future__ import annotations

import time
import zlib

from kizashi._config import Endpoint
from kizashi._errors import TransportError
from kizashi._http._connection import Connection, StaleError, words
from kizashi._http._response import ResponseError
from kizashi._transport import Answer
from kizashi._version import __version__

__all__ = ["HttpTransport"]

_GZIP_FROM_BYTES = 1_024
# Events repeat their keys: the fastest level takes most of what there is to take, at a third of the time.
_GZIP_LEVEL = 1
_GZIP_WBITS = 31
_PORTS = {False: 80, True: 443}


class HttpTransport:
    """Posts batches to `endpoint`/v1/events. Redirects are not followed, proxies not used."""

    def __init__(self, endpoint: Endpoint, *, key: str | None, gzip: bool) -> None:
        self._endpoint = endpoint
        self._gzip = gzip
        self._head = _head(endpoint, key)
        self._tls = None
        endpoint.host.encode("idna")  # loads the codec now, and not in a thread while another one may fork
        if endpoint.secure:
            import ssl

            self._tls = ssl.create_default_context()
        self._connection: Connection | None = None
        self._inherited: list[Connection] = []
        self._aborted = False

    def send(self, body: bytes, *, seconds: float) -> Answer:
        """Post one body and return the whole answer within `seconds`. Raises TransportError."""
        if self._aborted:
            raise TransportError("aborted")
        deadline = time.monotonic() + seconds
        encoding = b""
        if self._gzip and len(body) > _GZIP_FROM_BYTES:
            body = zlib.compress(body, _GZIP_LEVEL, _GZIP_WBITS)
            encoding = b"Content-Encoding: gzip\r\n"
        request = b"%b%bContent-Length: %d\r\n\r\n%b" % (self._head, encoding, len(body), body)
        reused = self._connection is not None
        try:
            try:
                return self._exchange(request, deadline)
            except StaleError:
                # The server may close an idle connection just as it is used again. Ids make a second try harmless.
                if not reused or self._aborted:
                    raise
                self.close()
                return self._exchange(request, deadline)
        except (OSError, ResponseError) as error:
            self.close()
            raise TransportError(words(error)) from error
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

        The connection object is kept on purpose: nothing of it is finalised while a thread of the parent, of which
        there is none here, may have been in the middle of it.
        """
        connection, self._connection = self._connection, None
        if connection is not None:
            self._inherited.append(connection)
            connection.forget()

    def _exchange(self, request: bytes, deadline: float) -> Answer:
        connection = self._connection
        if connection is None:
            self._connection = connection = Connection(self._endpoint, self._tls)
            connection.deadline = deadline
            connection.open()
        if self._aborted:
            raise OSError("aborted")
        connection.deadline = deadline
        response = connection.exchange(request)
        if response.last:
            self.close()
        retry_after = response.headers.get(b"retry-after")
        return Answer(
            response.status, response.body, None if retry_after is None else retry_after.decode("ascii", "replace")
        )


def _head(endpoint: Endpoint, key: str | None) -> bytes:
    host = f"[{endpoint.host}]" if ":" in endpoint.host else endpoint.host.encode("idna").decode()
    if endpoint.port != _PORTS[endpoint.secure]:
        host = f"{host}:{endpoint.port}"
    lines = [
        f"POST {endpoint.path}/v1/events HTTP/1.1",
        f"Host: {host}",
        "Content-Type: application/json",
        "Accept: application/json",
        f"User-Agent: kizashi-python/{__version__}",
    ]
    if key is not None:
        lines.append(f"Authorization: Bearer {key}")
    return "".join(f"{line}\r\n" for line in lines).encode("ascii")
