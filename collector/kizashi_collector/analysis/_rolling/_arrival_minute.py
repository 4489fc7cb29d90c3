"""One minute of receipts: how late its events were and when they came, open or packed."""

from __future__ import annotations

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from kizashi_collector.analysis._rolling._tally import PackedTally, Tally, pack_tally, unpack_tally
from kizashi_collector.analysis._table import Column

__all__ = ["MINUTE_MS", "ONE", "SMALL", "Minute", "PackedMinute"]

MINUTE_MS = 60_000
SMALL = 1 << 16
"""Latenesses below this are counted in an array that has a place for each."""
ONE = np.uint32(1)
"""What counts up such an array in place: a plain 1 would be converted event by event."""
Counts = NDArray[np.uint32]


class Minute:
    """An open minute: how many events were so late, and were received so long after its start, both in ms."""

    __slots__ = ("gaps", "instants", "late", "later", "number", "pending", "settled")

    def __init__(self) -> None:
        self.number = 0
        self.late: Counts = np.zeros(SMALL, np.uint32)
        self.instants: Counts = np.zeros(MINUTE_MS, np.uint32)
        # Latenesses from 65,536 ms on, and those of them that have not been counted yet.
        self.later = Tally()
        self.pending: list[Column] = []
        # What the totals hold of its gaps; whether that, and what else is not counted at once, is up to date.
        self.gaps: Column = np.zeros(0, np.int64)
        self.settled = True

    def fill(self, packed: PackedMinute) -> None:
        """Become a minute that was packed. This one is empty."""
        values, counts = unpack_tally(packed.latenesses)
        small = int(np.searchsorted(values, SMALL))
        self.late[values[:small]] = counts[:small]
        self.later = Tally(values[small:], counts[small:])
        instants, counts = unpack_tally(packed.instants)
        self.instants[instants] = counts
        self.gaps = np.bincount(np.diff(instants))

    def packed(self) -> PackedMinute:
        """This minute, which is settled, in few bytes. It is empty then."""
        values, instants = np.flatnonzero(self.late != 0), np.flatnonzero(self.instants != 0)
        counts = np.concatenate((self.late[values].astype(np.int64), self.later.counts))
        packed = PackedMinute(
            pack_tally(np.concatenate((values, self.later.values)), counts),
            pack_tally(instants, self.instants[instants].astype(np.int64)),
        )
        self.late[values] = 0
        self.instants[instants] = 0
        self.later, self.gaps = Tally(), np.zeros(0, np.int64)
        return packed


class PackedMinute(Struct, frozen=True, gc=False):
    latenesses: PackedTally
    instants: PackedTally
