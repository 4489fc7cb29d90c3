"""A chunk: events of one or several transactions as compressed columns, and back.

A row of its own for each event costs an index entry for each promise and hundreds of bytes. In columns, an event takes
some forty bytes and a microsecond, and a question reads only what it asks for.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from typing import Literal

import msgspec
import numpy as np
from msgspec import Struct

from kizashi_collector.analysis import LoggedEvent, PropertyValue
from kizashi_collector.store._columns import Integers, pack_integers, unpack_integers
from kizashi_collector.store._texts import Texts

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

__all__ = ["Chunk", "Summary", "encode_chunk", "summary_of"]

_LEVEL = 1
_ID_CHARACTERS = 36
_ID_BYTES = 16
_DASHES = (8, 13, 18, 23)
_ADJUSTS: tuple[Literal["restate", "retract"] | None, ...] = (None, "restate", "retract")
_NO_VALUE = -1

_properties = msgspec.json.Decoder(dict[str, PropertyValue]).decode
_consent = msgspec.json.Decoder(dict[str, bool]).decode
_encode_json = msgspec.json.Encoder().encode
_NOTHING: dict[str, PropertyValue] = {}
_NO_CONSENT: dict[str, bool] = {}


class _Body(Struct, array_like=True):
    """The columns of a chunk on disk. New ones are added at the end, with a default."""

    names: Integers
    times: Integers
    received: Integers
    shifts: Integers
    values: Integers
    currencies: Integers
    flags: Integers
    sources: Integers
    ids: bytes | list[str]
    actors: list[str | None]
    orders: list[str | None]
    sessions: list[str | None]
    rests: list[bytes]
    properties: list[bytes]
    consents: list[bytes]


_encode_body = msgspec.msgpack.Encoder().encode
_decode_body = msgspec.msgpack.Decoder(_Body).decode


class Summary(Struct, frozen=True):
    """What is known of a chunk without reading it."""

    count: int
    first_time: int
    last_time: int
    first_received: int
    last_received: int


def summary_of(events: Sequence[LoggedEvent]) -> Summary:
    """The summary of a chunk of these events, of which there is one at least."""
    times, received = [event.time for event in events], [event.received_at for event in events]
    return Summary(len(events), min(times), max(times), min(received), max(received))


def encode_chunk(events: Sequence[LoggedEvent], texts: Texts) -> bytes:
    """The events as bytes. Raises OverflowError for numbers beyond 64 bits."""
    sources = [texts.source(event.source) for event in events]
    body = _Body(
        names=pack_integers([texts.name(event.name) for event in events]),
        times=pack_integers([event.time for event in events]),
        received=pack_integers([event.received_at for event in events]),
        shifts=pack_integers([event.shift for event in events]),
        values=pack_integers([_NO_VALUE if event.value is None else event.value for event in events]),
        currencies=pack_integers([texts.currency(event.currency) for event in events]),
        flags=pack_integers([_flags(event) for event in events]),
        sources=pack_integers([number for number, _ in sources]),
        ids=_pack_ids([event.id for event in events]),
        actors=[event.actor for event in events],
        orders=_or_none([event.order for event in events]),
        sessions=_or_none([event.session for event in events]),
        rests=_or_empty([rest for _, rest in sources]),
        properties=_or_empty([_encode_json(event.properties) if event.properties else b"" for event in events]),
        consents=_or_empty([_encode_json(event.consent) if event.consent else b"" for event in events]),
    )
    data: bytes = zstd.compress(_encode_body(body), _LEVEL)
    return data


def _flags(event: LoggedEvent) -> int:
    return event.imported + 2 * event.currency_defaulted + 4 * _ADJUSTS.index(event.adjust)


def _or_none(column: list[str | None]) -> list[str | None]:
    return [] if column.count(None) == len(column) else column


def _or_empty(column: list[bytes]) -> list[bytes]:
    return column if any(column) else []


def _pack_ids(ids: list[str]) -> bytes | list[str]:
    """Canonical UUIDs as their 16 bytes each, byte by byte of all of them, since those made together begin alike."""
    if set(map(len, ids)) != {_ID_CHARACTERS}:
        return ids
    joined = "".join(ids)
    digits = joined.replace("-", "")
    if len(digits) != 2 * _ID_BYTES * len(ids) or not digits.isascii():
        return ids
    dashes = "-" * len(ids)
    if any(joined[place::_ID_CHARACTERS] != dashes for place in _DASHES):
        return ids
    try:
        data = bytes.fromhex(digits)
    except ValueError:
        return ids
    if data.hex() != digits:  # capitals are other ids
        return ids
    return np.frombuffer(data, dtype=np.uint8).reshape(len(ids), _ID_BYTES).T.tobytes()


def _ids_of(data: bytes) -> list[str]:
    digits = data.hex()
    return [
        f"{digits[at : at + 8]}-{digits[at + 8 : at + 12]}-{digits[at + 12 : at + 16]}-"
        f"{digits[at + 16 : at + 20]}-{digits[at + 20 : at + 32]}"
        for at in range(0, len(digits), 2 * _ID_BYTES)
    ]


class Chunk:
    """A chunk that was read. Columns are unpacked when they are asked for."""

    def __init__(self, data: bytes, count: int, texts: Texts) -> None:
        self._body = _decode_body(zstd.decompress(data))
        self._texts = texts
        self.count = count

    @property
    def times(self) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
        """When each event happened, in epoch milliseconds."""
        return unpack_integers(self._body.times, self.count)

    @property
    def received(self) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
        """When each event was received."""
        return unpack_integers(self._body.received, self.count)

    @property
    def imported(self) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
        """Whether each event was imported."""
        return (unpack_integers(self._body.flags, self.count) & 1).astype(np.bool_)

    @property
    def adjusts(self) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
        """Whether each event is an adjustment."""
        return unpack_integers(self._body.flags, self.count) >= 4

    def ids(self) -> list[str]:
        """The events' ids."""
        ids = self._body.ids
        if isinstance(ids, list):
            return ids
        return _ids_of(np.frombuffer(ids, dtype=np.uint8).reshape(_ID_BYTES, self.count).T.tobytes())

    def events(self, places: Sequence[int] | None = None) -> Iterator[LoggedEvent]:
        """The events, or those at some places."""
        body, texts = self._body, self._texts
        ids = self.ids()
        names, times, received = self._list(body.names), self._list(body.times), self._list(body.received)
        shifts, values, currencies = self._list(body.shifts), self._list(body.values), self._list(body.currencies)
        flags, sources = self._list(body.flags), self._list(body.sources)
        for at in range(self.count) if places is None else places:
            rest = body.rests[at] if body.rests else b""
            properties = body.properties[at] if body.properties else b""
            consent = body.consents[at] if body.consents else b""
            yield LoggedEvent(
                id=ids[at],
                name=texts.name_of(names[at]),
                time=times[at],
                received_at=received[at],
                actor=body.actors[at],
                value=None if values[at] == _NO_VALUE else values[at],
                currency=texts.currency_of(currencies[at]),
                order=body.orders[at] if body.orders else None,
                session=body.sessions[at] if body.sessions else None,
                adjust=_ADJUSTS[flags[at] >> 2],
                source=texts.source_of(sources[at], rest),
                properties=_properties(properties) if properties else _NOTHING,
                consent=_consent(consent) if consent else _NO_CONSENT,
                shift=shifts[at],
                imported=bool(flags[at] & 1),
                currency_defaulted=bool(flags[at] & 2),
            )

    def _list(self, packed: Integers) -> list[int]:
        return unpack_integers(packed, self.count).tolist()
