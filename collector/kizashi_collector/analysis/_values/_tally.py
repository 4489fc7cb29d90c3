"""Rows of numbers counted a part at a time: what is held is one number for each distinct row, not for each row."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from kizashi_collector.analysis._values._grid import Integers

__all__ = ["Tally"]

_Column = NDArray[np.int64]
_Counts = NDArray[np.int32]
_MOST = 2**63
_GROWN = 1.5


class Tally:
    """Counts rows of as many numbers as there are `sizes`, each number at least 0 and below its size.

    A row is packed into one number, so the sizes must multiply to at most 2**63; else ValueError is raised. No row may
    come 2**31 times. Whatever parts rows come in, and in whatever order, the same is counted. Some 18 bytes a distinct
    row are held, and for moments twice that.
    """

    def __init__(self, *sizes: int) -> None:
        if math.prod(sizes) > _MOST:
            raise ValueError(f"{' × '.join(map(str, sizes))} different rows: at most 2**63 can be told apart")
        self._sizes = sizes
        self._codes: list[_Column] = []
        self._counts: list[_Counts] = []
        self._held = self._settled = 0

    def add(self, *columns: Integers) -> None:
        """Count some rows, given as columns."""
        code = columns[0].astype(np.int64)
        for size, column in zip(self._sizes[1:], columns[1:], strict=True):
            code *= size
            code += column
        code.sort()
        starts = _starts(code)
        self._codes.append(code[starts])
        self._counts.append(np.diff(starts, append=len(code)).astype(np.int32))
        self._held += len(starts)
        if self._held > _GROWN * self._settled:
            # What most parts have in common is not held in each of them.
            self._settle()

    def taken(self) -> tuple[_Column, ...]:
        """The distinct rows, sorted, as columns, and as the last column how often each came. Nothing is left here."""
        self._settle()
        code, columns = self._codes.pop(), [self._counts.pop().astype(np.int64)]
        self._held = self._settled = 0
        for size in self._sizes[:0:-1]:
            columns.append(code % size)
            code //= size
        return (code, *reversed(columns))

    def _settle(self) -> None:
        # One after the other, so that little is held twice.
        codes = np.concatenate([np.zeros(0, np.int64), *self._codes])
        self._codes.clear()
        order = codes.argsort(kind="stable")
        codes = codes[order]
        counts = np.concatenate([np.zeros(0, np.int32), *self._counts])
        self._counts.clear()
        counts = counts[order]
        del order
        starts = _starts(codes)
        if len(starts) < len(codes):
            codes, counts = codes[starts], np.add.reduceat(counts, starts, dtype=np.int32)
        self._codes.append(codes)
        self._counts.append(counts)
        self._held = self._settled = len(codes)


def _starts(code: _Column) -> _Column:
    """Where each run of one number starts."""
    return np.flatnonzero(np.diff(code, prepend=-1))
