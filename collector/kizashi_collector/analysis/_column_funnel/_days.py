"""The days of an interval in a zone, for whole columns of times."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
from msgspec import Struct

from kizashi_collector.analysis._events import Interval
from kizashi_collector.analysis._table import Column

__all__ = ["Days"]

_DAY = 86_400_000
_PROBE = 3 * 3_600_000
"""No zone changes its clocks twice within this."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Days(Struct, frozen=True, eq=False):
    """The days from the interval's first instant to its last. `offsets` hold from each of `changes` on, the first from
    the beginning."""

    first: date
    count: int
    changes: Column
    offsets: Column

    @classmethod
    def between(cls, interval: Interval, zone: str) -> Days:
        """The days of (start, end] in a zone."""
        where = ZoneInfo(zone)
        begin, end = interval.start + 1, interval.end
        offsets, changes = [_offset(begin, where)], []
        for probe in range(begin, end, _PROBE):
            low, high = probe, min(probe + _PROBE, end)
            if _offset(high, where) == offsets[-1]:
                continue
            while high - low > 1:
                middle = (low + high) // 2
                low, high = (middle, high) if _offset(middle, where) == offsets[-1] else (low, middle)
            changes.append(high)
            offsets.append(_offset(high, where))
        first, last = ((time + _offset(time, where)) // _DAY for time in (begin, end))
        count = max(0, last - first + 1)
        return cls(date(1970, 1, 1) + timedelta(days=first), count, np.array(changes, np.int64), np.array(offsets))

    def of(self, times: Column) -> Column:
        """The number of each time's day, from 0."""
        changed = np.searchsorted(self.changes, times, "right") if len(self.changes) else 0
        local = times + self.offsets[changed]
        local //= _DAY
        numbers: Column = local - (self.first - date(1970, 1, 1)).days
        return numbers

    def day(self, number: int) -> date:
        """The day with this number."""
        return self.first + timedelta(days=number)


def _offset(time: int, zone: ZoneInfo) -> int:
    """By how many milliseconds the zone is ahead of UTC at a time."""
    offset = (_EPOCH + timedelta(milliseconds=time)).astimezone(zone).utcoffset()
    return 0 if offset is None else offset // timedelta(milliseconds=1)
