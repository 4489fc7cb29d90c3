"""A chunk: events of one or several transactions as compressed columns, and back.

A row of its own for each event costs an index entry for each promise and hundreds of bytes. In columns, an event takes
some forty bytes and a microsecond, and a question reads only what it asks for.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from functools import cached_property
from typing import Literal, TypeVar

import msgspec
import numpy as np
from msgspec import Struct

from kizashi_collector.analysis import NO_VALUE, Column, EventTable, LoggedEvent, PropertyValue
from kizashi_collector.store._chunks._columns import Integers, pack_integers, unpack_integers
from kizashi_collector.store._chunks._texts import Texts
from kizashi_collector.store._event_columns import EventColumns
from kizashi_collector.store._protocol import DamagedError

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

__all__ = ["Chunk", "Columns", "Summary", "encode_chunk", "summary_of"]

# Level 1 is fastest. The checksum, of 4 bytes, is verified at each reading: no damaged event is ever counted.
_OPTIONS = {int(zstd.CompressionParameter.compression_level): 1, int(zstd.CompressionParameter.checksum_flag): 1}
_ID_CHARACTERS = 36
_ID_BYTES = 16
_DASHES = (8, 13, 18, 23)
_ADJUSTS: tuple[Literal["restate", "retract"] | None, ...] = (None, "restate", "retract")
_ADJUSTMENT = 4
# Beside this bit an erased event has those of an import and of an adjustment: who wants plain events passes it by.
_ERASED = 16
_ERASED_FLAGS = _ERASED | 5
_PLAIN_COLUMNS = ("names", "times", "received", "values", "currencies", "sources")
_NO_PROPERTIES: dict[str, PropertyValue] = {}
_NO_CONSENT: dict[str, bool] = {}
T = TypeVar("T")

_decode_sources = msgspec.json.Decoder(list[dict[str, str] | None]).decode
_decode_properties = msgspec.json.Decoder(list[dict[str, PropertyValue]]).decode
_decode_consents = msgspec.json.Decoder(list[dict[str, bool]]).decode
_encode_json = msgspec.json.Encoder().encode


class _Numbers(Struct, array_like=True):
    """What questions count, as numbers. New columns are added at the end, with a default."""

    names: Integers
    times: Integers
    received: Integers
    values: Integers
    currencies: Integers
    flags: Integers
    sources: Integers
    actors: Integers


class _Details(Struct, array_like=True):
    """What else was said; an empty column holds nothing. New ones are added at the end, with a default."""

    ids: bytes | list[str]
    orders: list[str | None]
    sessions: list[str | None]
    shifts: Integers
    # As JSON, which holds whole numbers of any size, and is read only where an event is.
    rests: bytes
    properties: bytes
    consents: bytes


_encode = msgspec.msgpack.Encoder().encode
_decode_numbers = msgspec.msgpack.Decoder(_Numbers).decode
_decode_details = msgspec.msgpack.Decoder(_Details).decode


class Summary(Struct, frozen=True):
    """What is known of a chunk without reading it."""

    count: int
    first_time: int
    last_time: int
    first_received: int
    last_received: int


def summary_of(events: EventColumns) -> Summary:
    """The summary of a chunk of these events, of which there is one at least."""
    times, received = events.time, events.received_at
    return Summary(len(events), min(times), max(times), min(received), max(received))


class Columns(Struct, frozen=True, eq=False):
    """The numbers of a chunk's events, unpacked."""

    names: Column
    times: Column
    received: Column
    values: Column
    currencies: Column
    flags: Column
    sources: Column
    actors: Column

    def table(self, first: int) -> EventTable:
        """The events, adjustments aside; `first` is the first's number."""
        table = EventTable(
            seq=np.arange(first, first + len(self.names)),
            name=self.names,
            time=self.times,
            received_at=self.received,
            value=self.values,
            currency=self.currencies,
            source=self.sources,
            actor=self.actors,
            imported=(self.flags & 1).astype(np.bool_),
        )
        plain = self.flags < _ADJUSTMENT
        return table if plain.all() else table.only(plain)

    def beyond(self, place: int) -> Columns:
        """Those from a place on."""
        return Columns(*(getattr(self, name)[place:] for name in self.__struct_fields__)) if place else self

    def receipts(self) -> tuple[Column, Column]:
        """When each was received and happened, imports aside."""
        live = (self.flags & 1) == 0
        return (self.received, self.times) if live.all() else (self.received[live], self.times[live])


