"""A calendar: which events happened in which minute, whatever order they came in."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from kizashi_collector.analysis._table import Column

__all__ = ["Minutes"]

_MINUTE_MS = 60_000
_MOST_PARTS, _MOST_ORDERED = 32, 32
Places = NDArray[np.int32]


class Minutes:
    """Places of events by the minute of their time.

    Events that come in order lie side by side: a minute of them takes two numbers. Others take four bytes each.
    """

    def __init__(self) -> None:
        self._minutes: dict[int, _Minute] = {}
        self._ordered: dict[int, tuple[Column, Places]] = {}

    def add(self, time: Column, first: int) -> None:
        """Note events, whose places begin with `first`."""
        minute = time // _MINUTE_MS
        least, most = int(minute.min()), int(minute.max())
        if least == most:
            self._of(least).run(first, first + len(time))
            return
        order = np.argsort(minute, kind="stable")
        minute = minute[order]
        (starts,) = np.nonzero(np.concatenate(([True], minute[1:] != minute[:-1])))
        places = (order + first).astype(np.int32)
        ends = [*starts[1:].tolist(), len(places)]
        for start, end, number in zip(starts.tolist(), ends, minute[starts].tolist(), strict=True):
            part = places[start:end]
            low, high = int(part[0]), int(part[-1]) + 1
            if high - low == end - start:
                self._of(number).run(low, high)
            else:
                self._of(number).scattered(part.copy())

    def _of(self, number: int) -> _Minute:
        self._ordered.pop(number, None)
        minute = self._minutes.get(number)
        if minute is None:
            minute = self._minutes[number] = _Minute()
        return minute

    def between(self, times: Column, start: int, end: int) -> Places:
        """The places of the events with start < time ≤ end. `times` holds the time of each place."""
        first, last = start // _MINUTE_MS, end // _MINUTE_MS
        numbers: Sequence[int] = range(first, last + 1)
        if len(numbers) > len(self._minutes):
            numbers = [number for number in self._minutes if first <= number <= last]
        found = []
        for number in numbers:
            minute = self._minutes.get(number)
            if minute is None:
                continue
            if first < number < last:
                found.append(minute.places())
                continue
            time, places = self._in_order(number, minute, times)
            low, high = np.searchsorted(time, (start, end), side="right").tolist()
            found.append(places[low:high])
        return np.concatenate(found) if found else np.zeros(0, np.int32)

    def _in_order(self, number: int, minute: _Minute, times: Column) -> tuple[Column, Places]:
        """A minute at a window's edge, by time: a window passes through it in many small steps."""
        known = self._ordered.get(number)
        if known is None:
            places = minute.places()
            time = times[places]
            order = np.argsort(time, kind="stable")
            known = self._ordered[number] = time[order], places[order]
            if len(self._ordered) > _MOST_ORDERED:
                del self._ordered[next(iter(self._ordered))]
        return known


class _Minute:
    """The places of one minute's events: runs of places side by side, and others."""

    __slots__ = ("_others", "_runs")

    def __init__(self) -> None:
        self._runs: list[tuple[int, int]] = []
        self._others: list[Places] = []

    def run(self, first: int, end: int) -> None:
        """Add the places from `first` to before `end`."""
        if self._runs and self._runs[-1][1] == first:
            first = self._runs.pop()[0]
        self._runs.append((first, end))
        if len(self._runs) > _MOST_PARTS:
            runs, self._runs = self._runs, []
            self.scattered(_joined(runs))

    def scattered(self, places: Places) -> None:
        """Add some places."""
        self._others.append(places)
        if len(self._others) > _MOST_PARTS:
            self._others = [np.concatenate(self._others)]

    def places(self) -> Places:
        """All places, in no particular order."""
        return np.concatenate([_joined(self._runs), *self._others]) if self._others else _joined(self._runs)


def _joined(runs: Sequence[tuple[int, int]]) -> Places:
    return np.concatenate([np.arange(first, end, dtype=np.int32) for first, end in runs] or [np.zeros(0, np.int32)])
