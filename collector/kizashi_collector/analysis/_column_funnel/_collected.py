"""Attempts that count, on their way from bucket to bucket into columns."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from kizashi_collector.analysis._column_funnel._running import Attempts
from kizashi_collector.analysis._column_funnel._taken import Taken
from kizashi_collector.analysis._column_funnel._timelines import Timelines
from kizashi_collector.analysis._table import Column, EventTable

__all__ = ["Collected"]


class Collected:
    """Holds no more than it must: who took a step within the bucket, and the row."""

    def __init__(self, steps: int) -> None:
        self._depth: list[NDArray[np.uint8]] = []
        self._group: list[Column] = []
        self._who: list[list[NDArray[np.int32]]] = [[] for _ in range(steps)]
        self._row: list[list[Column]] = [[] for _ in range(steps)]

    def add(self, lines: Timelines, attempts: Attempts, group: Column) -> None:
        """Take these attempts, attributed to these keys."""
        self._depth.append(attempts.depth)
        self._group.append(group)
        for place, who, row in zip(attempts.place, self._who, self._row, strict=True):
            (took,) = np.nonzero(place >= 0)
            who.append(took.astype(np.int32))
            row.append(lines.row.take(place.take(took)))

    def taken(self, table: EventTable) -> Taken:
        """All of them; afterwards there are none."""
        steps = len(self._who)
        if not self._depth:
            return Taken.empty(steps)
        first = np.cumsum([0, *map(len, self._depth)])
        who, time, row = [], [], []
        for step in range(steps):
            own = np.concatenate(self._who[step], dtype=np.int64)
            own += np.repeat(first[:-1], [len(part) for part in self._who[step]])
            who.append(own)
            rows = np.concatenate(self._row[step], dtype=np.int64)
            time.append(table.time.take(rows))
            row.append(rows)
            self._who[step], self._row[step] = [], []
        depth, group = np.concatenate(self._depth), np.concatenate(self._group)
        self._depth, self._group = [], []
        return Taken(depth, who, time, row, group)