def encode_chunk(events: EventColumns, texts: Texts) -> tuple[Columns, bytes, bytes]:
    """The events' numbers, and as bytes: these, and the details. Raises OverflowError for numbers beyond 64 bits."""
    count = len(events)
    sources, rests = texts.sources(events.source)
    columns = Columns(
        names=_column(texts.names(events.name)),
        times=_column(events.time),
        received=_column(events.received_at),
        values=_column([NO_VALUE if value is None else value for value in events.value]),
        currencies=_column(texts.currencies(events.currency)),
        flags=_flags(events),
        sources=_column(sources),
        actors=_column(texts.actors(events.actor)),
    )
    numbers = _Numbers(*(pack_integers(getattr(columns, name)) for name in Columns.__struct_fields__))
    details = _Details(
        ids=_pack_ids(events.id),
        orders=_or_none(events.order),
        sessions=_or_none(events.session),
        shifts=pack_integers(events.shift),
        rests=b"" if rests.count(None) == count else _encode_json(rests),
        properties=_encode_json(events.properties) if any(events.properties) else b"",
        consents=_encode_json(events.consent) if any(events.consent) else b"",
    )
    return columns, _packed(numbers), _packed(details)


def _column(numbers: Sequence[int]) -> Column:
    return np.array(numbers, dtype=np.int64)


def _packed(body: Struct) -> bytes:
    data: bytes = zstd.compress(_encode(body), options=_OPTIONS)
    return data


def _unpacked(data: bytes, decode: Callable[[bytes], T]) -> T:
    try:
        return decode(zstd.decompress(data))
    except (zstd.ZstdError, msgspec.MsgspecError, EOFError) as error:
        raise DamagedError(
            f"a chunk of the log is damaged: {error}; keep a copy, and restore the data folder from a backup"
        ) from error


def _flags(events: EventColumns) -> Column:
    if not (any(events.imported) or any(events.currency_defaulted) or any(events.adjust)):
        return np.zeros(len(events), np.int64)
    return _column(
        [
            imported + 2 * defaulted + 4 * _ADJUSTS.index(adjust)
            for imported, defaulted, adjust in zip(
                events.imported, events.currency_defaulted, events.adjust, strict=True
            )
        ]
    )


def _or_none(column: list[str | None]) -> list[str | None]:
    return [] if column.count(None) == len(column) else column


