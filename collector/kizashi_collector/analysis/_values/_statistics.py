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

__all__ = ["Amounts", "Entries", "Exits", "Finals", "JourneyColumns", "OpenThen", "Statistics"]


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


class Amounts(Struct, frozen=True, eq=False):
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
    amounts: Amounts
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
        if boundary % HOUR_MS or horizon <= 0 or lookback <= 0:
            raise ValueError(f"boundary {boundary}, horizon {horizon}, lookback {lookback}: a whole hour, both above 0")
        if len(journeys.source) and int(journeys.source.min()) < 0:
            raise ValueError("source: a journey of none; number what has no source like any other")
        sorted_keys, place = Keys.of(keys)
        key = place[np.asarray(row_of_source)[journeys.source]] if len(journeys.source) else np.zeros(0, np.int64)
        grid = LagGrid.of(horizon)
        sojourns = Sojourns.of(journeys.reached, journeys.ended, journeys.end, key, boundary, lookback)
        finals, amounts = _money(journeys, key, boundary, lookback)
        return cls(
            boundary=boundary,
            lookback=lookback,
            steps=journeys.reached.shape[1] - 1,
            grid=grid,
            keys=sorted_keys,
            entries=_entries(sojourns, boundary),
            exits=_exits(sojourns, boundary, grid),
            finals=finals,
            amounts=amounts,
            open_then=_open_then(sojourns, boundary, grid),
        )

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


def _entries(sojourns: Sojourns, boundary: int) -> Entries:
    found = group(sojourns.key, sojourns.step, (boundary - sojourns.start) // HOUR_MS)
    key, step, hour = found.columns
    return Entries(key, step, hour, found.count)


def _exits(sojourns: Sojourns, boundary: int, grid: LagGrid) -> Exits:
    left = np.flatnonzero(sojourns.next >= 0)
    start, end = sojourns.start[left], sojourns.end[left]
    found = group(
        sojourns.key[left],
        sojourns.step[left],
        sojourns.next[left],
        (boundary - start) // DAY_MS,
        (boundary - end) // DAY_MS,
        grid.bin_of(end - start),
    )
    key, step, following, entry_day, exit_day, lag = found.columns
    return Exits(key, step, following, entry_day, exit_day, lag, found.count)


def _open_then(sojourns: Sojourns, boundary: int, grid: LagGrid) -> OpenThen:
    tables: list[tuple[Integers, ...]] = []
    for days in (0, *back_test_days(grid.horizon)):
        then = boundary - days * DAY_MS
        age = then - sojourns.start
        there = np.flatnonzero((age >= 0) & (age < grid.horizon) & ((sojourns.next < 0) | (sojourns.end > then)))
        found = group(sojourns.key[there], sojourns.step[there], grid.bin_of(age[there]), sums=(sojourns.final[there],))
        tables.append((np.full(len(found.count), days, np.int64), *found.columns, found.count, *found.sums))
    return OpenThen(*(np.concatenate(column) for column in zip(*tables, strict=True)))


def _money(journeys: JourneyColumns, key: Integers, boundary: int, lookback: int) -> tuple[Finals, Amounts]:
    # A final with nothing before it tells nothing of what a step brings.
    stepped = (journeys.reached >= 0).any(axis=1)
    within = (journeys.end > boundary - lookback) & (journeys.end <= boundary)
    chosen = np.flatnonzero(stepped & within & (journeys.ended > 0))
    brought = np.asarray(journeys.brought)[chosen].astype(np.int64)
    converted = (journeys.ended[chosen] == 1).astype(np.int64)
    daily = group(key[chosen], (boundary - journeys.end[chosen]) // DAY_MS, sums=(converted,))
    totals, squares = exact_sums(brought[daily.order], daily.starts)
    sized = group(key[chosen], amount_bin(brought))
    sums, _ = exact_sums(brought[sized.order], sized.starts)
    return (
        Finals(daily.columns[0], daily.columns[1], daily.count, daily.sums[0], totals, squares),
        Amounts(sized.columns[0], sized.columns[1], sized.count, sums),
    )
