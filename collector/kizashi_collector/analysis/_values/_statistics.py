"""All that a fit reads: integer tables, one row for each group, as a `GROUP BY` gives them.

Panes count back from the boundary: an entry in pane p lies in (boundary − (p+1)·length, boundary − p·length]. So the
tables as they stood whole days earlier are a selection of the same rows (`back`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from msgspec import Struct
from msgspec.structs import replace

from kizashi_collector.analysis._values._exact import amount_bin, exact_sums
from kizashi_collector.analysis._values._grid import DAY_MS, HOUR_MS, Integers, LagGrid
from kizashi_collector.analysis._values._grouping import group
from kizashi_collector.analysis._values._keys import Key, Keys
from kizashi_collector.analysis._values._sojourns import Sojourns, back_test_days
from kizashi_collector.analysis._values._tally import Tally

__all__ = ["AmountCounts", "Counting", "Entries", "Exits", "Finals", "JourneyColumns", "OpenThen", "Statistics"]

_AT_ONCE = 1 << 17
"""So many journeys are counted at once: all that is made of them stays small, and near the processor."""


class JourneyColumns(Protocol):
    """Journeys as columns, times in epoch milliseconds, all known at the boundary.

    `source` numbers sources from 0 (to have none is a source, too). `reached[i, d]` is when journey i first stood at
    depth d, or −1 where it never did; depth 0 is below the ladder. `ended` is 0 while no final came, 1 after a final, 2
    after one that was retracted; it came at `end` and brought `brought` micros, at least 0 and below 2**60.
    """

    @property
    def source(self) -> Integers: ...
    @property
    def reached(self) -> Integers: ...
    @property
    def ended(self) -> Integers: ...
    @property
    def end(self) -> Integers: ...
    @property
    def brought(self) -> Integers: ...


class Entries(Struct, frozen=True, eq=False):
    """How many journeys came to a step, by the hour back from the boundary."""

    key: Integers
    step: Integers
    hour: Integers
    count: Integers


class Exits(Struct, frozen=True, eq=False):
    """How many left a step for a deeper one or a final (`next` = steps + 1), by the day back of entry and of exit and
    the bin of the lag."""

    key: Integers
    step: Integers
    next: Integers
    entry_day: Integers
    exit_day: Integers
    bin: Integers
    count: Integers


class Finals(Struct, frozen=True, eq=False):
    """What finals brought, by the day back: how many, how many of them not retracted, Σy and Σy² in micros, exact."""

    key: Integers
    day: Integers
    count: Integers
    converted: Integers
    total: tuple[int, ...]
    squares: tuple[int, ...]


class AmountCounts(Struct, frozen=True, eq=False):
    """The same amounts by size (`amount_bin`): how many, and Σy in micros."""

    key: Integers
    bin: Integers
    count: Integers
    total: tuple[int, ...]


class OpenThen(Struct, frozen=True, eq=False):
    """Journeys that stood open `days` before the boundary, by deepest step and age bin then; and how many of them had
    a final after all. Their horizon is over, except at `days` = 0."""

    days: Integers
    key: Integers
    step: Integers
    bin: Integers
    count: Integers
    finals: Integers


class Statistics(Struct, frozen=True, eq=False):
    """The tables of one grouping at one boundary."""

    boundary: int
    lookback: int
    steps: int
    grid: LagGrid
    keys: Keys
    entries: Entries
    exits: Exits
    finals: Finals
    amounts: AmountCounts
    open_then: OpenThen

    @classmethod
    def of(
        cls,
        journeys: JourneyColumns,
        row_of_source: Integers,
        keys: Sequence[Key],
        *,
        boundary: int,
        horizon: int,
        lookback: int,
    ) -> Statistics:
        """Count journeys. `row_of_source` gives for each source the place of its key in `keys`.

        Raises ValueError where the boundary is no whole UTC hour, the horizon or lookback not positive, or a journey
        of no source.
        """
        counting = cls.counting(
            row_of_source,
            keys,
            steps=journeys.reached.shape[1] - 1,
            boundary=boundary,
            horizon=horizon,
            lookback=lookback,
        )
        counting.add(journeys)
        return counting.taken()

    @classmethod
    def counting(
        cls, row_of_source: Integers, keys: Sequence[Key], *, steps: int, boundary: int, horizon: int, lookback: int
    ) -> Counting:
        """The same for journeys that come in parts, in whatever order: `add` each, and then take what was `taken`."""
        if boundary % HOUR_MS or horizon <= 0 or lookback <= 0:
            raise ValueError(f"boundary {boundary}, horizon {horizon}, lookback {lookback}: a whole hour, both above 0")
        return Counting(row_of_source, keys, steps, LagGrid.of(horizon), boundary, lookback)

    def back(self, days: int) -> Statistics:
        """Entries and exits as they stood whole days before; money and what stood open are left as they are."""
        entries, exits = self.entries, self.exits
        entered = np.flatnonzero(entries.hour >= 24 * days)
        left = np.flatnonzero((exits.exit_day >= days) & (exits.entry_day >= days))
        return replace(
            self,
            boundary=self.boundary - days * DAY_MS,
            lookback=max(self.lookback - days * DAY_MS, 1),
            entries=Entries(
                entries.key[entered], entries.step[entered], entries.hour[entered] - 24 * days, entries.count[entered]
            ),
            exits=Exits(
                exits.key[left],
                exits.step[left],
                exits.next[left],
                exits.entry_day[left] - days,
                exits.exit_day[left] - days,
                exits.bin[left],
                exits.count[left],
            ),
        )


class Counting:
    """Statistics in the making; see `Statistics.counting`.

    Journeys are looked at a few at a time: what is held is in keeping with the tables, and with how many finals there
    are, 32 bytes for each.
    """

    def __init__(
        self, row_of_source: Integers, keys: Sequence[Key], steps: int, grid: LagGrid, boundary: int, lookback: int
    ) -> None:
        self._steps, self._grid, self._boundary, self._lookback = steps, grid, boundary, lookback
        self._keys, place = Keys.of(keys)
        self._key_of_source = place[np.asarray(row_of_source, np.int64)]
        # What began in (boundary − lookback, boundary] lies less than a lookback back, and so does what came of it.
        hours, days = ((lookback - 1) // unit + 1 for unit in (HOUR_MS, DAY_MS))
        some = max(len(keys), 1)
        self._days = (0, *back_test_days(grid.horizon))
        self._entries = Tally(some, steps + 1, hours)
        self._exits = Tally(some, steps + 1, steps + 2, days, days, grid.bins)
        self._open_then = Tally(len(self._days), some, steps + 1, grid.bins, 2)
        self._money = _Money(boundary)

    def add(self, journeys: JourneyColumns) -> None:
        """Count some journeys. Raises ValueError for one of no source."""
        if len(journeys.source) and int(journeys.source.min()) < 0:
            raise ValueError("source: a journey of none; number what has no source like any other")
        for first in range(0, len(journeys.source), _AT_ONCE):
            self._add(journeys, slice(first, first + _AT_ONCE))

    def taken(self) -> Statistics:
        """The tables. Nothing is left here."""
        finals, amounts = self._money.taken()
        return Statistics(
            boundary=self._boundary,
            lookback=self._lookback,
            steps=self._steps,
            grid=self._grid,
            keys=self._keys,
            entries=Entries(*self._entries.taken()),
            exits=Exits(*self._exits.taken()),
            finals=finals,
            amounts=amounts,
            open_then=self._stood(),
        )

    def _add(self, journeys: JourneyColumns, own: slice) -> None:
        key = self._key_of_source[journeys.source[own]]
        reached, ended, end = journeys.reached[own], journeys.ended[own], journeys.end[own]
        sojourns = Sojourns.of(reached, ended, end, key, self._boundary, self._lookback)
        self._enter(sojourns)
        self._leave(sojourns)
        self._stand(sojourns)
        # A final with nothing before it tells nothing of what a step brings.
        chosen = (ended > 0) & (end > self._boundary - self._lookback) & (end <= self._boundary)
        chosen &= (reached >= 0).any(axis=1)
        (at,) = np.nonzero(chosen)
        self._money.add(key[at], end[at], ended[at] == 1, journeys.brought[own][at])

    def _enter(self, sojourns: Sojourns) -> None:
        self._entries.add(sojourns.key, sojourns.step, (self._boundary - sojourns.start) // HOUR_MS)

    def _leave(self, sojourns: Sojourns) -> None:
        left = np.flatnonzero(sojourns.next >= 0)
        start, end = sojourns.start[left], sojourns.end[left]
        self._exits.add(
            sojourns.key[left],
            sojourns.step[left],
            sojourns.next[left],
            (self._boundary - start) // DAY_MS,
            (self._boundary - end) // DAY_MS,
            self._grid.bin_of(end - start),
        )

    def _stand(self, sojourns: Sojourns) -> None:
        for place, days in enumerate(self._days):
            then = self._boundary - days * DAY_MS
            age = then - sojourns.start
            there = np.flatnonzero(
                (age >= 0) & (age < self._grid.horizon) & ((sojourns.next < 0) | (sojourns.end > then))
            )
            self._open_then.add(
                np.full(len(there), place),
                sojourns.key[there],
                sojourns.step[there],
                self._grid.bin_of(age[there]),
                sojourns.final[there],
            )

    def _stood(self) -> OpenThen:
        place, key, step, lag, final, count = self._open_then.taken()
        found = group(place, key, step, lag, sums=(count, count * final))
        place, key, step, lag = found.columns
        return OpenThen(np.array(self._days, np.int64)[place], key, step, lag, *found.sums)


class _Money:
    """Finals one by one, since Σy² needs those of a group side by side."""

    def __init__(self, boundary: int) -> None:
        self._boundary = boundary
        none = np.zeros(0, np.int64)
        self._parts: list[tuple[Integers, ...]] = [(none, none, none, none)]

    def add(self, key: Integers, end: Integers, converted: Integers, brought: Integers) -> None:
        self._parts.append(
            (key, (self._boundary - end) // DAY_MS, converted.astype(np.int64), brought.astype(np.int64))
        )

    def taken(self) -> tuple[Finals, AmountCounts]:
        key, day, converted, brought = (np.concatenate(column) for column in zip(*self._parts, strict=True))
        self._parts.clear()
        daily = group(key, day, sums=(converted,))
        totals, squares = exact_sums(brought[daily.order], daily.starts)
        sized = group(key, amount_bin(brought))
        sums, _ = exact_sums(brought[sized.order], sized.starts)
        return (
            Finals(daily.columns[0], daily.columns[1], daily.count, daily.sums[0], totals, squares),
            AmountCounts(sized.columns[0], sized.columns[1], sized.count, sums),
        )
