"""Events in order of actor, time and step: packed into one number each, and sorted by its digits.

A packed number is, from the highest bit: actor, time, step. Two such numbers without the step tell at once whether one
event follows another of the same actor within the window: there is so much room above the time that those of different
actors always lie further apart.

Large tables are first split by the highest bits of the actor, in blocks and then in buckets that a processor's cache
holds, where everything that follows is several times as fast.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import TypeVar

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from kizashi_collector.analysis._ahead import ahead
from kizashi_collector.analysis._matching import Check
from kizashi_collector.analysis._table import CodeColumn, Column

__all__ = ["NO_STEP", "Bucket", "Layout", "StepNumbers", "buckets", "in_order", "of_buckets", "order_of"]

StepNumbers = NDArray[np.uint8]

NO_STEP = 255
"""Stands for the step of an event that takes none."""

BLOCK = 1 << 18
"""Events that are looked at in one go."""
BUCKET = 1 << 16
_MOST_BUCKET_BITS = 8
_WORD = 63
_FEW = 1 << 10
_WORTH_THREADS = 4
_DIGIT = 16

T = TypeVar("T")


class Layout(Struct, frozen=True):
    """Where actor, time and step lie in a packed number. `reach` is the window, as far as it can matter."""

    origin: int
    reach: int
    step_bits: int
    time_bits: int
    actor_bits: int
    bucket_bits: int

    @classmethod
    def of(cls, *, actor: int, first: int, last: int, steps: int, window: int, rows: int) -> Layout:
        """For actors up to `actor`, times from `first` to `last`, and so many steps and rows."""
        span = last - first
        reach = min(window, span)
        time_bits = (span + reach).bit_length()
        step_bits = (steps - 1).bit_length()
        actor_bits = int(actor).bit_length()
        wanted = min((rows // BUCKET).bit_length(), _MOST_BUCKET_BITS)
        # What does not fit into a word goes into the number of the bucket: 2³¹ actors over 60 years in 64 steps do.
        needed = actor_bits + time_bits + step_bits - _WORD
        bucket_bits = min(max(wanted, needed, 0), actor_bits)
        return cls(first, reach, step_bits, time_bits, actor_bits - bucket_bits, bucket_bits)

    @property
    def bits(self) -> int:
        """How many bits of a packed number are used."""
        return self.actor_bits + self.time_bits + self.step_bits

    def packed(self, actor: CodeColumn, time: Column, step: StepNumbers) -> Column:
        """Pack columns."""
        packed: Column = np.bitwise_and(actor, (1 << self.actor_bits) - 1, dtype=np.int64)
        packed <<= self.time_bits
        packed += time
        packed -= self.origin
        packed <<= self.step_bits
        packed |= step
        return packed

    def times(self, moments: Column) -> Column:
        """The times of packed numbers without their step."""
        times: Column = (moments & ((1 << self.time_bits) - 1)) + self.origin
        return times

    def actors(self, moments: Column, bucket: int) -> Column:
        """The actors of packed numbers without their step, in one bucket."""
        actors: Column = (moments >> self.time_bits) + (bucket << self.actor_bits)
        return actors


class Bucket(Struct, frozen=True, eq=False):
    """The events of some actors in order; `rows` says where they were, if that was asked for."""

    number: int
    packed: Column
    rows: Column

    def tied(self, place: Column) -> NDArray[np.bool_]:
        """Which of these places hold an event that is alike the next one in actor, time and step."""
        following = np.minimum(place + 1, len(self.packed) - 1)
        tied: NDArray[np.bool_] = self.packed.take(following) == self.packed.take(place)
        tied &= following != place
        return tied


def buckets(
    layout: Layout, actor: CodeColumn, time: Column, step: StepNumbers, starters: NDArray[np.bool_] | None, check: Check
) -> Iterator[Bucket]:
    """Yield the events that take a step, in order, actors together; `starters` says which actors matter if not all.

    Events alike in actor, time and step keep the order that they had.
    """
    return of_buckets(layout, actor, time, step, starters, check, lambda bucket: bucket)


def of_buckets(
    layout: Layout,
    actor: CodeColumn,
    time: Column,
    step: StepNumbers,
    starters: NDArray[np.bool_] | None,
    check: Check,
    do: Callable[[Bucket], T],
) -> Iterator[T]:
    """What is made of each of the `buckets`, in their order; of several at once where that is worth other threads."""
    count = 1 << layout.bucket_bits
    size = len(step)
    packed = np.empty(size, np.int64)
    rows: Column = np.empty(size, np.int32 if size < 1 << 31 else np.int64)
    filled = 0
    edges = []
    for block in _each([partial(_block, layout, actor, time, step, starters, at) for at in range(0, size, BLOCK)]):
        check()
        until = filled + len(block.packed)
        packed[filled:until] = block.packed
        rows[filled:until] = block.rows
        edges.append(filled + block.edges)
        filled = until
    bounds = np.array(edges).T.tolist() if edges else []
    split = []
    for number in range(count if edges else 0):
        parts = [slice(a, b) for a, b in zip(bounds[number], bounds[number + 1], strict=True) if a < b]
        if parts:
            split.append(partial(_bucket, layout, number, packed, rows, parts, do))
    for made in _each(split):
        check()
        yield made


def _each(jobs: Sequence[Callable[[], T]]) -> Iterator[T]:
    """What jobs return, in their order."""
    return ahead(jobs, threads=2, most=4) if len(jobs) >= _WORTH_THREADS else (job() for job in jobs)


class _Block(Struct, frozen=True, eq=False):
    """The events of a block that take a step, split by bucket, and where each bucket begins."""

    packed: Column
    rows: Column
    edges: Column


def _block(
    layout: Layout,
    actor: CodeColumn,
    time: Column,
    step: StepNumbers,
    starters: NDArray[np.bool_] | None,
    begin: int,
) -> _Block:
    count, end = 1 << layout.bucket_bits, begin + BLOCK
    keep = step[begin:end] != NO_STEP
    if starters is not None:
        keep &= starters.take(actor[begin:end], mode="clip")
    (places,) = np.nonzero(keep)
    whose = actor[begin:end].take(places)
    found = layout.packed(whose, time[begin:end].take(places), step[begin:end].take(places))
    edges = np.array([0, len(found)])
    if count > 1:
        whose >>= layout.actor_bits
        split = whose.astype(np.uint8 if layout.bucket_bits <= _MOST_BUCKET_BITS else np.uint32)
        order = split.argsort(kind="stable")
        found, places = found.take(order), places.take(order)
        edges = np.concatenate(([0], np.cumsum(np.bincount(split, minlength=count))))
    places += begin
    return _Block(found, places, edges)


def _bucket(
    layout: Layout, number: int, packed: Column, rows: Column, parts: Sequence[slice], do: Callable[[Bucket], T]
) -> T:
    found = np.concatenate([packed[part] for part in parts])
    where = np.concatenate([rows[part] for part in parts])
    found, order = in_order(found, layout)
    return do(Bucket(number, found, where.take(order)))


def in_order(packed: Column, layout: Layout) -> tuple[Column, NDArray[np.intp]]:
    """Packed numbers in order, and where each of them was.

    Events are stored about in the order of their times, so that most actors' are in order once those of an actor are
    together; only the others are sorted by all their digits.
    """
    shift = layout.time_bits + layout.step_bits
    if len(packed) < _FEW or layout.actor_bits > _DIGIT:
        order = order_of(packed, layout.bits)
        return packed.take(order), order
    order = (packed >> shift).astype(np.uint16).argsort(kind="stable")
    found = packed.take(order)
    (falls,) = np.nonzero(found[1:] < found[:-1])
    if len(falls):
        whose = found >> shift
        unsorted = np.zeros(1 << layout.actor_bits, np.bool_)
        unsorted[whose.take(falls)] = True
        (places,) = np.nonzero(unsorted.take(whose))
        theirs = found.take(places)
        again = order_of(theirs, layout.bits)
        found[places] = theirs.take(again)
        order[places] = order.take(places.take(again))
    return found, order


def order_of(packed: Column, bits: int) -> NDArray[np.intp]:
    """The stable order of numbers of so many bits: by their 16-bit digits from the lowest, since numpy sorts those by
    counting, which is several times as fast as comparing."""
    if len(packed) < _FEW:
        return packed.argsort(kind="stable")
    order = packed.astype(np.uint16).argsort(kind="stable")
    for shift in range(16, bits, 16):
        digits = (packed >> shift).astype(np.uint16).take(order)
        order = order.take(digits.argsort(kind="stable"))
    return order