def _emptied(column: list[T], places: Sequence[int], nothing: T) -> list[T]:
    if not column:
        return column
    column = column.copy()
    for place in places:
        column[place] = nothing
    return column


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
    """A chunk that was read. Columns are unpacked when they are asked for; without details, only numbers can be."""

    def __init__(self, numbers: bytes, details: bytes, count: int, texts: Texts) -> None:
        self._numbers = _unpacked(numbers, _decode_numbers)
        self._packed_details = details
        self._texts = texts
        self.count = count

    @cached_property
    def _details(self) -> _Details:
        return _unpacked(self._packed_details, _decode_details)

    @property
    def columns(self) -> Columns:
        """All numbers, unpacked."""
        numbers = self._numbers
        return Columns(*(unpack_integers(getattr(numbers, name), self.count) for name in Columns.__struct_fields__))

    def table(self, first: int, start: int, end: int) -> EventTable | None:
        """The events, adjustments aside, with start < time ≤ end, if there are any. `first` is the first's number."""
        times = self.times
        wanted = (times > start) & (times <= end)
        if not wanted.any():
            return None
        table = self.columns.table(first)
        if not wanted.all():
            table = table.only((table.time > start) & (table.time <= end))
        return table if len(table) else None

    @property
    def times(self) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
        """When each event happened, in epoch milliseconds."""
        return unpack_integers(self._numbers.times, self.count)

    @property
    def received(self) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
        """When each event was received."""
        return unpack_integers(self._numbers.received, self.count)

    @property
    def imported(self) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
        """Whether each event was imported."""
        return (unpack_integers(self._numbers.flags, self.count) & 1).astype(np.bool_)

    @property
    def adjusts(self) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
        """Whether each event is an adjustment."""
        return unpack_integers(self._numbers.flags, self.count) >= _ADJUSTMENT

    @property
    def erased(self) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
        """Whether each event was erased; `events` passes those by."""
        return unpack_integers(self._numbers.flags, self.count) >= _ERASED

    @property
    def actors(self) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
        """The number of each event's actor; 0 where there is none, as for an erased one."""
        return unpack_integers(self._numbers.actors, self.count)

    def without(self, places: Sequence[int], first: int) -> tuple[bytes, bytes]:
        """The chunk as bytes with the events at these places erased; at least one must be left.

        They keep their places, so that the numbers of the others stay true. `first` is the number of the first event.
        """
        numbers, details, ids = self._numbers, self._details, list(self.ids())
        gone = np.array(places, dtype=np.intp)
        left = np.flatnonzero(~self.erased)
        example = int(left[~np.isin(left, gone)][0])

        def as_example(packed: Integers) -> Integers:
            column = unpack_integers(packed, self.count)
            column[gone] = column[example]
            return pack_integers(column)

        flags, actors = unpack_integers(numbers.flags, self.count), self.actors
        flags[gone] = _ERASED_FLAGS
        actors[gone] = 0
        for place in places:
            ids[place] = f"00000000-0000-0000-0000-{first + place:012x}"  # each its own, so that no index chokes on it
        made = msgspec.structs.replace(
            numbers,
            **{name: as_example(getattr(numbers, name)) for name in _PLAIN_COLUMNS},
            flags=pack_integers(flags),
            actors=pack_integers(actors),
        )
        rests = _emptied(_decode_sources(details.rests) if details.rests else [], places, None)
        properties = _emptied(_decode_properties(details.properties) if details.properties else [], places, {})
        consents = _emptied(_decode_consents(details.consents) if details.consents else [], places, {})
        rest = msgspec.structs.replace(
            details,
            ids=_pack_ids(ids),
            orders=_emptied(details.orders, places, None),
            sessions=_emptied(details.sessions, places, None),
            shifts=as_example(details.shifts),
            rests=_encode_json(rests) if any(rests) else b"",
            properties=_encode_json(properties) if any(properties) else b"",
            consents=_encode_json(consents) if any(consents) else b"",
        )
        return _packed(made), _packed(rest)

    def ids(self) -> list[str]:
        """The events' ids."""
        ids = self._details.ids
        if isinstance(ids, list):
            return ids
        return _ids_of(np.frombuffer(ids, dtype=np.uint8).reshape(_ID_BYTES, self.count).T.tobytes())

    def events(self, places: Sequence[int] | None = None) -> Iterator[LoggedEvent]:
        """The events, or those at some places."""
        numbers, details, texts = self._numbers, self._details, self._texts
        ids = self.ids()
        names, times, received = self._list(numbers.names), self._list(numbers.times), self._list(numbers.received)
        values, currencies, actors = (
            *(self._list(numbers.values), self._list(numbers.currencies), self._list(numbers.actors)),
        )
        flags, sources, shifts = self._list(numbers.flags), self._list(numbers.sources), self._list(details.shifts)
        rests = _decode_sources(details.rests) if details.rests else None
        properties = _decode_properties(details.properties) if details.properties else None
        consents = _decode_consents(details.consents) if details.consents else None
        for at in range(self.count) if places is None else places:
            if flags[at] >= _ERASED:
                continue
            yield LoggedEvent(
                id=ids[at],
                name=texts.name_of(names[at]),
                time=times[at],
                received_at=received[at],
                actor=texts.actor_of(actors[at]),
                value=None if values[at] == NO_VALUE else values[at],
                currency=texts.currency_of(currencies[at]),
                order=details.orders[at] if details.orders else None,
                session=details.sessions[at] if details.sessions else None,
                adjust=_ADJUSTS[flags[at] >> 2],
                source=texts.source_of(sources[at], rests[at] if rests else None),
                properties=properties[at] if properties else _NO_PROPERTIES,
                consent=consents[at] if consents else _NO_CONSENT,
                shift=shifts[at],
                imported=bool(flags[at] & 1),
                currency_defaulted=bool(flags[at] & 2),
            )

    def _list(self, packed: Integers) -> list[int]:
        return unpack_integers(packed, self.count).tolist()
