"""The lag grid: bins of the time since a step, fine where most happens, coarse towards the horizon."""

from __future__ import annotations

from typing import Any

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

__all__ = ["DAY_MS", "HOUR_MS", "Floats", "Integers", "LagGrid", "summed"]

Integers = NDArray[np.integer[Any]]
Floats = NDArray[np.float64]

MINUTE_MS = 60_000
HOUR_MS = 60 * MINUTE_MS
DAY_MS = 24 * HOUR_MS

# (up to, by), in minutes after the first edges. Every whole day up to 60 is an edge: the lag curves rely on it.
_FIRST = (0, 1, 3, 7, 15, 30, 45)
_SPANS = (
    (12 * 60, 60),
    (48 * 60, 3 * 60),
    (5 * 1440, 6 * 60),
    (14 * 1440, 12 * 60),
    (60 * 1440, 1440),
    (3_660 * 1440, 7 * 1440),
)


def summed(groups: Integers, values: Integers | Floats, size: int) -> Floats:
    """Σ of the values of each group 0 … size − 1, one after the other: no order of summation but that of the rows."""
    return np.asarray(np.bincount(groups, values, size), np.float64)


class LagGrid(Struct, frozen=True):
    """Bins [edge, next edge) in milliseconds, from 0 to the horizon; the horizon itself lies in the last one."""

    edges: tuple[int, ...]

    @classmethod
    def of(cls, horizon: int) -> LagGrid:
        """The grid up to a horizon in milliseconds, 1 ≤ horizon ≤ 3,660 days."""
        minutes = list(_FIRST)
        for end, step in _SPANS:
            minutes.extend(range(minutes[-1] + (15 if minutes[-1] == 45 else step), end + 1, step))
        return cls((*(m * MINUTE_MS for m in minutes if m * MINUTE_MS < horizon), horizon))

    @property
    def horizon(self) -> int:
        """The last edge."""
        return self.edges[-1]

    @property
    def bins(self) -> int:
        """How many bins there are."""
        return len(self.edges) - 1

    def bin_of(self, lags: Integers) -> NDArray[np.int64]:
        """The bin of each lag; what lies at or beyond the horizon is in the last one."""
        return np.searchsorted(np.array(self.edges[1:-1], np.int64), lags, side="right").astype(np.int64)
