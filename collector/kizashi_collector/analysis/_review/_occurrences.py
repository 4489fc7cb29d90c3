"""Which journeys an event happened in, and when it first did."""

from __future__ import annotations

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from kizashi_collector.analysis._journeys import UNENDED, Journeys
from kizashi_collector.analysis._table import CodeColumn, Column

__all__ = ["NOT_THERE", "Belonging", "Occurrences"]

NOT_THERE = np.iinfo(np.int64).max
"""Stands for the time of what a journey did not have."""


class Occurrences(Struct, frozen=True, eq=False):
    """When an event first and last happened in each journey, in ms since 1970; NOT_THERE and -1 where it did not."""

    first: Column
    last: Column

    @property
    def there(self) -> NDArray[np.bool_]:
        """Which journeys had it."""
        return self.last >= 0


class Belonging:
    """Finds the journeys that micro-conversions belong to. Those of one actor lie together, in time."""

    def __init__(self, journeys: Journeys, horizon_ms: int) -> None:
        self._journeys = journeys
        # Until when a micro-conversion still belongs: at the instant of a final it comes before that.
        self._until = np.where(journeys.ended == UNENDED, journeys.deadlines(horizon_ms), journeys.end)
        # Where the journeys of each actor begin, and how many there are; the last place is for actors with none.
        self._actors = int(journeys.actor.max(initial=-1)) + 1
        self._counts = np.bincount(journeys.actor, minlength=self._actors + 1)
        self._starts = np.zeros(self._actors + 1, np.int64)
        firsts = np.flatnonzero(np.diff(journeys.actor, prepend=-1))
        self._starts[journeys.actor[firsts]] = firsts

    def occurrences(self, actor: CodeColumn, time: Column) -> Occurrences:
        """Of events of one name, by actors at times."""
        journey = self._journey(actor, time)
        (found,) = np.nonzero(journey >= 0)
        first = np.full(len(self._journeys), NOT_THERE, np.int64)
        last = np.full(len(self._journeys), -1, np.int64)
        np.minimum.at(first, journey[found], time[found])
        np.maximum.at(last, journey[found], time[found])
        return Occurrences(first, last)

    def _journey(self, actor: CodeColumn, time: Column) -> Column:
        """The place of each event's journey; -1 where none of those known is its own."""
        begin = self._journeys.begin
        if not len(begin):
            return np.full(len(time), -1, np.int64)
        known = np.minimum(actor.astype(np.int64), self._actors)
        start = self._starts[known]
        end = start + self._counts[known]
        at = self._first_from(start, end, time)
        before = np.maximum(at - 1, 0)
        still = (at > start) & (self._until[before] >= time)
        # Where several begin at that instant, all but the first are lone finals, and come after it.
        here = np.minimum(at, len(begin) - 1)
        begun = (at < end) & (begin[here] == time)
        return np.where(still, before, np.where(begun, here, -1))

    def _first_from(self, start: Column, end: Column, time: Column) -> Column:
        """Between two places, that of the first journey which begins at a time or later: all searched at once."""
        begin = self._journeys.begin
        low, high = start.copy(), end.copy()
        while (low < high).any():
            middle = (low + high) // 2
            earlier = (low < high) & (begin[np.minimum(middle, len(begin) - 1)] < time)
            high = np.where(earlier | (low >= high), high, middle)
            low = np.where(earlier, middle + 1, low)
        return low
