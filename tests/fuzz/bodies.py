"""Bodies for POST /v1/events, most of them nearly right: what is wrong is small, so that it gets far.

Everything is drawn from one `random.Random`, so that a seed names a body; hypothesis hands in a Random of its own.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from random import Random
from typing import Literal, NamedTuple

from backports import zstd

from fuzz.events import good_event, odd_event
from fuzz.writing import Node, Table, Token, json_of, msgpack_of

__all__ = ["Bodies", "Content", "Sent"]

Format = Literal["json", "msgpack"]


class Content(NamedTuple):
    """A body before any compression, and the format that it is meant to have."""

    body: bytes
    kind: Format


class Sent(NamedTuple):
    """What goes over the wire. `content` is what the collector reads if the headers are right, else None."""

    body: bytes
    headers: tuple[tuple[str, str], ...]
    content: Content | None


CONTENT_TYPES: dict[Format, tuple[str, ...]] = {
    "json": ("application/json", "application/json", "application/json; charset=utf-8", "APPLICATION/JSON"),
    "msgpack": ("application/msgpack", "application/x-msgpack", "application/vnd.msgpack", "application/msgpack;v=5"),
}
ODD_TYPES = (
    *(
        "text/plain",
        "application/xml",
        "*/*",
        "json",
        "",
        ";",
        "application/json/json",
        "application/ json",
        "\xff\xfe",
    ),
    *("multipart/form-data; boundary=x", "application/x-www-form-urlencoded", "application/json" + "x" * 3_000),
    "application/json; charset=utf-16",
)
ODD_ENCODINGS = ("br", "deflate", "gzip, gzip", "gzip, identity", "zstd,", "x-gzip", "\xff", "gzip" * 500, "compress")
BYTES = (
    *(b"\xef\xbb\xbf", b"\x00", b"\xff", b"\xed\xa0\x80", b"\\ud800", b"\\udfff\\ud800", b"NaN", b"Infinity", b"-"),
    *(b"1e999", b"1e-999", b"0" * 70, b"9" * 4_400, b"{", b"}", b"[", b"]", b'"', b"\\", b",", b":", b"null", b"true"),
    *(b"[" * 1_200, b'{"a":' * 1_200, b"\x81\xa1a" * 1_200, b"\x91" * 1_200, b"\xdf\xff\xff\xff\xff", b"\xc1", b"\xc0"),
    *(b"\xc6\xff\xff\xff\xff", b"\xd6\xff\x00\x00\x00\x01", b"\xcb\x7f\xf8\x00\x00\x00\x00\x00\x00", b"/**/", b"\r\n"),
    *(b'"id":"x",', b'"events":[],', b"\xf0\x9f\x98\x80", b"\xc0\xaf", b"\xe2\x80\xa8", b"\x7f", b"\x1f", b"\t"),
)
MIB = 2**20


class Bodies:
    """Draws bodies. `now` tells the collector's time in milliseconds; ids begin with `prefix` and are new each time."""

    def __init__(self, random: Random, now: Callable[[], int], prefix: str = "") -> None:
        self._random = random
        self._now = now
        self._prefix = prefix
        self._serial = 0
        self._past: list[bytes] = [b'{"events":[]}']
        self._bombs: list[tuple[bytes, str]] = []

    def content(self) -> Content:
        """A body before compression."""
        random = self._random
        kind: Format = "json" if random.random() < 0.6 else "msgpack"
        body = self._written(self._batch(), kind)
        if random.random() < 0.25:
            body = self._damaged(body)
        if len(self._past) < 40:
            self._past.append(body[:20_000])
        else:
            self._past[random.randrange(40)] = body[:20_000]
        return Content(body, kind)

    def sent(self) -> Sent:
        """A body as it is sent: perhaps compressed, perhaps damaged once more, with headers that mostly fit."""
        random = self._random
        if random.random() < 0.000_1:
            return self._bomb()
        content: Content | None = self.content()
        assert content is not None
        body, kind = content
        headers: list[tuple[str, str]] = []
        if kind == "msgpack" or random.random() < 0.9:
            headers.append(("Content-Type", random.choice(CONTENT_TYPES[kind])))
        if random.random() < 0.03:
            headers = [("Content-Type", random.choice(ODD_TYPES))]
            content = None
        elif random.random() < 0.02:
            kind = "msgpack" if kind == "json" else "json"
            headers = [("Content-Type", random.choice(CONTENT_TYPES[kind]))]
            content = Content(body, kind)
        if random.random() < 0.25:
            encoding = random.choice(("gzip", "zstd"))
            body, whole = self._compressed(body, encoding)
            content = content if whole else None
            headers.append(("Content-Encoding", encoding if random.random() < 0.95 else encoding.upper()))
        elif random.random() < 0.03:
            headers.append(("Content-Encoding", random.choice((*ODD_ENCODINGS, "gzip", "zstd"))))
            content = None
        elif random.random() < 0.02:
            headers.append(("Content-Encoding", random.choice(("identity", "", " Identity "))))
        return Sent(body, tuple(headers), content)

    # -- structure ----------------------------------------------------------------------------------------------------

    def _batch(self) -> Node:
        random, now = self._random, self._now()
        luck = random.random()
        count = 1 + int(luck * 4) if luck < 0.9 else 0 if luck < 0.92 else 12 if luck < 0.999 else 130
        events: list[Node] = []
        for _ in range(count):
            self._serial += 1
            event = good_event(random, now, f"{self._prefix}{self._serial:x}")
            events.append(odd_event(random, now, event) if random.random() < 0.45 else event)
        batch = Table([("events", events)])
        if random.random() < 0.3:
            sent_at: Node = random.choice(
                (now, now - 3_000, now - 86_400_000, now + 3_600_000, "2026-11-01T09:30:00+09:00", 0, None)
            )
            if random.random() < 0.15:
                sent_at = random.choice(
                    (-1, 1.5, "now", [], True, 10**17, "9999-12-31T23:59:59.999Z", Token(b"1e3", b"\xc3"))
                )
            batch.insert(random.randrange(2), ("sent_at", sent_at))
        if random.random() < 0.1:
            batch.append(("import", random.choice((True, True, False, None, 1, "true"))))
        if random.random() < 0.05:
            return self._odd_batch(batch, events)
        return batch

    def _odd_batch(self, batch: Table, events: list[Node]) -> Node:
        random = self._random
        extra: Node = random.choice(
            (None, 1, "x" * 300, [[]], Table([("a", Table())]), Token(b'"\\ud800"', b"\xa1\xff"))
        )
        odd: tuple[Node, ...] = (
            *(events, None, 1, "x", [], Table(), Table([("Events", events)]), Table([("events", None)])),
            *(Table([("events", Table())]), Table([("events", "x")]), Table([*batch, ("events", [])])),
            *(Table([("events", []), *batch]), Table([*batch, ("later", extra)]), Table([("k" * 900, extra), *batch])),
            *(Table([(Token(b'"\\u0000"', b"\xc0"), 1), *batch]), Table([("events", [events])]), [batch]),
            Table([("events", [*events, *events])]),
        )
        return random.choice(odd)

    def _written(self, batch: Node, kind: Format) -> bytes:
        if kind == "msgpack":
            return msgpack_of(batch)
        body = json_of(batch)
        if self._random.random() < 0.05:
            try:
                loaded = json.loads(body)
            except (ValueError, RecursionError):
                return body
            return json.dumps(loaded, indent=self._random.choice((None, 1, "\t"))).encode()
        return body

    # -- bytes --------------------------------------------------------------------------------------------------------

    def _damaged(self, body: bytes) -> bytes:
        random = self._random
        for _ in range(1 + int(random.random() ** 3 * 4)):
            at = random.randrange(len(body) + 1)
            to = min(len(body), at + 1 + int(random.random() ** 4 * 60))
            match random.randrange(12):
                case 0 | 1 | 2 if at < len(body):
                    body = body[:at] + bytes([body[at] ^ (1 << random.randrange(8))]) + body[at + 1 :]
                case 3:
                    body = body[:at]
                case 4:
                    other = random.choice(self._past)
                    body = body[:at] + other[random.randrange(len(other) + 1) :]
                case 5 | 6:
                    body = body[:at] + random.choice(BYTES) + body[at:]
                case 7:
                    body = body[:at] + random.choice(BYTES) + body[to:]
                case 8:
                    body = body[:at] + body[to:]
                case 9:
                    body = body[:to] + body[at:]
                case 10:
                    body = random.choice(
                        (b"", b" ", b"\xef\xbb\xbf" + body, body + b"\n", b"\n\t " + body, body + b"x")
                    )
                case _ if random.random() < 0.3:
                    text = body.decode(errors="replace")
                    body = text.encode(random.choice(("utf-16", "utf-32", "utf-16-le", "latin-1", "cp932")), "replace")
        return body

    # -- compression --------------------------------------------------------------------------------------------------

    def _compressed(self, body: bytes, encoding: str) -> tuple[bytes, bool]:
        """The body compressed, and whether it comes out again as it was."""
        random = self._random
        pack = _gzip if encoding == "gzip" else _zstd
        luck = random.random()
        if luck < 0.6:
            return pack(body), True
        at = random.randrange(len(body) + 1)
        if luck < 0.7:
            return pack(body[:at]) + pack(body[at:]), True
        if luck < 0.72:
            return b"".join(pack(body[n : n + 1]) for n in range(min(len(body), 70))), False
        if luck < 0.75:
            return random.choice((b"", pack(b""), pack(pack(body)), pack(body) + pack(b"")[:5], pack(body) * 2)), False
        packed = pack(body)
        at = random.randrange(len(packed))
        if luck < 0.85:
            return packed[:at], False
        if luck < 0.95:
            return packed[:at] + bytes([packed[at] ^ (1 << random.randrange(8))]) + packed[at + 1 :], False
        return packed + random.choice(BYTES), False

    def _bomb(self) -> Sent:
        if not self._bombs:
            self._bombs = [
                (gzip.compress(bytes(12 * MIB)), "gzip"),
                (gzip.compress(b" " * 9 * MIB) * 2, "gzip"),
                (zstd.compress(bytes(300 * MIB)), "zstd"),
                (zstd.compress(b"[" * 9 * MIB) * 60, "zstd"),
                (zstd.compress(b'{"events":[' + b"0," * 3_000 + b"0]}"), "zstd"),
                (zstd.compress(b'{"events":' + b"[" * 9 * MIB), "zstd"),
                (b'{"events":[' + b"{}," * 2_500 + b"{}]}", "identity"),
                (gzip.compress(bytes(MIB)) * 70, "gzip"),
            ]
        body, encoding = self._random.choice(self._bombs)
        return Sent(body, (("Content-Type", "application/json"), ("Content-Encoding", encoding)), None)


def _gzip(body: bytes) -> bytes:
    return gzip.compress(body, 1, mtime=0)


def _zstd(body: bytes) -> bytes:
    return zstd.compress(body, 1)
