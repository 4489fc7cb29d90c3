"""Sojourns: a journey's stay at each step that it reached, until a deeper step, a final or the boundary."""

from __future__ import annotations

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from kizashi_collector.analysis._values._grid import DAY_MS, Integers

__all__ = ["Sojourns", "back_test_days"]


def back_test_days(horizon: int) -> tuple[int, ...]:
    """How many days before the boundary back-tests stand: the first day by which every outcome is known, and the
    same weekday of the seven weeks before."""
    first = -(-horizon // DAY_MS)
    return tuple(first + 7 * week for week in range(8))


class Sojourns(Struct, frozen=True, eq=False):
    """Stays as columns. `next` is the deeper step or final (steps + 1) that ended one, at `end`; −1 where nothing
    did by the boundary. `final` is 1 where the journey had a final by then, whatever came in between."""

    key: NDArray[np.int64]
    step: NDArray[np.int64]
    start: NDArray[np.int64]
    next: NDArray[np.int64]
    end: NDArray[np.int64]
    final: NDArray[np.int64]

    @classmethod
    def of(
        cls, reached: Integers, ended: Integers, end: Integers, key: Integers, boundary: int, lookback: int
    ) -> Sojourns:
        """The stays that began in (boundary − lookback, boundary], from journeys as columns."""
        states = reached.shape[1]
        final = (ended > 0) & (end <= boundary)
        # From the deepest step up: what comes next is the nearest deeper state that was reached.
        following = np.where(final, states, -1).astype(np.int64)
        until = np.where(final, end, 0).astype(np.int64)
        had = final.astype(np.int64)
        of_key = key.astype(np.int64)
        found: list[tuple[NDArray[np.int64], ...]] = []
        for step in range(states - 1, -1, -1):
            start = reached[:, step].astype(np.int64)
            there = (start >= 0) & (start <= boundary)
            row = np.flatnonzero(there & (start > boundary - lookback))
            found.append(
                (of_key[row], np.full(len(row), step, np.int64), start[row], following[row], until[row], had[row])
            )
            following = np.where(there, step, following)
            until = np.where(there, start, until)
        columns = [np.concatenate(column) for column in zip(*found, strict=True)]
        return cls(*columns)
