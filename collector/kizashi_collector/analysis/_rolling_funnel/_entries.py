"""Attempts that count, kept by actor: rows of numbers, those of one actor side by side."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from kizashi_collector.analysis._rolling_funnel._histories import Actors
from kizashi_collector.analysis._table import Column

__all__ = ["Entries", "Numbers", "ragged"]

Numbers = NDArray[np.int32]

_ROOM = 1_024
_CLASSES = 31
_GROWTH = 8


class Entries:
    """Rows of `width` numbers by actor, each actor's in their order.

    An actor has a block of as many rows as the next power of two says; blocks that were left are used again. A row
    takes 4 · width bytes, an actor 8 bytes, and up to half of a block is empty.
    """

    def __init__(self, width: int) -> None:
        self._rows: Numbers = np.empty((_ROOM, width), np.int32)
        self._end = 0
        self._first: Numbers = np.zeros(_ROOM, np.int32)
        self._count: Numbers = np.zeros(_ROOM, np.int32)
        self._free: list[list[Numbers]] = [[] for _ in range(_CLASSES)]

    @property
    def nbytes(self) -> int:
        """How much memory is in use."""
        return self._rows[: self._end].nbytes + self._first.nbytes + self._count.nbytes

    def reach(self, actor: int) -> None:
        """Have room for actors up to this code."""
        if actor >= len(self._first):
            more = np.zeros(max(actor + 1, 2 * len(self._first)) - len(self._first), np.int32)
            self._first, self._count = np.append(self._first, more), np.append(self._count, more)

    def of(self, actors: Actors) -> tuple[Column, Numbers]:
        """The rows of different actors: whose each is, as a place among the actors, and it."""
        counts = self._count[actors]
        whose, places = ragged(self._first[actors], counts)
        return whose, self._rows[places]

    def put(self, actors: Actors, whose: Column, rows: Numbers) -> None:
        """Let different actors have these rows instead; whose they are ascends."""
        counts = np.bincount(whose, minlength=len(actors)).astype(np.int32)
        before, room = self._count[actors], _class_of(counts)
        old = _class_of(before)
        moves = (room != old) | ((counts == 0) != (before == 0))
        left = moves & (before > 0)
        if left.any():
            self._leave(self._first[actors[left]], old[left])
        moves &= counts > 0
        if moves.any():
            self._first[actors[moves]] = self._blocks(room[moves])
        self._count[actors] = counts
        _, places = ragged(self._first[actors], counts)
        self._rows[places] = rows

    def _leave(self, first: Numbers, room: Numbers) -> None:
        for number in np.flatnonzero(np.bincount(room)).tolist():
            self._free[number].append(first[room == number])

    def _blocks(self, room: Numbers) -> Numbers:
        found = np.empty(len(room), np.int32)
        for number in np.flatnonzero(np.bincount(room)).tolist():
            (at,) = np.nonzero(room == number)
            found[at] = self._some(number, len(at))
        return found

    def _some(self, number: int, wanted: int) -> Numbers:
        """So many blocks of one size."""
        free, parts = self._free[number], []
        while free and wanted:
            part = free.pop()
            if len(part) > wanted:
                free.append(part[wanted:])
                part = part[:wanted]
            parts.append(part)
            wanted -= len(part)
        if wanted:
            first, size = self._end, 1 << number
            self._end += wanted * size
            if self._end > len(self._rows):
                # No view of the rows is ever given out. Large memory is moved by its pages, without being copied.
                self._rows.resize((self._end + len(self._rows) // _GROWTH, self._rows.shape[1]), refcheck=False)
            parts.append(np.arange(first, self._end, size, dtype=np.int32))
        return np.concatenate(parts)


def _class_of(counts: Numbers) -> Numbers:
    """Of each count the exponent of the least power of two that is not less; 0 for none."""
    exponents: Numbers = np.frexp(np.maximum(counts, 1) - 1)[1].astype(np.int32)
    return exponents


def ragged(first: Numbers, counts: Numbers) -> tuple[Column, Column]:
    """The numbers from each first one on, so many: which first one each is counted from, and it."""
    whose = np.repeat(np.arange(len(counts)), counts)
    ends = np.cumsum(counts, dtype=np.int64)
    return whose, np.arange(len(whose)) + (first - (ends - counts))[whose]
