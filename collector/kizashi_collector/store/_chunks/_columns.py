"""Columns as bytes: whole numbers in as few bytes each as they need, texts one after the other."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

__all__ = ["Integers", "pack_amounts", "pack_integers", "raw_integers", "unpack_integers", "unpack_into"]

_TYPES = ("u1", "<u2", "<u4", "<i8")
_LIMITS = (2**8, 2**16, 2**32)
_WIDE = 3
_SCALES = (1_000_000, 10_000)


class Integers(Struct, frozen=True, array_like=True):
    """Whole numbers of 64 bits: `base` + `scale` × what stands in `data`, as a `width` 1 to 4 is an index of types.

    Of width 0 are those that are all `base`. With a scale beyond 1, what would lie below -1 is -1.
    """

    base: int
    width: int
    data: bytes
    scale: int = 1


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


def pack_amounts(amounts: np.ndarray[tuple[int], np.dtype[np.int64]]) -> Integers:
    """Pack amounts in micros, and -1 for none: where all are whole units, or cents, in a fraction of the room."""
    plain = pack_integers(amounts)
    if plain.width < _WIDE:
        return plain
    for scale in _SCALES:
        units = amounts // scale
        units[amounts < 0] = -1
        if np.array_equal(np.maximum(units * scale, -1), amounts):
            packed = pack_integers(units)
            return Integers(packed.base * scale, packed.width, packed.data, scale)
    return plain


def unpack_integers(packed: Integers, count: int) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    """The `count` numbers."""
    column = np.empty(count, np.int64)
    unpack_into(packed, column)
    return column


def unpack_into(packed: Integers, column: NDArray[Any], places: NDArray[np.intp] | None = None) -> None:
    """Write as many numbers as the column has room for into it, or those at some places; they must fit."""
    if packed.width == 0:
        column[:] = packed.base
        return
    numbers = np.frombuffer(packed.data, dtype=_TYPES[packed.width - 1])
    # In two passes, each of which is several times as fast as one that adds what is of another width.
    column[:] = numbers if places is None else numbers.take(places)
    if packed.scale != 1:
        column *= packed.scale
    if packed.base:
        column += packed.base
    if packed.scale != 1:
        np.maximum(column, -1, out=column)


def raw_integers(packed: Integers, count: int) -> tuple[NDArray[np.integer[Any]], int]:
    """The `count` numbers, which have no scale, as they are stored, and what is to be added to each."""
    if packed.width == 0:
        return np.zeros(count, np.uint8), packed.base
    return np.frombuffer(packed.data, dtype=_TYPES[packed.width - 1], count=count), packed.base
