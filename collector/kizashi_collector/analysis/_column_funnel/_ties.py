"""Events alike in actor, instant and step: which of them takes the step is up to their ids, where it matters."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from msgspec import Struct

from kizashi_collector.analysis._column_funnel._conditions import Details
from kizashi_collector.analysis._column_funnel._order import Bucket
from kizashi_collector.analysis._column_funnel._taken import Taken
from kizashi_collector.analysis._events import LoggedEvent
from kizashi_collector.analysis._table import Column, EventTable

__all__ = ["Tied", "Ties"]


class Tied(Struct, frozen=True, eq=False):
    """Which of some places are tied, how many events are alike there, and the rows of these, tie after tie."""

    at: Column
    counts: Column
    alike: Column


class Ties:
    """Notes ties while attempts are found, and settles them in the end, all at once."""

    def __init__(self, table: EventTable, details: Details, adjusted: Mapping[int, LoggedEvent]) -> None:
        self._table, self._details, self._adjusted = table, details, adjusted
        self.clear()

    def clear(self) -> None:
        """Forget what was noted."""
        self._counts: dict[int, int] = {}
        self._noted: list[tuple[int, Column, Column, Column]] = []

    def note(self, step: int, taken: int, tied: Tied | None) -> None:
        """Note what is `tied` among so many places of a bucket where a step was taken, after those noted before."""
        before = self._counts.get(step, 0)
        self._counts[step] = before + taken
        if tied is not None:
            self._noted.append((step, before + tied.at, tied.counts, tied.alike))

    @staticmethod
    def tied(bucket: Bucket, place: Column, rows: Column | None) -> Tied | None:
        """The ties among places of a bucket where a step was taken, each the first of those alike."""
        (tied,) = np.nonzero(bucket.tied(place))
        if not len(tied):
            return None
        first = place[tied]
        counts = np.searchsorted(bucket.packed, bucket.packed[first], "right") - first
        among = np.repeat(first, counts) + np.arange(int(counts.sum())) - np.repeat(np.cumsum(counts) - counts, counts)
        alike = bucket.rows[among].astype(np.int64)
        return Tied(tied, counts, alike if rows is None else rows[alike])

    def settle(self, taken: Taken, *, money: bool, sources: bool, properties: bool) -> None:
        """Let the smaller id go first wherever those alike differ in what is asked about."""
        open_: list[tuple[int, int, list[int]]] = []
        for step, places, counts, alike in self._noted:
            ends = np.cumsum(counts)
            run = np.repeat(np.arange(len(counts)), counts)
            differs = self._differing(alike, alike[np.repeat(ends - counts, counts)], money, sources, properties)
            open_ += [
                (step, int(places[at]), alike[ends[at] - counts[at] : ends[at]].tolist())
                for at in np.unique(run[differs]).tolist()
            ]
        if not open_:
            return
        seqs = sorted({int(self._table.seq[row]) for _, _, rows in open_ for row in rows})
        ids = dict(zip(seqs, self._details.ids(seqs), strict=True))
        for step, place, rows in open_:
            taken.row[step][place] = min(rows, key=lambda row: ids[int(self._table.seq[row])])

    def _differing(
        self, rows: Column, others: Column, money: bool, sources: bool, properties: bool
    ) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
        table = self._table
        if properties:
            return np.ones(len(rows), np.bool_)
        differs = np.zeros(len(rows), np.bool_)
        columns = [table.source] if sources else []
        if money:
            columns += [table.name, table.value, table.currency]
            if self._adjusted:
                differs |= np.isin(table.seq[rows], np.fromiter(self._adjusted, np.int64, len(self._adjusted)))
        for column in columns:
            differs |= column[rows] != column[others]
        return differs
