"""A chunk: events of one or several transactions as compressed columns, and back.

A row of its own for each event costs an index entry for each promise and hundreds of bytes. In columns, an event takes
some forty bytes and a microsecond, and a question reads only what it asks for.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any, Literal, TypeVar

import msgspec
import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from kizashi_collector.analysis import NO_VALUE, Column, EventTable, LoggedEvent, PropertyValue
from kizashi_collector.store._chunks._body import (
    ID_BYTES,
    Details,
    decode_details,
    decode_numbers,
    ids_of,
    pack_ids,
    pack_numbers,
    packed_bytes,
    received_of,
    unpacked,
)
from kizashi_collector.store._chunks._columns import Integers, pack_integers, raw_integers, unpack_integers, unpack_into
from kizashi_collector.store._chunks._texts import Texts

__all__ = ["ADJUSTS", "Chunk", "Columns"]

ADJUSTS: tuple[Literal["restate", "retract"] | None, ...] = (None, "restate", "retract")
_ADJUSTMENT = 4
# Beside this bit an erased event has those of an import and of an adjustment: who wants plain events passes it by.
_ERASED = 16
_ERASED_FLAGS = _ERASED | 5
_PLAIN_COLUMNS = ("names", "times", "received", "values", "currencies", "sources")
_PACKED = {
    "name": "names",
    "time": "times",
    "value": "values",
    "currency": "currencies",
    "source": "sources",
    "actor": "actors",
}
_NO_PROPERTIES: dict[str, PropertyValue] = {}
_NO_CONSENT: dict[str, bool] = {}
T = TypeVar("T")

_decode_sources = msgspec.json.Decoder(list[dict[str, str] | None]).decode
_decode_properties = msgspec.json.Decoder(list[dict[str, PropertyValue]]).decode
_decode_consents = msgspec.json.Decoder(list[dict[str, bool]]).decode
_encode_json = msgspec.json.Encoder().encode


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

    def receipts(self) -> tuple[Column, Column]:
        """When each was received and happened, imports aside."""
        live = (self.flags & 1) == 0
        return (self.received, self.times) if live.all() else (self.received[live], self.times[live])


def _emptied(column: list[T], places: Sequence[int], nothing: T) -> list[T]:
    if not column:
        return column
    column = column.copy()
    for place in places:
        column[place] = nothing
    return column


class Chunk:
    """A chunk that was read. Columns are unpacked when they are asked for; without details, only numbers can be."""

    def __init__(self, numbers: bytes, details: bytes, count: int, texts: Texts) -> None:
        self._numbers = unpacked(numbers, decode_numbers)
        self._packed_details = details
        self._texts = texts
        self.count = count

    @cached_property
    def _details(self) -> Details:
        return unpacked(self._packed_details, decode_details)

    @property
    def columns(self) -> Columns:
        """All numbers, unpacked."""
        columns = {
            name: unpack_integers(getattr(self._numbers, name), self.count)
            for name in Columns.__struct_fields__
            if name != "received"
        }
        return Columns(received=self.received, **columns)

    def places(self, bounds: tuple[int, int] | None, names: NDArray[np.bool_] | None) -> NDArray[np.intp] | None:
        """Where the events, adjustments aside, are that lie in (from, to] and have one of some names; None for all.

        `names` says which names are wanted, by their numbers.
        """
        wanted: NDArray[np.bool_] | None = None
        if bounds is not None:
            times = self.times
            wanted = (times > bounds[0]) & (times <= bounds[1])
        flags = self._numbers.flags
        if flags.width or flags.base >= _ADJUSTMENT:
            plain = unpack_integers(flags, self.count) < _ADJUSTMENT
            wanted = plain if wanted is None else wanted & plain
        if names is not None:
            codes, base = raw_integers(self._numbers.names, self.count)
            named = names[base:].take(codes)
            wanted = named if wanted is None else wanted & named
        return None if wanted is None or wanted.all() else np.flatnonzero(wanted)

    def write(self, name: str, column: NDArray[Any], places: NDArray[np.intp] | None) -> None:
        """Write what a column of a table says of the events at some places, or of all, into as much memory."""
        if name == "imported":
            flags = unpack_integers(self._numbers.flags, self.count) & 1
            column[:] = flags if places is None else flags.take(places)
        elif name == "received_at":
            column[:] = self.received if places is None else self.received.take(places)
        else:
            unpack_into(getattr(self._numbers, _PACKED[name]), column, places)

    @property
    def times(self) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
        """When each event happened, in epoch milliseconds."""
        return unpack_integers(self._numbers.times, self.count)

    @property
    def received(self) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
        """When each event was received."""
        return received_of(self._numbers, self.count)

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
        details, ids = self._details, list(self.ids())
        gone = np.array(places, dtype=np.intp)
        left = np.flatnonzero(~self.erased)
        example = int(left[~np.isin(left, gone)][0])
        columns = msgspec.structs.asdict(self.columns)
        for name in _PLAIN_COLUMNS:
            columns[name][gone] = columns[name][example]
        columns["flags"][gone] = _ERASED_FLAGS
        columns["actors"][gone] = 0
        shifts = unpack_integers(details.shifts, self.count)
        shifts[gone] = shifts[example]
        for place in places:
            ids[place] = f"00000000-0000-0000-0000-{first + place:012x}"  # each its own, so that no index chokes on it
        made = pack_numbers(columns)
        rests = _emptied(_decode_sources(details.rests) if details.rests else [], places, None)
        properties = _emptied(_decode_properties(details.properties) if details.properties else [], places, {})
        consents = _emptied(_decode_consents(details.consents) if details.consents else [], places, {})
        rest = msgspec.structs.replace(
            details,
            ids=pack_ids(ids),
            orders=_emptied(details.orders, places, None),
            sessions=_emptied(details.sessions, places, None),
            shifts=pack_integers(shifts),
            rests=_encode_json(rests) if any(rests) else b"",
            properties=_encode_json(properties) if any(properties) else b"",
            consents=_encode_json(consents) if any(consents) else b"",
        )
        return packed_bytes(made), packed_bytes(rest)

    def ids(self) -> list[str]:
        """The events' ids."""
        ids = self._details.ids
        if isinstance(ids, list):
            return ids
        return ids_of(np.frombuffer(ids, dtype=np.uint8).reshape(ID_BYTES, self.count).T.tobytes())

    def properties(self, places: Sequence[int]) -> list[Mapping[str, PropertyValue]]:
        """The properties of the events at some places."""
        packed = self._details.properties
        if not packed:
            return [_NO_PROPERTIES for _ in places]
        properties = _decode_properties(packed)
        return [properties[place] for place in places]

    def events(self, places: Sequence[int] | None = None) -> Iterator[LoggedEvent]:
        """The events, or those at some places."""
        numbers, details, texts = self._numbers, self._details, self._texts
        ids = self.ids()
        names, times, received = self._list(numbers.names), self._list(numbers.times), self.received.tolist()
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
                adjust=ADJUSTS[flags[at] >> 2],
                source=texts.source_of(sources[at], rests[at] if rests else None),
                properties=properties[at] if properties else _NO_PROPERTIES,
                consent=consents[at] if consents else _NO_CONSENT,
                shift=shifts[at],
                imported=bool(flags[at] & 1),
                currency_defaulted=bool(flags[at] & 2),
            )

    def _list(self, packed: Integers) -> list[int]:
        return unpack_integers(packed, self.count).tolist()
