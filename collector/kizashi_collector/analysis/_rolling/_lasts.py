"""Which event is the last of its actor in each cell: what distinct actors of a window that moves are counted by.

An actor is in the window (from, now] of a cell exactly when the last of its events there lies beyond `from`. So the
number of distinct actors is the number of last events beyond `from`; and as the window moves on, each actor leaves
with its last event. A late event changes that only where it is the last one.

Each event carries three marks for each grouping: last of its (row, actor); last of its (row, name, actor); and last of
those among the events that were not retracted.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from kizashi_collector.analysis._rolling._held import NONE, PLANNED, RETRACTED, Held, Places
from kizashi_collector.analysis._rolling._layout import Layout, Rows

__all__ = ["CREDIT", "EVENT", "LONG_CHAIN", "MOST_GROUPINGS", "ROW", "Lasts", "Marks", "Turned"]

Marks = NDArray[np.uint32]
ROW, EVENT, CREDIT = 1, 2, 4
"""The three marks of the first grouping; those of grouping g are shifted by 3·g bits."""

MOST_GROUPINGS = 10
"""So many groupings have room in the marks of an event."""

LONG_CHAIN = 48
"""An actor with so many events is looked up from then on: in Python, where walking is done for many actors at once."""

_Cell = tuple[int, int, int]


class Turned(Struct, eq=False):
    """Events whose marks changed, before and after; an event may be there several times, in order."""

    places: Places
    before: Marks
    after: Marks

    @classmethod
    def joined(cls, parts: Sequence[Turned]) -> Turned:
        """Several, one after the other; there is one at least."""
        if len(parts) == 1:
            return parts[0]
        return cls(*(np.concatenate([getattr(part, name) for part in parts]) for name in cls.__struct_fields__))

    def only(self, wanted: NDArray[np.bool_]) -> Turned:
        """Those that `wanted` says so of."""
        return Turned(self.places[wanted], self.before[wanted], self.after[wanted])


class Lasts:
    """Keeps the marks of the events held. Of events of one instant, the one that came first is the last.

    Whose chain is as long as `long_chain` has the places of its last events in a dict, by cell.
    """

    def __init__(self, held: Held, layout: Layout, long_chain: int) -> None:
        self._held = held
        self._layout = layout
        self._long_chain = long_chain
        groupings = range(len(layout.groupings))
        self._cell_marks = np.array([(ROW | EVENT | CREDIT) << 3 * g for g in groupings], np.uint32)[:, None]
        self._all = np.uint32(sum((ROW | EVENT | CREDIT) << 3 * g for g in groupings))
        self._rows_only = np.uint32(sum(ROW << 3 * g for g in groupings))
        self._credits = np.uint32(sum(CREDIT << 3 * g for g in groupings))
        self._long: dict[int, dict[_Cell, int]] = {}

    def add(self, places: Places) -> Turned:
        """Mark new events, which are among the last that were held; return what changed."""
        held, first = self._held, int(places[0])
        flags = held.flags[places]
        held.marks[places] = self._all
        if (flags & RETRACTED).any():
            held.marks[places[(flags & RETRACTED) > 0]] = self._all & ~self._credits
        actor = held.actor[places]
        long = held.length[actor] >= self._long_chain
        changed: list[Turned] = []
        if not long.any():
            self._walk(places, first, changed)
        else:
            for number in np.unique(actor[long]).tolist():
                if number not in self._long:
                    self._recall(number, first)
            self._walk(places[~long], first, changed)
            for place in places[long].tolist():
                self._look_up(place, first, changed)
        changed.append(Turned(places, np.zeros(len(places), np.uint32), held.marks[places]))
        return Turned.joined(changed)

    def matters(self, place: int) -> bool:
        """Whether any mark may change with an event that was retracted just now, or is so no longer."""
        # One that was retracted and the last of nothing that counts leaves nobody else to be found.
        return not self._held.flags[place] & RETRACTED or bool(self._held.marks[place] & self._credits)

    def again(self, actor: int) -> Turned | None:
        """Find all marks of an actor anew, after events were retracted or went; return what changed."""
        held = self._held
        places = np.fromiter(held.chain(actor), np.int32)
        places = places[(held.flags[places] & PLANNED) > 0]
        if not len(places):
            self._long.pop(actor, None)
            return None
        # By time, and of one instant the one that came first at the end: the end of each cell's events is its last.
        places = places[np.lexsort((-places, held.time[places]))]
        standing = (held.flags[places] & RETRACTED) == 0
        name, rows = held.name[places], self._layout.rows(held.source[places])
        before, after = held.marks[places], np.zeros(len(places), np.uint32)
        for g, row in enumerate(rows):
            cell = row.astype(np.int64) << 32 | name
            for key, among, mark in ((row, None, ROW), (cell, None, EVENT), (cell, standing, CREDIT)):
                (at,) = np.nonzero(np.ones(len(places), np.bool_) if among is None else among)
                _, from_end = np.unique(key[at][::-1], return_index=True)
                after[at[len(at) - 1 - from_end]] |= np.uint32(mark << 3 * g)
        held.marks[places] = after
        if actor in self._long:
            self._recall(actor, held.count)
        changed = before != after
        return Turned(places[changed], before[changed], after[changed]) if changed.any() else None

    # -- walking ------------------------------------------------------------------------------------------------------

    def _walk(self, new: Places, first: int, changed: list[Turned]) -> None:
        """Lead each new event along its actor's earlier arrivals until the last of each of its cells is found."""
        held = self._held
        here = held.before(new)
        going = here != NONE
        new, here = new[going], here[going]
        if not len(new):
            return
        time, name, rows, need = (
            *(held.time[new], held.name[new]),
            *(self._layout.rows(held.source[new]), held.marks[new]),
        )
        while True:
            found = held.marks[here] & need
            found &= self._shared(here, name, rows)
            if found.any():
                newer = time > held.time[here]
                # The event here is the last no more; the same goes for new ones, which others may still be ahead of.
                lost = found * newer
                (at,) = np.nonzero(lost)
                if len(at):
                    self._lose(here[at], lost[at], first, changed)
                beaten = found ^ lost
                held.marks[new] &= ~beaten
                need &= ~np.where(here < first, found, beaten)
            here = held.before(here)
            going = (here != NONE) & (need != 0)
            if not going.all():
                if not going.any():
                    return
                new, here, need = new[going], here[going], need[going]
                time, name, rows = time[going], name[going], rows[:, going]

    def _shared(self, here: Places, name: Places, rows: Rows) -> Marks:
        """The marks of those cells that both events lie in: the event here, and one of this name and these rows."""
        same = self._layout.rows(self._held.source[here]) == rows
        shared: Marks = np.bitwise_or.reduce(same * self._cell_marks, axis=0)
        shared[self._held.name[here] != name] &= self._rows_only
        return shared

    def _lose(self, places: Places, lost: Marks, first: int, changed: list[Turned]) -> None:
        before = self._held.marks[places]
        after = before & ~lost
        self._held.marks[places] = after
        old = places < first
        if old.all():
            changed.append(Turned(places, before, after))
        elif old.any():
            changed.append(Turned(places[old], before[old], after[old]))

    # -- looking up ---------------------------------------------------------------------------------------------------

    def _recall(self, actor: int, first: int) -> None:
        """From now on, the last events of this actor are looked up. Those from `first` on are yet to be marked."""
        held = self._held
        self._long[actor] = {
            cell: place
            for place in held.chain(actor)
            if place < first and held.marks[place]
            for cell, mark in self._cells(place)
            if held.marks[place] & mark
        }

    def _look_up(self, place: int, first: int, changed: list[Turned]) -> None:
        """Mark one new event of an actor with many; those from `first` on are new."""
        held = self._held
        known = self._long[int(held.actor[place])]
        marks, time = int(held.marks[place]), int(held.time[place])
        for cell, mark in self._cells(place):
            if not marks & mark:
                continue
            last = known.get(cell)
            if last is not None and held.time[last] >= time:
                marks &= ~mark
                continue
            known[cell] = place
            if last is not None:
                self._set(last, int(held.marks[last]) & ~mark, changed if last < first else None)
        held.marks[place] = marks

    def _cells(self, place: int) -> list[tuple[_Cell, int]]:
        held = self._held
        name = int(held.name[place])
        cells = []
        for g, row in enumerate(self._layout.numbers(int(held.source[place]))):
            cells += [
                ((3 * g, row, 0), ROW << 3 * g),
                ((3 * g + 1, row, name), EVENT << 3 * g),
                ((3 * g + 2, row, name), CREDIT << 3 * g),
            ]
        return cells

    def _set(self, place: int, after: int, changed: list[Turned] | None) -> None:
        before = int(self._held.marks[place])
        if after == before:
            return
        self._held.marks[place] = after
        if changed is not None:
            one = np.array([before, after], np.uint32)
            changed.append(Turned(np.array([place], np.int32), one[:1], one[1:]))
