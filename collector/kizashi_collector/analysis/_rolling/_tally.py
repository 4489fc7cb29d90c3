"""A tally: how often each of many numbers occurs; and the same packed into few bytes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from kizashi_collector.analysis._table import Column

__all__ = ["PackedTally", "Tally", "counted_at", "merged", "pack_tally", "rounded_up", "unpack_tally"]

Flags = NDArray[np.bool_]

_NONE = np.zeros(0, np.int64)
# Widths of less than a byte, and no bits at all: most numbers here are 0 or small.
_WIDTHS = (0, 1, 2, 4, 8, 16)
_EXCEPTION_BYTES = 12
_BLOCK = 256
_SIGNIFICANT_BITS = 10


class Tally:
    """Distinct numbers in ascending order, `values`, and how often each occurs, `counts`, which are above 0."""

    __slots__ = ("counts", "values")

    def __init__(self, values: Column = _NONE, counts: Column = _NONE) -> None:
        self.values = values
        self.counts = counts

    def __len__(self) -> int:
        return len(self.values)

    def counts_of(self, values: Column) -> Column:
        """How often each of these occurs."""
        found = np.zeros(len(values), np.int64)
        at, known = self._places(values)
        found[known] = self.counts[at[known]]
        return found

    def add(self, values: Column, counts: Column) -> None:
        """Count further ones, which are distinct and ascend."""
        at, known = self._places(values)
        if known.all():
            self.counts[at] += counts
            return
        new = ~known
        merged = np.insert(self.counts, at[new], counts[new])
        self.values = np.insert(self.values, at[new], values[new])
        self.counts = merged
        if known.any():
            self.counts[np.searchsorted(self.values, values[known])] += counts[known]

    def take(self, values: Column, counts: Column) -> None:
        """Take back what was counted: distinct numbers that ascend and occur at least so often."""
        self.counts[np.searchsorted(self.values, values)] -= counts
        left = self.counts > 0
        if not left.all():
            self.values, self.counts = self.values[left], self.counts[left]

    def at(self, place: int) -> int:
        """The number at this place, from 0, when all that were counted are sorted."""
        return int(self.values[counted_at(self.counts, place)])

    def _places(self, values: Column) -> tuple[Column, Flags]:
        """Where each one is or would be, and which of them are there."""
        at = np.searchsorted(self.values, values).astype(np.int64)
        known = at < len(self.values)
        known[known] = self.values[at[known]] == values[known]
        return at, known


def counted_at(counts: Column, place: int) -> int:
    """Which of these counts holds this place, from 0, of all that they count."""
    # Sums of blocks first: running sums over all take ten times as long.
    whole = len(counts) // _BLOCK * _BLOCK
    blocks = np.cumsum(counts[:whole].reshape(-1, _BLOCK).sum(axis=1))
    block = int(np.searchsorted(blocks, place, side="right"))
    within = place - (int(blocks[block - 1]) if block else 0)
    first = block * _BLOCK
    running = np.cumsum(counts[first : first + _BLOCK])
    return first + int(np.searchsorted(running, within, side="right"))


class _Packed(Struct, frozen=True, gc=False):
    """Whole numbers from 0 on, each in `width` bits; those that need more are 0 there and stand aside."""

    size: int
    width: int
    bits: bytes
    exceptions: bytes
    """Their places, four bytes each, and then the numbers themselves, eight bytes each."""


class PackedTally(Struct, frozen=True, gc=False):
    """A tally as steps from number to number, and counts; both less 1."""

    steps: _Packed
    counts: _Packed


def pack_tally(values: Column, counts: Column) -> PackedTally:
    """Pack distinct numbers from 0 on that ascend, fewer than 2³², and how often each occurs.

    Numbers that lie side by side take next to nothing, others about a byte or two; counts up to 2 take a bit, up to 16
    half a byte, up to 256 a byte. Where a few stand out, they take 12 bytes each and the others no more for it.
    """
    return PackedTally(_pack(np.diff(values, prepend=-1) - 1), _pack(counts - 1))


def unpack_tally(packed: PackedTally) -> tuple[Column, Column]:
    """The numbers and their counts."""
    return np.cumsum(_unpack(packed.steps) + 1) - 1, _unpack(packed.counts) + 1


def rounded_up(values: Column) -> Column:
    """Each number of ten bits or more, to ten significant ones, never down."""
    _, bits = np.frexp(values)
    step = np.left_shift(1, bits.astype(np.int64) - _SIGNIFICANT_BITS)
    return -(-values // step) * step


def merged(values: Column, counts: Column) -> tuple[Column, Column]:
    """Distinct numbers that ascend, with the sums of their counts where those are above 0."""
    distinct, places = np.unique(values, return_inverse=True)
    sums = np.zeros(len(distinct), np.int64)
    np.add.at(sums, places, counts)
    return distinct[sums > 0], sums[sums > 0]


def _pack(numbers: Column) -> _Packed:
    beyond = [numbers >= 1 << width for width in _WIDTHS]
    width, large = _narrowest(len(numbers), beyond)
    places = np.flatnonzero(large)
    aside = places.astype(np.uint32).tobytes() + numbers[places].tobytes() if len(places) else b""
    return _Packed(len(numbers), width, _bits(np.where(large, 0, numbers), width), aside)


def _bits(numbers: Column, width: int) -> bytes:
    if not width:
        return b""
    if width > 8:
        return numbers.astype(np.uint16).tobytes()
    each = 8 // width
    narrow = np.zeros(-(-len(numbers) // each) * each, np.uint8)
    narrow[: len(numbers)] = numbers
    bits = narrow[::each].copy()
    for at in range(1, each):
        bits |= narrow[at::each] << np.uint8(at * width)
    return bits.tobytes()


def _narrowest(size: int, beyond: Sequence[Flags]) -> tuple[int, Flags]:
    """The width that takes the fewest bytes in all, and which numbers do not fit into it."""
    takes = [
        size * width / 8 + _EXCEPTION_BYTES * int(np.count_nonzero(large))
        for width, large in zip(_WIDTHS, beyond, strict=True)
    ]
    best = takes.index(min(takes))
    return _WIDTHS[best], beyond[best]


def _unpack(packed: _Packed) -> Column:
    width, size = packed.width, packed.size
    numbers = np.zeros(size, np.int64)
    if width >= 8:
        numbers[:] = np.frombuffer(packed.bits, np.uint16 if width > 8 else np.uint8)
    elif width:
        each, narrow = 8 // width, np.frombuffer(packed.bits, np.uint8)
        for at in range(each):
            there = -(-(size - at) // each)
            numbers[at::each] = narrow[:there] >> np.uint8(at * width) & np.uint8((1 << width) - 1)
    count = len(packed.exceptions) // _EXCEPTION_BYTES
    if count:
        places = np.frombuffer(packed.exceptions, np.uint32, count)
        numbers[places] = np.frombuffer(packed.exceptions, np.int64, count, offset=4 * count)
    return numbers
