"""Planned events in the order of journeys: by actor, time, rank and number.

Actors are split by their highest bits into buckets that a processor's cache holds. In a bucket, actor and time are
packed into one number, a *moment*, with so much room above the time that moments of different actors lie further apart
than the horizon: one subtraction tells whether an event can belong to the journey of the one before.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from kizashi_collector.analysis._journeys._ladder import UNPLANNED, Depths
from kizashi_collector.analysis._matching import Check
from kizashi_collector.analysis._table import CodeColumn, Column, EventTable

__all__ = ["Bucket", "Moments", "buckets"]

_BLOCK = 1 << 18
_BUCKET = 1 << 16
_MOST_WANTED_BITS = 8
_WORD = 63
_FEW = 1 << 10


class Moments(Struct, frozen=True):
    """How moments are made. `reach` is the horizon, as far as it can matter."""

    origin: int
    reach: int
    time_bits: int
    actor_bits: int
    bucket_bits: int

    @classmethod
    def of(cls, *, actor: int, first: int, last: int, horizon_ms: int, rows: int) -> Moments:
        """For so many events of actors up to `actor`, at times from `first` to `last`."""
        span = last - first
        reach = min(horizon_ms, span)
        time_bits = (span + reach).bit_length()
        actor_bits = int(actor).bit_length()
        wanted = min((rows // _BUCKET).bit_length(), _MOST_WANTED_BITS)
        bucket_bits = min(max(wanted, actor_bits + time_bits - _WORD), actor_bits)
        return cls(first, reach, time_bits, actor_bits - bucket_bits, bucket_bits)

    def packed(self, actor: CodeColumn, time: Column) -> Column:
        """Pack actors of one bucket and times."""
        moments: Column = np.bitwise_and(actor, (1 << self.actor_bits) - 1, dtype=np.int64)
        moments <<= self.time_bits
        moments += time
        moments -= self.origin
        return moments

    def times(self, moments: Column) -> Column:
        """The times of moments."""
        times: Column = (moments & ((1 << self.time_bits) - 1)) + self.origin
        return times


class Bucket(Struct, frozen=True, eq=False):
    """The events of some actors in order: their moments and ranks, and the rows where they are in the table."""

    moments: Column
    ranks: Depths
    rows: Column


def buckets(
    table: EventTable, ranks: Depths, *, as_of: int, horizon_ms: int, check: Check
) -> tuple[Moments, Iterator[Bucket]]:
    """The planned events up to as_of that have an actor; `ranks` are those of name codes."""
    rows = _known(table, ranks, as_of, check)
    if not len(rows):
        return Moments(0, 0, 0, 0, 0), iter(())
    if len(rows) == len(table):
        actor, time = int(table.actor.max()), table.time
    else:
        actor, time = int(table.actor[rows].max()), table.time[rows]
    moments = Moments.of(
        actor=actor, first=int(time.min()), last=int(time.max()), horizon_ms=horizon_ms, rows=len(rows)
    )
    return moments, _in_order(table, ranks, rows, moments, check)


def _known(table: EventTable, ranks: Depths, as_of: int, check: Check) -> NDArray[np.signedinteger]:
    """The rows of the events that count, by their numbers."""
    small = np.int32 if len(table) < 1 << 31 else np.int64
    parts: list[NDArray[np.signedinteger]] = [np.zeros(0, small)]
    for begin in range(0, len(table), _BLOCK):
        check()
        end = begin + _BLOCK
        known = ranks.take(table.name[begin:end]) != UNPLANNED
        known &= table.time[begin:end] <= as_of
        known &= table.actor[begin:end] != 0
        parts.append((np.flatnonzero(known) + begin).astype(small))
    rows = np.concatenate(parts)
    seq = table.seq
    if bool((seq[1:] < seq[:-1]).any()):
        # Events alike in actor, time and rank keep the order that they have here.
        rows = rows.take(seq.take(rows).argsort(kind="stable"))
    return rows


def _in_order(
    table: EventTable, ranks: Depths, rows: NDArray[np.signedinteger], moments: Moments, check: Check
) -> Iterator[Bucket]:
    count = 1 << moments.bucket_bits
    digit = np.uint8 if moments.bucket_bits <= _MOST_WANTED_BITS else np.uint32
    places = (table.actor.take(rows) >> moments.actor_bits).astype(digit)
    check()
    edges = np.concatenate(([0], np.cumsum(np.bincount(places, minlength=count)))).tolist()
    if count > 1:
        rows = rows.take(places.argsort(kind="stable"))
    del places
    bits = moments.actor_bits + moments.time_bits
    for number in range(count):
        own = rows[edges[number] : edges[number + 1]].astype(np.int64)
        if not len(own):
            continue
        check()
        packed = moments.packed(table.actor.take(own), table.time.take(own))
        rank = ranks.take(table.name.take(own))
        order = _order(packed, rank, bits)
        yield Bucket(packed.take(order), rank.take(order), own.take(order))


def _order(moments: Column, ranks: Depths, bits: int) -> NDArray[np.intp]:
    """The stable order of moments of so many bits, and within them of ranks.

    By their 16-bit digits from the lowest, since numpy sorts those by counting, several times as fast as by comparing.
    """
    if len(moments) < _FEW:
        return np.lexsort((ranks, moments))
    order = ranks.argsort(kind="stable")
    for shift in range(0, bits, 16):
        digits = (moments >> shift).astype(np.uint16).take(order)
        order = order.take(digits.argsort(kind="stable"))
    return order
