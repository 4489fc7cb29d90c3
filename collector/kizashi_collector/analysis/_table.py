"""Events as columns of numbers: what a question over millions of them is counted from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

__all__ = ["NO_VALUE", "CodeColumn", "Codes", "Column", "EventTable", "cell_sums", "different", "distinct", "once_each"]

Column = NDArray[np.int64]
CodeColumn = NDArray[np.int64] | NDArray[np.int32] | NDArray[np.uint16] | NDArray[np.uint8]
"""Codes, in as many bits as whoever made the column chose. No arithmetic is to be done in the smaller."""

NO_VALUE = -1
"""Stands for the value of an event that has none."""

_LIMB = 26
_SUMMED = 1 << 22
LARGEST = 1 << 56
"""Amounts below this are summed as columns."""


class EventTable(Struct, frozen=True, eq=False):
    """Events, adjustments aside, as columns of one length; times in milliseconds since 1970, values in micros.

    Names, currencies, sources and actors are codes; 0 is none. `seq` is an event's number in the log. A column that
    nobody asked for says of each event that it has none.
    """

    seq: Column
    name: CodeColumn
    time: Column
    received_at: Column
    value: Column
    currency: CodeColumn
    source: CodeColumn
    actor: CodeColumn
    imported: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.time)

    def only(self, wanted: NDArray[np.bool_]) -> EventTable:
        """The events that `wanted` says so of."""
        return EventTable(*(getattr(self, name)[wanted] for name in self.__struct_fields__))

    def first(self, count: int) -> EventTable:
        """The first so many events."""
        return self.part(0, count)

    def part(self, begin: int, end: int) -> EventTable:
        """The events from one place to before another, in the memory of this table."""
        return EventTable(*(getattr(self, name)[begin:end] for name in self.__struct_fields__))

    @classmethod
    def empty(cls) -> EventTable:
        """No events."""
        none = np.zeros(0, np.int64)
        return cls(none, none, none, none, none, none, none, none, none.astype(np.bool_))

    @classmethod
    def joined(cls, tables: Sequence[EventTable]) -> EventTable:
        """The events of several tables; there is one at least."""
        return cls(*(np.concatenate([getattr(table, name) for table in tables]) for name in cls.__struct_fields__))


class Codes(Struct, frozen=True):
    """What the codes of a table stand for, by their place; place 0 is none."""

    names: Sequence[str]
    currencies: Sequence[str]
    sources: Sequence[Mapping[str, str]]


def cell_sums(cells: Column, amounts: Column, size: int) -> list[int]:
    """The exact sum of the amounts in each cell, for cells from 0 to size - 1 and amounts from 0 to 2⁵⁶ - 1.

    Sums go beyond 64 bits. Two limbs of each amount are added as floats, which hold every whole number up to 2⁵³.
    """
    low = [0] * size
    high = [0] * size
    for start in range(0, len(cells), _SUMMED):
        places, part = cells[start : start + _SUMMED], amounts[start : start + _SUMMED]
        for limbs, limb in ((low, part & ((1 << _LIMB) - 1)), (high, part >> _LIMB)):
            added = np.bincount(places, weights=limb, minlength=size)
            for cell in np.flatnonzero(added).tolist():
                limbs[cell] += int(added[cell])
    return [(above << _LIMB) + below for above, below in zip(high, low, strict=True)]


def distinct(cells: Column, codes: CodeColumn, size: int) -> Column:
    """How many different codes there are in each cell."""
    if not len(cells):
        return np.zeros(size, np.int64)
    width = int(codes.max()) + 1
    pairs = cells * width + codes
    pairs.sort()
    return np.bincount(once_each(pairs) // width, minlength=size)


def once_each(ordered: Column) -> Column:
    """The different numbers among some that ascend."""
    first = np.ones(len(ordered), np.bool_)
    np.not_equal(ordered[1:], ordered[:-1], out=first[1:])
    return ordered[first]


def different(codes: CodeColumn) -> list[int]:
    """The different codes of a column, in ascending order; they are small numbers."""
    return np.flatnonzero(np.bincount(codes)).tolist() if len(codes) else []
