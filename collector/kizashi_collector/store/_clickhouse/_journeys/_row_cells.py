"""What the journeys of a window add up to by key, counted by ClickHouse."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

import numpy as np
from msgspec import Struct

from kizashi_collector.analysis import Interval, Key, Ladder, LagGrid, RowCells
from kizashi_collector.store._clickhouse._journeys._asking import Asking
from kizashi_collector.store._clickhouse._journeys._bins import MINUTE_MS, edges, lag_edge
from kizashi_collector.store._clickhouse._journeys._found import AT_ONCE
from kizashi_collector.store._clickhouse._journeys._kept import KeptJourneys
from kizashi_collector.store._clickhouse._sql import Ask, View
from kizashi_schemas.plan import Plan

__all__ = ["row_cells"]


def row_cells(
    ask: Ask,
    view: View,
    plan: Plan,
    ladder: Ladder,
    interval: Interval,
    fields: Sequence[str],
    grid: LagGrid,
    adjusted: bool,
    at_once: int = AT_ONCE,
    kept: KeptJourneys | None = None,
) -> RowCells:
    """As RowCells.of, of the journeys of a view as they stand at the interval's as_of, by fields of their source.

    `adjusted` tells whether the view has any adjustment at all; `at_once` and `kept` are those of Asking.
    """
    asking = Asking(ask, plan, ladder, view, interval.as_of, adjusted, at_once, kept)
    cells = _Cells()
    keys = asking.keys(fields, interval.start)
    for columns in asking.columns(fields, lambda found: _sql(found, ladder, interval, grid), interval.start):
        for source, *row in zip(*columns, strict=True):
            cells.add(keys[source], *row)
    return cells.taken(ladder, grid)


def _sql(found: str, ladder: Ladder, interval: Interval, grid: LagGrid) -> str:
    """A row for each source, place and age bin of journeys begun in the window: source, place (deepest step of an open
    journey, -1 of any other), edge (of the bin, in minutes), journeys, converted, brought, and of how many nobody knows
    what they brought."""
    minutes = f"intDiv(toInt64({interval.as_of}), {MINUTE_MS}) - intDiv(clock, {MINUTE_MS})"
    return f"""
SELECT source, place, edge, count() AS journeys, countIf(ended = 1) AS converted,
    sum(ifNull(brought, toInt128(0))) AS known, countIf(isNull(brought)) AS unknown
FROM (
    SELECT source, ended, brought,
        ended = 0 AND clock + {ladder.horizon_ms} >= {interval.as_of} AS still,
        if(still, toInt32(deepest), toInt32(-1)) AS place,
        if(still, {lag_edge(minutes, grid)}, 0) AS edge
    FROM ({found}
    )
    WHERE begin <= {interval.end}
)
GROUP BY source, place, edge"""


class _Row(Struct):
    journeys: int = 0
    converted: int = 0
    brought: int | None = 0


class _Cells:
    """Rows in the making: several sources may be of one key, and actors come in parts."""

    def __init__(self) -> None:
        self._rows: defaultdict[Key, _Row] = defaultdict(_Row)
        self._open: defaultdict[tuple[Key, int, int], int] = defaultdict(int)

    def add(self, key: Key, place: int, edge: int, journeys: int, converted: int, brought: int, unknown: int) -> None:
        so_far = self._rows[key]
        so_far.journeys += journeys
        so_far.converted += converted
        so_far.brought = None if unknown or so_far.brought is None else so_far.brought + brought
        if place >= 0:
            self._open[key, place, edge] += journeys

    def taken(self, ladder: Ladder, grid: LagGrid) -> RowCells:
        keys = sorted(self._rows)
        rows = [self._rows[key] for key in keys]
        place_of, bin_of = {key: place for place, key in enumerate(keys)}, edges(grid)
        open_cells = np.zeros((len(keys), ladder.final, grid.bins), np.int32)
        for (key, depth, edge), count in self._open.items():
            open_cells[place_of[key], depth, bin_of[edge]] = count
        return RowCells(
            keys=keys,
            journeys=np.array([row.journeys for row in rows], np.int64),
            converted=np.array([row.converted for row in rows], np.int64),
            brought=[row.brought for row in rows],
            open_cells=open_cells,
        )
