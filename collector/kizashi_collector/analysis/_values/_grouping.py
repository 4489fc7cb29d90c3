"""Columns of integers, counted by their distinct rows: `GROUP BY`, in the order of the rows."""

from __future__ import annotations

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from kizashi_collector.analysis._values._grid import Integers

__all__ = ["Groups", "group"]

_Column = NDArray[np.int64]


class Groups(Struct, frozen=True, eq=False):
    """The distinct rows, sorted, as columns; how often each comes; the sums asked for; the rows in the order of their
    groups, and where in that order each group starts."""

    columns: tuple[_Column, ...]
    count: _Column
    sums: tuple[_Column, ...]
    order: _Column
    starts: _Column


def group(*columns: Integers, sums: tuple[Integers, ...] = ()) -> Groups:
    """Group rows by columns of numbers ≥ 0, whose ranges multiply to less than 2**63, and sum further columns."""
    rows = len(columns[0])
    code = np.zeros(rows, np.int64)
    for column in columns:
        code = code * (int(column.max(initial=0)) + 1) + column
    order = np.argsort(code, kind="stable")
    starts = np.flatnonzero(np.diff(code[order], prepend=-1))
    count = np.diff(starts, append=rows)
    totals = tuple(np.add.reduceat(column[order], starts) if rows else np.zeros(0, np.int64) for column in sums)
    first = order[starts]
    return Groups(tuple(column[first].astype(np.int64) for column in columns), count, totals, order, starts)
