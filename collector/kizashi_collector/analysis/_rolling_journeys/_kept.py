"""Journeys held in memory as columns: each actor's linked, the last first."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from kizashi_collector.analysis._journeys import UNENDED, Journeys
from kizashi_collector.analysis._rolling import NONE, Places
from kizashi_collector.analysis._table import LARGEST, Column

__all__ = ["CLOSED", "NEVER", "ROOM", "UNKNOWN", "Kept"]

NEVER = -1
"""Stands for the time of what did not happen."""

UNKNOWN = -2
"""Stands for the time of an event that is there and was not told."""

_WIDEST = (1 << 32) - 1
"""Lags below this are kept in four bytes: horizons of a ladder that add up to 49 days. This stands for NEVER there."""

CLOSED = -1
"""Stands for the bin of a journey that is not open."""

ROOM = 1_024
_BLOCK, _PART = 1 << 14, 1 << 18


class Kept:
    """Journeys by their index; those of one actor stand in order. 50 bytes each, and for every depth four or eight.

    Beside the columns of `Journeys`: `credit`, the time of the event that it is credited to the source of; `bin` of its
    age while it is open; `before`, the actor's journey before it; `live`, false for what was found anew. By actor: its
    last journey (`current`) and the time of its last planned event (`newest`).

    When depths were reached is kept from the begin on; no more than `longest` after it.
    """

    def __init__(self, depths: int, longest: int, room: int = ROOM) -> None:
        self.count = self.dead = 0
        self.depths = depths
        self.actor: Places = np.empty(room, np.int32)
        self.begin: Column = np.empty(room, np.int64)
        self.source: Places = np.empty(room, np.int32)
        self.credit: Column = np.empty(room, np.int64)
        self.deepest: NDArray[np.int16] = np.empty(room, np.int16)
        lag: np.dtype[np.unsignedinteger[Any]] = np.dtype(np.uint32 if longest < _WIDEST else np.uint64)
        self._lags: NDArray[np.unsignedinteger[Any]] = np.empty((room, depths), lag)
        self._never = np.iinfo(lag).max
        self.ended: NDArray[np.int8] = np.empty(room, np.int8)
        self.end: Column = np.empty(room, np.int64)
        self.final: Places = np.empty(room, np.int32)
        self.brought: Column = np.empty(room, np.int64)
        self.bin: NDArray[np.int16] = np.empty(room, np.int16)
        self.before: Places = np.empty(room, np.int32)
        self.live: NDArray[np.bool_] = np.empty(room, np.bool_)
        self.apart: dict[int, int | None] = {}
        self.current: Places = np.full(room, NONE, np.int32)
        self.newest: Column = np.full(room, NEVER, np.int64)

    @property
    def room(self) -> int:
        """How many journeys fit before columns have to grow."""
        return len(self.begin)

    def reach(self, actor: int) -> None:
        """Have a place for this actor."""
        if actor >= len(self.current):
            self.current = _longer(self.current, actor + 1, NONE)
            self.newest = _longer(self.newest, actor + 1, NEVER)

    def add(self, actor: Places, begin: Column, source: Places, credit: Column) -> Places:
        """Add journeys, of different actors or by actor and in order, and return where: nothing reached, nothing ended,
        not open. Each follows those that its actor has."""
        first, last = self.count, self.count + len(actor)
        if last > self.room:
            for name in _COLUMNS:
                setattr(self, name, _longer(getattr(self, name), last))
        self.count = last
        own = slice(first, last)
        self.actor[own] = actor
        self.begin[own] = begin
        self.source[own] = source
        self.credit[own] = credit
        self.deepest[own] = self.depths
        self._lags[own] = self._never
        self.ended[own] = UNENDED
        self.end[own] = NEVER
        self.final[own] = 0
        self.brought[own] = 0
        self.bin[own] = CLOSED
        self.live[own] = True
        at = np.arange(first, last, dtype=np.int32)
        if len(at):
            begins = np.append(True, actor[1:] != actor[:-1])
            self.before[own] = np.where(begins, self.current[actor], at - 1)
            ends = np.append(begins[1:], True)
            self.current[actor[ends]] = at[ends]
        return at

    def step(self, at: Places, depth: Column, time: Column) -> None:
        """Note that journeys came to a depth, the deepest of all so far, at these times."""
        self.deepest[at] = depth
        self._lags[at, depth] = time - self.begin[at]

    def reach_all(self, at: Places, deepest: Column, reached: Column) -> None:
        """Note how deep journeys came, and when to each depth."""
        self.deepest[at] = deepest
        self._lags[at] = np.where(reached == NEVER, self._never, reached - self.begin[at][:, None])

    def reached(self, at: Places) -> Column:
        """When journeys reached each depth, or NEVER; a row for each."""
        reached = np.empty((len(at), self.depths), np.int64)
        for first in range(0, len(at), _BLOCK):
            # Millions are copied at once while others wait.
            own = at[first : first + _BLOCK]
            lags, part = self._lags[own], reached[first : first + _BLOCK]
            np.add(self.begin[own][:, None], lags.astype(np.int64), out=part)
            part[lags == self._never] = NEVER
        return reached

    def clocks(self, at: Places) -> Column:
        """From when the horizon of each journey counts: when it reached its deepest step, and with none when it began.

        Of NONE it is any time at all.
        """
        clocks: Column = self.begin[at]
        deepest = self.deepest[at]
        (stepped,) = np.nonzero((deepest < self.depths) & (at != NONE))
        clocks[stepped] += self._lags[at[stepped], deepest[stepped]].astype(np.int64)
        return clocks

    def clock(self, at: int) -> int:
        """The same of one journey."""
        deepest = int(self.deepest[at])
        return int(self.begin[at]) + (int(self._lags[at, deepest]) if deepest < self.depths else 0)

    def set_brought(self, at: Places, amounts: Column, apart: dict[int, int | None]) -> None:
        """Note what journeys brought; by place what no column can say."""
        self.brought[at] = amounts
        large = np.flatnonzero(amounts >= LARGEST)
        for place, amount in [*zip(large.tolist(), amounts[large].tolist(), strict=True), *apart.items()]:
            fits = amount is not None and amount < LARGEST
            self.brought[at[place]] = amount if fits else 0
            if not fits:
                self.apart[int(at[place])] = amount

    def drop(self, at: Places) -> None:
        """Let go of journeys, which are the last of their actors."""
        self.live[at] = False
        self.dead += len(at)
        for place in at.tolist() if self.apart else ():
            self.apart.pop(place, None)

    def compact(self, after: int) -> None:
        """Keep those alone that are live and began after an instant. All others move."""
        live = self.live[: self.count]
        wanted = live & (self.begin[: self.count] > after)
        moved = np.full(self.count + 1, NONE, np.int32)
        (at,) = np.nonzero(wanted)
        moved[at] = np.arange(len(at), dtype=np.int32)
        for name in _COLUMNS:
            column = getattr(self, name)
            column[: len(at)] = column[at]
        self.count, self.dead = len(at), 0
        # NONE finds the last one, which is NONE.
        self.before[: len(at)] = moved[self.before[: len(at)]]
        self.current = moved[self.current]
        self.apart = {int(moved[place]): amount for place, amount in self.apart.items() if moved[place] != NONE}

    def journeys(self, after: int) -> Journeys:
        """Copies of those that are live and began after an instant."""
        own = slice(self.count)
        at = np.flatnonzero(self.live[own] & (self.begin[own] > after)).astype(np.int32)
        at = at[np.argsort(self.actor[at], kind="stable")]
        places = {place: row for row, place in enumerate(at.tolist())} if self.apart else {}
        return Journeys(
            actor=self.actor[at],
            begin=self.begin[at],
            source=self.source[at],
            deepest=self.deepest[at],
            reached=self.reached(at),
            ended=self.ended[at],
            end=self.end[at],
            final=self.final[at],
            brought=self.brought[at],
            apart={places[place]: amount for place, amount in self.apart.items() if place in places},
        )

    def for_values(self, after: int) -> list[Journeys]:
        """The same in parts, without what values are not learned from: of that, and of the order, nothing is said."""
        return [self._for_values(first, min(first + _PART, self.count), after) for first in range(0, self.count, _PART)]

    def _for_values(self, first: int, last: int, after: int) -> Journeys:
        wanted = self.live[first:last] & (self.begin[first:last] > after)
        at = (np.flatnonzero(wanted) + first).astype(np.int32)
        nothing = np.broadcast_to(np.int64(0), len(at))
        return Journeys(
            actor=nothing,
            begin=self.begin[at],
            source=self.source[at],
            deepest=np.broadcast_to(np.int16(0), len(at)),
            reached=self.reached(at),
            ended=self.ended[at],
            end=self.end[at],
            final=nothing,
            brought=self.brought[at],
            apart={},
        )


_COLUMNS = (
    *("actor", "begin", "source", "credit", "deepest", "_lags", "ended", "end", "final", "brought", "bin"),
    *("before", "live"),
)


def _longer(column: NDArray[Any], least: int, fill: int | None = None) -> NDArray[Any]:
    longer = np.empty((max(least, 2 * len(column)), *column.shape[1:]), column.dtype)
    longer[: len(column)] = column
    if fill is not None:
        longer[len(column) :] = fill
    return longer
