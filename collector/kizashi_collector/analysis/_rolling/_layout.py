"""Where each number of a summary stands: the rows of all groupings, one below the other, and a column for each name."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from kizashi_collector.analysis._rolling._held import Places
from kizashi_collector.analysis._table import Codes
from kizashi_schemas.plan import Plan

__all__ = ["Layout", "Rows"]

Rows = NDArray[np.int32]
"""The row of each event in each grouping: groupings × events."""


class Layout:
    """The rows of some groupings by source fields, of which the first has no fields and one row; and the columns.

    Rows and columns are learnt as sources and names appear. When the room of a grouping is used up, all rows move:
    `version` tells. With a plan the columns are its events, in its order; without, all names by their codes.
    """

    def __init__(self, groupings: Sequence[tuple[str, ...]], plan: Plan | None, codes: Codes) -> None:
        self.groupings = groupings
        self.plan = plan
        self.codes = codes
        self.version = 0
        self.keys: list[list[tuple[str, ...]]] = [[] if by else [()] for by in groupings]
        self._numbers: list[dict[tuple[str, ...], int]] = [{} for _ in groupings]
        self._room = [1 for _ in groupings]
        self._ordered: list[list[int]] = [[] for _ in groupings]
        self._sources = self._names = 0
        self._row_of: Rows = np.zeros((len(groupings), 0), np.int32)
        self._columns = None if plan is None else {name: at for at, name in enumerate(plan.events)}
        self._column_of: Places = np.zeros(0, np.int32)

    # -- rows ---------------------------------------------------------------------------------------------------------

    @property
    def starts(self) -> list[int]:
        """The first row of each grouping, and the end of the last."""
        starts = [0]
        for room in self._room:
            starts.append(starts[-1] + room)
        return starts

    def learn_sources(self, source: Places) -> None:
        """Have a row for each of these sources."""
        if len(source) and int(source.max()) >= self._sources:
            self._learn_sources()

    def rows(self, source: Places) -> Rows:
        """The row of each source in each grouping; they were learnt before."""
        return self._row_of[:, source]

    def numbers(self, source: int) -> list[int]:
        """The row of one source in each grouping, counted from its first."""
        rows: list[int] = self._row_of[:, source].tolist()
        return [row - start for row, start in zip(rows, self.starts, strict=False)]

    def _learn_sources(self) -> None:
        new = self.codes.sources[self._sources :]
        numbers = np.empty((len(self.groupings), self._sources + len(new)), np.int32)
        starts = self.starts
        for g, by in enumerate(self.groupings):
            numbers[g, : self._sources] = self._row_of[g, : self._sources] - starts[g]
            known, keys = self._numbers[g], self.keys[g]
            for at, source in enumerate(new if by else (), self._sources):
                key = tuple([source.get(field, "") for field in by])
                number = known.get(key)
                if number is None:
                    number = known[key] = len(keys)
                    keys.append(key)
                numbers[g, at] = number
            if not by:
                numbers[g, self._sources :] = 0
        self._sources += len(new)
        if any(len(keys) > room for keys, room in zip(self.keys, self._room, strict=True)):
            self._room = [
                room if len(keys) <= room else 2 * len(keys) for keys, room in zip(self.keys, self._room, strict=True)
            ]
            self.version += 1
        self._row_of = numbers + np.array(self.starts[:-1], np.int32)[:, None]

    def ordered(self, g: int) -> list[int]:
        """The rows of a grouping by their keys, counted from its first."""
        keys = self.keys[g]
        if len(self._ordered[g]) != len(keys):
            self._ordered[g] = sorted(range(len(keys)), key=keys.__getitem__)
        return self._ordered[g]

    # -- columns ------------------------------------------------------------------------------------------------------

    @property
    def width(self) -> int:
        """How many columns there are."""
        return self._names if self._columns is None else len(self._columns)

    @property
    def names(self) -> list[str]:
        """The name of each column."""
        return list(self.codes.names[: self._names]) if self._columns is None else list(self._columns)

    def columns(self, name: Places) -> Places:
        """The column of each name by its code, −1 for unplanned ones."""
        if len(name) and int(name.max()) >= self._names:
            self._learn_names()
        return self._column_of[name]

    def _learn_names(self) -> None:
        new = self.codes.names[self._names :]
        known = self._columns
        places = [at if known is None else known.get(name, -1) for at, name in enumerate(new, self._names)]
        self._column_of = np.concatenate([self._column_of, np.array(places, np.int32)])
        self._names += len(new)
        self.version += known is None
