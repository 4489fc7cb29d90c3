"""The pace of events: how many of each came in which hour of the last 29 days, whatever order they came in."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from kizashi_collector.analysis._table import CodeColumn, Column

__all__ = ["DAYS", "HOUR_MS", "WHOLE_HOURS", "HourCounts", "Pace", "pace_hours"]

HOUR_MS = 3_600_000
DAYS = 29
"""The last 24 hours, and the 28 days before them that they are judged by."""

WHOLE_HOURS = DAYS * 24
# Besides them, the hour that runs and 23 more: an instant up to 23 hours back can still be looked at.
_KEPT = WHOLE_HOURS + 24
_BACK = _KEPT - WHOLE_HOURS - 1

HourCounts = NDArray[np.int32]


def pace_hours(now: int) -> range:
    """The hours, since 1970, that the pace at an instant is judged by: whole ones before, and the one it lies in."""
    hour = now // HOUR_MS
    return range(hour - WHOLE_HOURS, hour + 1)


class Pace:
    """Counts of events by name and hour of their time (UTC, since 1970). 2.9 kB a name.

    It holds the hours that end with the newest one it was told of; what is older is not counted, nor taken back.
    """

    def __init__(self, now: int) -> None:
        self._hour = now // HOUR_MS
        self._names = 0
        self.version = 0
        """Another number once anything changed but how many more came in the newest hour of a name that was in it."""
        self._counts: HourCounts = np.zeros((0, _KEPT), np.int32)

    def __len__(self) -> int:
        """How many names there are: one more than the highest code seen."""
        return self._names

    def add(self, names: CodeColumn, times: Column, sign: int = 1) -> None:
        """Count events in, or with sign −1 out again; late ones are exact as others are.

        `names` are codes from 0; those below 0 are nobody's and left out. No event may lie in the future: the newest
        hour lets old ones go.
        """
        if not len(times):
            return
        hours = times // HOUR_MS
        self._move_to(int(hours.max()))
        kept = (hours > self._hour - _KEPT) & (names >= 0)
        if not kept.all():
            hours, names = hours[kept], names[kept]
            if not len(hours):
                return
        self._reach(int(names.max()) + 1)
        flat = self._counts.reshape(-1)
        cells = names.astype(np.int64) * _KEPT + hours % _KEPT
        if sign < 0 or (hours < self._hour).any() or not flat[cells].all():
            self.version += 1
        np.add.at(flat, cells, np.int32(sign))

    def advance(self, now: int) -> None:
        """Let go of the hours that are too old at `now`; an instant before the newest hour changes nothing."""
        self._move_to(now // HOUR_MS)

    def rows(self, now: int) -> HourCounts:
        """Counts by name and hour: 696 whole hours before the one in which `now` lies, the oldest first, and then that
        one, with all that is known of it. A copy.

        Raises ValueError where `now` lies more than 23 hours before the newest hour.
        """
        if now // HOUR_MS < self._hour - _BACK:
            raise ValueError(f"{now} lies more than {_BACK} hours back, and older hours were let go")
        hours = np.array(pace_hours(now))
        counts = self._counts[: self._names, hours % _KEPT]
        counts[:, hours > self._hour] = 0
        return counts

    def copy(self) -> Pace:
        """Another one with the same counts, which goes its own way."""
        other = Pace(self._hour * HOUR_MS)
        other._names, other._counts = self._names, self._counts.copy()
        return other

    def _move_to(self, hour: int) -> None:
        passed = hour - self._hour
        if passed <= 0:
            return
        if passed >= _KEPT:
            self._counts[:] = 0
        else:
            self._counts[:, np.arange(self._hour + 1, hour + 1) % _KEPT] = 0
        self._hour = hour

    def _reach(self, names: int) -> None:
        if names > len(self._counts):
            longer = np.zeros((max(names, 2 * len(self._counts)), _KEPT), np.int32)
            longer[: self._names] = self._counts[: self._names]
            self._counts = longer
        self._names = max(self._names, names)
