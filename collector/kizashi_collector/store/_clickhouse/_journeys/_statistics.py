"""The tables that a fit reads, counted by ClickHouse."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from kizashi_collector.analysis import (
    AmountCounts,
    Entries,
    Exits,
    Finals,
    Keys,
    LagGrid,
    OpenThen,
    Statistics,
    back_test_days,
)
from kizashi_collector.store._clickhouse._journeys._asking import Asking
from kizashi_collector.store._clickhouse._journeys._bins import SIZES, edges
from kizashi_collector.store._clickhouse._journeys._bounded import ToldApart
from kizashi_collector.store._clickhouse._journeys._facts import AMOUNT, BEGUN, ENTRY, EXIT, FINAL, STOOD, Facts

__all__ = ["Counted", "statistics"]

_Column = NDArray[np.int64]


class Counted(Struct, frozen=True, eq=False):
    """The tables, and how many journeys began up to the boundary."""

    statistics: Statistics
    begun: int


def statistics(asking: Asking, apart: ToldApart, boundary: int) -> Counted:
    """As Statistics.of, of the journeys of `asking` by the fields of `apart`.

    Keys are those that journeys are credited to, that of no source, and those of `apart`; its rest is appended to each.
    """
    ladder, grid = asking.ladder, LagGrid.of(asking.ladder.horizon_ms)
    facts = Facts(ladder, grid, boundary, ladder.lookback_ms, (0, *back_test_days(grid.horizon)))
    parts = list(asking.columns(apart.fields, facts.sql))
    credited = {0}.union(*(columns[0] for columns in parts))
    texts = asking.keys(apart.fields)
    key_of = {source: texts[source] + apart.rest for source in credited}
    leaves = sorted({*key_of.values(), *(key + apart.rest for key in apart.keys)})
    number = {key: place for place, key in enumerate(leaves)}
    places = {source: number[key] for source, key in key_of.items()}
    tables = _Tables(grid)
    while parts:
        tables.add(places, *parts.pop())
    return Counted(tables.taken(facts, Keys(tuple(leaves))), tables.begun)


class _Tables:
    """The tables in the making: several sources may be of one key, and actors come in parts."""

    def __init__(self, grid: LagGrid) -> None:
        self._grid = grid
        self._rows: defaultdict[int, list[tuple[_Column, ...]]] = defaultdict(list)
        self._finals: defaultdict[tuple[int, int], list[int]] = defaultdict(lambda: [0, 0, 0, 0])
        self._amounts: defaultdict[tuple[int, int], list[int]] = defaultdict(lambda: [0, 0])
        self.begun = 0

    def add(
        self,
        places: Mapping[int, int],
        source: Sequence[int],
        kind: Sequence[int],
        step: Sequence[int],
        into: Sequence[int],
        since: Sequence[int],
        until: Sequence[int],
        edge: Sequence[int],
        count: Sequence[int],
        total: Sequence[str],
        squares: Sequence[str],
    ) -> None:
        """Add the rows of `Facts.sql`; `places` gives for each source that of its key."""
        key = [places[one] for one in source]
        kinds = np.array(kind, np.uint8)
        lag = np.searchsorted(np.array([*edges(self._grid)]), np.array(edge, np.int64), side="right") - 1
        numbers = [np.array(column, np.int64) for column in (key, step, into, since, until, lag, count)]
        for one in (ENTRY, EXIT, STOOD):
            (rows,) = np.nonzero(kinds == one)
            self._rows[one].append(tuple(column[rows] for column in numbers))
        self.begun += int(numbers[-1][(kinds == BEGUN) & (numbers[2] == 1)].sum())
        for row in np.flatnonzero(kinds == FINAL).tolist():
            so_far = self._finals[key[row], since[row]]
            so_far[0] += count[row]
            so_far[1] += count[row] * into[row]
            so_far[2] += int(total[row])
            so_far[3] += int(squares[row])
        for row in np.flatnonzero(kinds == AMOUNT).tolist():
            sized = self._amounts[key[row], SIZES[until[row]]]
            sized[0] += count[row]
            sized[1] += int(total[row])

    def taken(self, facts: Facts, keys: Any) -> Statistics:
        key, step, _, since, _, _, count = self._joined(ENTRY)
        entries = Entries(*_summed([key, step, since], [count]))
        key, step, into, since, until, lag, count = self._joined(EXIT)
        exits = Exits(*_summed([key, step, into, since, until, lag], [count]))
        key, step, into, since, _, lag, count = self._joined(STOOD)
        open_then = OpenThen(*_summed([since, key, step, lag], [count, count * into]))
        days = sorted(self._finals.items())
        sizes = sorted(self._amounts.items())
        return Statistics(
            boundary=facts.boundary,
            lookback=facts.lookback,
            steps=facts.ladder.steps,
            grid=facts.grid,
            keys=keys,
            entries=entries,
            exits=exits,
            finals=Finals(
                key=_column(at[0] for at, _ in days),
                day=_column(at[1] for at, _ in days),
                count=_column(sums[0] for _, sums in days),
                converted=_column(sums[1] for _, sums in days),
                total=tuple(sums[2] for _, sums in days),
                squares=tuple(sums[3] for _, sums in days),
            ),
            amounts=AmountCounts(
                key=_column(at[0] for at, _ in sizes),
                bin=_column(at[1] for at, _ in sizes),
                count=_column(sums[0] for _, sums in sizes),
                total=tuple(sums[1] for _, sums in sizes),
            ),
            open_then=open_then,
        )

    def _joined(self, kind: int) -> tuple[_Column, ...]:
        none = (np.zeros(0, np.int64),) * 7
        return tuple(np.concatenate(column) for column in zip(none, *self._rows.pop(kind, []), strict=True))


def _summed(columns: list[_Column], counts: list[_Column]) -> tuple[_Column, ...]:
    """The distinct rows, sorted, and the sums of what is counted of them."""
    order = np.lexsort(columns[::-1])
    ordered = [column[order] for column in columns]
    differs = np.zeros(len(order), np.bool_)
    differs[:1] = True
    for column in ordered:
        differs[1:] |= column[1:] != column[:-1]
    starts = np.flatnonzero(differs)
    sums = [np.add.reduceat(one[order], starts) if len(starts) else one for one in counts]
    return (*(column[starts] for column in ordered), *sums)


def _column(numbers: Iterable[int]) -> _Column:
    return np.fromiter(numbers, np.int64)
