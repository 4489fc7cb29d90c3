"""The heads of usual POSTs of events, read strictly: what is not plainly one of them is left to aiohttp's parser."""

from __future__ import annotations

import hashlib
import re
from collections import OrderedDict

from msgspec import Struct

from kizashi_collector.ingest import Format

__all__ = ["QuickHead", "QuickHeads"]

_REQUEST = b"POST /v1/events HTTP/1.1\r\n"
_END = b"\r\n\r\n"
_MOST_BYTES = 4_096
_REMEMBERED = 1_000
# A name is a token, and a value visible text with single spaces and tabs in it (RFC 9110, sections 5.1 and 5.5).
_LINE = re.compile(rb"([A-Za-z0-9-]{1,64}):[ \t]?([!-~](?:[ \t]?[!-~]+)*)")
_LENGTH = re.compile(r"[1-9][0-9]{0,6}")
_FORMATS: dict[str, Format] = {"application/json": "json", "application/msgpack": "msgpack"}
_ONCE = frozenset({"host", "content-length", "content-type", "authorization"})
# These change what a message is or what is answered, or are told in the log.
_UNUSUAL = frozenset(
    {
        *("transfer-encoding", "content-encoding", "expect", "upgrade", "trailer", "te", "connection"),
        *("x-request-id", "range", "http2-settings"),
    }
)


class QuickHead(Struct, frozen=True):
    """What a head says: where the body begins, and how many bytes it has; the bearer's secret, or None."""

    start: int
    length: int
    kind: Format
    secret: str | None


class QuickHeads:
    """Reads heads, and remembers by their digest what the last thousand different ones said."""

    def __init__(self) -> None:
        self._known: OrderedDict[bytes, QuickHead | None] = OrderedDict()

    def read(self, data: bytes) -> QuickHead | None:
        """The head of a request whose body may still be on its way, and which nothing follows, or None."""
        if not data.startswith(_REQUEST):
            return None
        end = data.find(_END, len(_REQUEST) - 2, _MOST_BYTES)
        if end < 0:
            return None
        head = data[: end + len(_END)]
        digest = hashlib.sha256(head).digest()
        try:
            found = self._known[digest]
        except KeyError:
            found = self._known[digest] = _read(head)
            if len(self._known) > _REMEMBERED:
                self._known.popitem(last=False)
        if found is None or found.start + found.length < len(data):
            return None
        return found


def _read(head: bytes) -> QuickHead | None:
    fields: dict[str, str] = {}
    for line in head[len(_REQUEST) : -len(_END)].split(b"\r\n"):
        match = _LINE.fullmatch(line)
        if match is None:
            return None
        name, value = match[1].decode().lower(), match[2].decode()
        if name in _UNUSUAL and (name, value.lower()) != ("connection", "keep-alive"):
            return None
        if name in _ONCE and name in fields:
            return None
        fields[name] = value
    length, kind = fields.get("content-length", ""), _FORMATS.get(fields.get("content-type", "").lower())
    if "host" not in fields or kind is None or _LENGTH.fullmatch(length) is None:
        return None
    scheme, _, secret = fields.get("authorization", "").partition(" ")
    if scheme.lower() not in ("", "bearer"):
        return None
    return QuickHead(len(head), int(length), kind, secret if scheme else None)
