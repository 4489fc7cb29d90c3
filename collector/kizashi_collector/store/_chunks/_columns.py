"""Columns as bytes: whole numbers in as few bytes each as they need, texts one after the other."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

__all__ = ["Integers", "pack_integers", "unpack_integers", "unpack_into"]

_TYPES = ("u1", "<u2", "<u4", "<i8")
_LIMITS = (2**8, 2**16, 2**32)


class Integers(Struct, frozen=True, array_like=True):
    """Whole numbers of 64 bits: `base` + what stands in `data`, `width` 0 for all the same, else an index of types."""

    base: int
    width: int
    data: bytes


def pack_integers(numbers: Sequence[int] | np.ndarray[tuple[int], np.dtype[np.int64]]) -> Integers:
    """Pack numbers of 64 bits with sign. Raises OverflowError for others."""
    column = np.asarray(numbers, dtype=np.int64)
    if not len(column):
        return Integers(0, 0, b"")
    base, highest = int(column.min()), int(column.max())
    span = highest - base
    if span == 0:
        return Integers(base, 0, b"")
    for width, limit in enumerate(_LIMITS, 1):
        if span < limit:
            return Integers(base, width, (column - base).astype(_TYPES[width - 1]).tobytes())
    return Integers(0, len(_TYPES), column.astype(_TYPES[-1]).tobytes())


def unpack_integers(packed: Integers, count: int) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    """The `count` numbers."""
    column = np.empty(count, np.int64)
    unpack_into(packed, column)
    return column


def unpack_into(packed: Integers, column: NDArray[np.int64] | NDArray[np.int32]) -> None:
    """Write as many numbers as the column has room for into it; they must fit."""
    if packed.width == 0:
        column[:] = packed.base
        return
    numbers = np.frombuffer(packed.data, dtype=_TYPES[packed.width - 1], count=len(column))
    np.add(numbers, packed.base, out=column, dtype=np.int64, casting="unsafe")
