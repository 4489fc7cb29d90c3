"""Reading an HTTP/1.1 answer (RFC 9112), piece by piece as it comes in."""

from __future__ import annotations

import re

__all__ = ["MAX_BODY_BYTES", "Response", "ResponseError"]

MAX_BODY_BYTES = 8 * 1024 * 1024
"""No answer of a collector is longer."""

_MAX_HEAD_BYTES = 64 * 1024
_STATUS_LINE = re.compile(rb"HTTP/1\.([01]) ([1-5]\d\d)(?: [^\r\n]*)?")
_DIGITS = re.compile(rb"\d{1,9}")
_CHUNK_SIZE = re.compile(rb"([0-9a-fA-F]{1,8})[ \t]*(?:;.*)?")
_INTERIM = range(100, 200)
_WITHOUT_BODY = (204, 304)


class ResponseError(Exception):
    """The answer is no HTTP, too long, or cut short."""


class Response:
    """An answer on its way in: `feed` it what arrives, `end` it when the server hangs up, until it is `complete`."""

    def __init__(self) -> None:
        self.status = 0
        self.headers: dict[bytes, bytes] = {}
        """By name in lower case; of those that come more than once, the last."""
        self.body = b""
        self.complete = False
        self.begun = False
        """Whether anything at all came in."""
        self.last = False
        """Whether the connection cannot be used again."""
        self._rest = bytearray()
        self._length: int | None = None
        self._chunked = False
        self._chunks: list[bytes] = []
        self._taken = 0

    def feed(self, data: bytes) -> None:
        """Take in what arrived. Raises ResponseError."""
        self.begun = True
        self._rest += data
        while not self.status:
            if not self._read_head():
                return
        self._read_body()

    def end(self) -> None:
        """Nothing more will arrive. Raises ResponseError if something is missing."""
        if not self.status or self._chunked or self._length is not None:
            raise ResponseError("the answer was cut short")
        self._finish(bytes(self._rest))

    def _read_head(self) -> bool:
        head, found, rest = self._rest.partition(b"\r\n\r\n")
        if not found:
            if len(self._rest) > _MAX_HEAD_BYTES:
                raise ResponseError("the head of the answer is too long")
            return False
        first, *lines = bytes(head).split(b"\r\n")
        line = _STATUS_LINE.fullmatch(first)
        if line is None:
            raise ResponseError("the answer is not HTTP")
        self._rest = rest
        status = int(line[2])
        if status in _INTERIM:
            return bool(rest)
        self.headers = headers = self._fields(lines)
        options = headers.get(b"connection", b"").lower()
        self.last = b"close" in options or (line[1] == b"0" and b"keep-alive" not in options)
        self._chunked = b"chunked" in headers.get(b"transfer-encoding", b"").lower()
        length = headers.get(b"content-length")
        if status in _WITHOUT_BODY:
            self._chunked, self._length = False, 0
        elif not self._chunked and length is not None:
            if not _DIGITS.fullmatch(length):
                raise ResponseError("the length of the answer is no number")
            self._length = int(length)
        elif not self._chunked:
            self.last = True  # it ends when the server hangs up
        self.status = status
        return True

    def _fields(self, lines: list[bytes]) -> dict[bytes, bytes]:
        headers: dict[bytes, bytes] = {}
        for line in lines:
            name, colon, value = line.partition(b":")
            if not colon or not name or name.strip() != name:
                raise ResponseError("the answer is not HTTP")
            name, value = name.lower(), value.strip()
            if name == b"content-length" and headers.get(name, value) != value:
                raise ResponseError("the answer has two lengths")
            headers[name] = value
        return headers

    def _read_body(self) -> None:
        if self._chunked:
            self._read_chunks()
        elif self._length is None:
            if len(self._rest) > MAX_BODY_BYTES:
                raise ResponseError("the answer is too long")
        elif self._length > MAX_BODY_BYTES:
            raise ResponseError("the answer is too long")
        elif len(self._rest) >= self._length:
            body = bytes(self._rest[: self._length])
            del self._rest[: self._length]
            self._finish(body)

    def _read_chunks(self) -> None:
        data, at = self._rest, 0
        while True:
            end = data.find(b"\r\n", at)
            if end < 0:
                if len(data) - at > _MAX_HEAD_BYTES:
                    raise ResponseError("the answer is not HTTP")
                break
            size = _CHUNK_SIZE.fullmatch(data, at, end)
            if size is None:
                raise ResponseError("the answer is not HTTP")
            length, start = int(size[1], 16), end + 2
            if length == 0:
                self._read_trailer(data[start:])
                break
            if self._taken + length > MAX_BODY_BYTES:
                raise ResponseError("the answer is too long")
            if len(data) < start + length + 2:
                break
            if data[start + length : start + length + 2] != b"\r\n":
                raise ResponseError("the answer is not HTTP")
            self._chunks.append(bytes(data[start : start + length]))
            self._taken += length
            at = start + length + 2
        if not self.complete:
            del data[:at]

    def _read_trailer(self, rest: bytearray) -> None:
        """After the last chunk come fields that say nothing to us, and an empty line."""
        if rest.startswith(b"\r\n"):
            self._rest = rest[2:]
        else:
            _, found, after = rest.partition(b"\r\n\r\n")
            if not found:
                if len(rest) > _MAX_HEAD_BYTES:
                    raise ResponseError("the head of the answer is too long")
                return
            self._rest = after
        self._finish(b"".join(self._chunks))

    def _finish(self, body: bytes) -> None:
        self.body = body
        self.complete = True
        if self._rest and (self._chunked or self._length is not None):
            self.last = True  # nobody asked for what follows
