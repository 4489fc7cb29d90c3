"""Events held in memory as columns: each actor's linked, the last that came first, and all of them found by time."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kizashi_collector.analysis._rolling._minutes import Minutes
from kizashi_collector.analysis._summary import LATE_AFTER_MS
from kizashi_collector.analysis._table import Column, EventTable

__all__ = ["GONE", "LATE", "NONE", "PLANNED", "RETRACTED", "SPECIAL", "Held", "Places"]

Places = NDArray[np.int32]
"""Places of events among those held."""

NONE = -1
"""No place: where a chain ends."""

PLANNED, LATE, SPECIAL, RETRACTED, GONE = 1, 2, 4, 8, 16
"""Flags: counted by name; received late; worth what no column sums, such as an adjusted one; retracted; deleted."""

_ROOM = 4_096
_MOST_LENGTH = 255


class Held:
    """Events by their place, in the order in which they came. Some 40 bytes each.

    `marks` and `flags` belong to whoever counts; here they are only kept. Room is doubled when it is full; pages that
    nothing was written to take no memory. `length` is how many events of each actor came, up to 255.
    """

    def __init__(self) -> None:
        self.count = 0
        self.time: Column = np.empty(_ROOM, np.int64)
        self._seq: NDArray[np.integer[Any]] = np.empty(_ROOM, np.uint32)
        self._belated: dict[int, int] = {}
        self._belated_at: dict[int, int] = {}
        self.value: Column = np.empty(_ROOM, np.int64)
        self.name: NDArray[Any] = np.empty(_ROOM, np.uint16)
        self.currency: NDArray[np.int16] = np.empty(_ROOM, np.int16)
        self.source: NDArray[Any] = np.empty(_ROOM, np.uint16)
        self.actor: Places = np.empty(_ROOM, np.int32)
        self.marks: NDArray[np.uint32] = np.empty(_ROOM, np.uint32)
        self.flags: NDArray[np.uint8] = np.empty(_ROOM, np.uint8)
        self._before: Places = np.empty(_ROOM, np.int32)
        self._last: Places = np.full(_ROOM, NONE, np.int32)
        self.length: NDArray[np.uint8] = np.zeros(_ROOM, np.uint8)
        self._minutes = Minutes()

    def add(self, events: EventTable) -> Places:
        """Hold events, whose numbers are greater than all before; return their places."""
        first, last = self.count, self.count + len(events)
        if last > len(self.time):
            for column in _COLUMNS:
                setattr(self, column, _longer(getattr(self, column), last))
        self.time[first:last] = events.time
        self._note(events.seq, first)
        self.value[first:last] = events.value
        self.name = _holding(self.name, events.name)
        self.name[first:last] = events.name
        self.currency[first:last] = events.currency
        self.source = _holding(self.source, events.source)
        self.source[first:last] = events.source
        self.actor[first:last] = events.actor
        self.marks[first:last] = 0
        self.flags[first:last] = LATE * ((events.received_at - events.time > LATE_AFTER_MS) & ~events.imported)
        self.count = last
        places = np.arange(first, last, dtype=np.int32)
        self._link(places)
        self._minutes.add(events.time, first)
        return places

    def _link(self, places: Places) -> None:
        """Put new events at the head of their actors' chains."""
        actor = self.actor[places]
        if (most := int(actor.max())) >= len(self._last):
            self._last = _longer(self._last, most + 1, NONE)
            self.length = _longer(self.length, most + 1, 0)
        order = np.argsort(actor, kind="stable")
        actor, place = actor[order], places[order]
        begins = np.empty(len(actor), np.bool_)
        begins[0] = True
        np.not_equal(actor[1:], actor[:-1], out=begins[1:])
        before = np.empty(len(place), np.int32)
        before[1:] = place[:-1]
        before[begins] = self._last[actor[begins]]
        self._before[place] = before
        ends = np.append(begins[1:], True)
        self._last[actor[ends]] = place[ends]
        came = np.diff(np.append(np.flatnonzero(begins), len(actor)))
        actor = actor[begins]
        self.length[actor] = np.minimum(self.length[actor] + came, _MOST_LENGTH)

    def before(self, places: Places) -> Places:
        """Of each event, the one of its actor that came before it, or NONE."""
        return self._before[places]

    def chain(self, actor: int) -> Iterator[int]:
        """The places of an actor's events, the last that came first."""
        place = int(self._last[actor]) if actor < len(self._last) else NONE
        while place != NONE:
            yield place
            place = int(self._before[place])

    def unlink(self, actor: int, gone: set[int]) -> None:
        """Take events out of their actor's chain."""
        left = [place for place in self.chain(actor) if place not in gone]
        after = NONE
        for place in reversed(left):
            self._before[place] = after
            after = place
        self._last[actor] = after

    def between(self, start: int, end: int) -> Places:
        """The places of the events with start < time ≤ end."""
        return self._minutes.between(self.time, start, end)

    def _note(self, seqs: Column, first: int) -> None:
        """Note the numbers of new events. An event that had to wait comes when greater numbers are here already."""
        last = int(self._seq[first - 1]) if first else -1
        if int(seqs.max()) > np.iinfo(self._seq.dtype).max:
            self._seq = self._seq.astype(np.int64)
        if int(seqs[0]) > last:
            self._seq[first : first + len(seqs)] = seqs
            return
        self._seq[first : first + len(seqs)] = last
        for place, seq in enumerate(seqs.tolist(), first):
            self._belated[seq] = place
            self._belated_at[place] = seq

    def number(self, place: int) -> int:
        """The number of an event."""
        return self._belated_at.get(place, int(self._seq[place]))

    def places_of(self, seqs: Column) -> Places:
        """The places of the events with these numbers; those that are not held are left out."""
        held = self._seq[: self.count]
        # In the type of those held, or all of them would be copied.
        wanted = np.minimum(seqs, np.iinfo(held.dtype).max).astype(held.dtype)
        at = np.searchsorted(held, wanted)
        there = at < self.count
        there[there] = held[at[there]] == seqs[there]
        belated = [self._belated[seq] for seq in seqs[~there].tolist() if seq in self._belated]
        return np.concatenate([at[there], belated]).astype(np.int32)


_COLUMNS = ("time", "_seq", "value", "name", "currency", "source", "actor", "marks", "flags", "_before")


def _holding(column: NDArray[Any], codes: NDArray[Any]) -> NDArray[Any]:
    """The column, wider if need be to hold these codes."""
    return column if int(codes.max()) <= np.iinfo(column.dtype).max else column.astype(np.int32)


def _longer(column: NDArray[Any], least: int, fill: int | None = None) -> NDArray[Any]:
    longer = np.empty(max(least, 2 * len(column)), column.dtype)
    longer[: len(column)] = column
    if fill is not None:
        longer[len(column) :] = fill
    return longer
