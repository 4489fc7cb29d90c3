"""`complete_until`, kept current: what was received in the last 24 hours, by the minute, and nothing per event."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

import numpy as np

from kizashi_collector.analysis._freshness import FRESHNESS_SPAN_MS, freshness_start
from kizashi_collector.analysis._percentiles import rank
from kizashi_collector.analysis._rolling._arrival_minute import MINUTE_MS, ONE, SMALL, Minute, PackedMinute
from kizashi_collector.analysis._rolling._tally import Tally, counted_at, merged, rounded_up, unpack_tally
from kizashi_collector.analysis._table import Column

__all__ = ["EXACT_LATENESSES", "Arrivals"]

EXACT_LATENESSES = 50_000
"""So many distinct latenesses of more than 65 s are told apart exactly."""

_KEPT = FRESHNESS_SPAN_MS // MINUTE_MS + 1
_MOST_OPEN = 2
_MOST_PENDING = 1024
_NEVER = -(1 << 62)


class Arrivals:
    """How late events come in and how long none does, over the last 24 hours; imports are left out by the caller.

    `complete_until` gives what `complete_until_of` counts from the receipts themselves, in about 0.1 ms however many
    there were. It has to be told what was received since `freshness_start`, and the last receipt before. Times are
    milliseconds since 1970. Not for several threads at once.

    Two minutes are open: plain arrays, for what is received now and for what overlaps. The others are packed: how
    often each lateness and each instant of receipt occurs. Whoever receives into a packed one opens it again.

    In all about 2 MB, and for each of 1,441 minutes with an event in it 0.8 kB. With 5,000 events a second in requests
    of 64, late by anything up to 10 s, a minute takes 20 kB, a day 29 MB; up to 65 s, 50 kB and 72 MB; up to 10 s, but
    each in a request of its own, 46 kB and 66 MB.

    Beyond 50,000 distinct latenesses of more than 65 s, new ones are rounded up to ten significant bits, by less than
    0.2 %, so that there are some ten thousand more at most: then `complete_until` may lie so much too early, and never
    too late. It is exact again when those that were rounded have left the 24 hours. Were all of 5,000 events a second
    late by anything up to a year, a minute would take about 100 kB.
    """

    newest: int
    """The instant of the newest receipt."""

    def __init__(self) -> None:
        self._start = self.newest = _NEVER
        self._open: dict[int, Minute] = {}
        self._packed: dict[int, PackedMinute] = {}
        self._spare: list[Minute] = []
        # Totals over the minutes that are kept.
        self._events = self._small = 0
        self._late = np.zeros(SMALL, np.int64)
        self._later = Tally()
        self._gaps = np.zeros(MINUTE_MS, np.int64)
        # The first and the last instant of each minute, by the minute modulo their number.
        self._firsts = np.full(_KEPT, _NEVER, np.int64)
        self._lasts = self._firsts.copy()
        self._before: int | None = None
        self._before_is_lost = False

    def add(self, received_at: Column, time: Column) -> None:
        """Count events by when they were received and happened, in any order.

        One that was received before what is kept counts as the last receipt, where it is that.
        """
        for minute, received, times in self._by_minute(received_at, time):
            if minute is None:
                self._left(int(received.max()))
            else:
                self._count(minute, received, times)

    def take_back(self, received_at: Column, time: Column) -> None:
        """Count no longer what was added before and is now erased.

        Raises ValueError for events that were not added; what else was counted is then to be trusted no more.
        """
        for minute, received, times in self._by_minute(received_at, time):
            if minute is not None:
                self._discount(minute, received, times)
            elif self._before is not None and int(received.max()) >= self._before:
                # Another may have come at that instant, and which came before it is not known here.
                self._before_is_lost = True

    def move_on(self, now: int) -> None:
        """Let go of what was received more than 24 hours ago.

        Adding and asking do so too, but each minute may take 0.2 ms: after hours with neither, that sums up.
        """
        start = _minute_of(freshness_start(now) + 1)
        for minute in range(self._start, min(start, self._start + _KEPT)):
            self._leave(minute)
        self._start = max(self._start, start)

    def complete_until(self, as_of: int) -> int | None:
        """The instant up to which events have, as far as can be told, all arrived; None before any was received.

        Raises ValueError for an instant before the newest receipt or whose 24 hours begin before what is kept, and
        where nothing is kept and the last receipt was taken back: the answer is then to be counted from the log.
        """
        if as_of < self.newest:
            raise ValueError(f"as_of {as_of} lies before the newest receipt, {self.newest}: count from the log")
        if _minute_of(freshness_start(as_of) + 1) < self._start:
            raise ValueError(f"what was received in the 24 hours to {as_of} is no longer kept: count from the log")
        self.move_on(as_of)
        if not self._events:
            if self._before_is_lost:
                raise ValueError("the last receipt was taken back: count from the log")
            return self._before
        for minute in self._open.values():
            self._settle(minute)
        until = as_of - self._lateness(rank(self._events, 999))
        firsts, lasts = self._ends()
        last = int(lasts[-1])
        return min(until, last) if self._is_silent(as_of - last, firsts[1:] - lasts[:-1]) else until

    def _lateness(self, place: int) -> int:
        """The lateness at this place when all are sorted."""
        if place < self._small:
            return counted_at(self._late, place)
        return self._later.at(place - self._small)

    def _is_silent(self, silence: int, between: Column) -> bool:
        """Whether a silence is longer than the percentile of gaps: those inside minutes, and between them."""
        count = int(self._gaps.sum()) + len(between)
        if not count:
            return silence > 0
        # The percentile is shorter where those that are shorter reach its place.
        shorter = int(self._gaps[:silence].sum()) + int(np.count_nonzero(between < silence))
        return shorter > rank(count, 999)

    def _ends(self) -> tuple[Column, Column]:
        """The first and the last instant of each minute in which anything was received, in order."""
        turn = self._start % _KEPT
        firsts = np.concatenate((self._firsts[turn:], self._firsts[:turn]))
        lasts = np.concatenate((self._lasts[turn:], self._lasts[:turn]))
        there = firsts != _NEVER
        return firsts[there], lasts[there]

    def _by_minute(self, received_at: Column, time: Column) -> Iterator[tuple[int | None, Column, Column]]:
        """The events of each minute of receipt; those of no minute were received before what is kept."""
        if not len(received_at):
            return
        oldest, newest = int(received_at.min()), int(received_at.max())
        if newest > self.newest:
            self.newest = newest
            self.move_on(newest)
        if oldest // MINUTE_MS == newest // MINUTE_MS >= self._start:
            yield oldest // MINUTE_MS, received_at, time
            return
        minutes = received_at // MINUTE_MS
        order = np.argsort(minutes, kind="stable")
        received_at, time, minutes = received_at[order], time[order], minutes[order]
        kept = int(np.searchsorted(minutes, self._start))
        if kept:
            yield None, received_at[:kept], time[:kept]
        starts = [*(np.flatnonzero(np.diff(minutes[kept:], prepend=self._start - 1)) + kept).tolist(), len(minutes)]
        for start, end in pairwise(starts):
            yield int(minutes[start]), received_at[start:end], time[start:end]

    def _count(self, number: int, received_at: Column, time: Column) -> None:
        minute = self._opened(number)
        late = np.maximum(received_at - time, 0)
        self._events += len(late)
        if int(late.max()) >= SMALL:
            later = late >= SMALL
            minute.pending.append(late[later])
            late = late[~later]
            if sum(map(len, minute.pending)) >= _MOST_PENDING:
                self._count_later(minute)
        self._small += len(late)
        np.add.at(minute.late, late, ONE)
        np.add.at(self._late, late, 1)
        np.add.at(minute.instants, received_at - number * MINUTE_MS, ONE)
        minute.settled = False

    def _count_later(self, minute: Minute) -> None:
        """Count the large latenesses that wait: to merge them one call at a time would copy all of them each time."""
        if not minute.pending:
            return
        values, counts = np.unique(np.concatenate(minute.pending), return_counts=True)
        minute.pending.clear()
        new = self._later.counts_of(values) == 0
        if len(self._later) + int(np.count_nonzero(new)) > EXACT_LATENESSES:
            values, counts = merged(np.where(new, rounded_up(values), values), counts)
        self._later.add(values, counts)
        minute.later.add(values, counts)

    def _discount(self, number: int, received_at: Column, time: Column) -> None:
        minute = self._opened(number)
        self._count_later(minute)
        late = np.maximum(received_at - time, 0)
        values, counts = np.unique(late, return_counts=True)
        small = values < SMALL
        later, later_counts = values[~small], counts[~small]
        values, counts = values[small], counts[small]
        # What is not there as it was is there rounded.
        exact = np.minimum(minute.later.counts_of(later), later_counts)
        rounded = exact < later_counts
        later, later_counts = merged(
            np.concatenate((later, rounded_up(later[rounded]))),
            np.concatenate((exact, (later_counts - exact)[rounded])),
        )
        instants, times = np.unique(received_at - number * MINUTE_MS, return_counts=True)
        if (
            (minute.late[values] < counts).any()
            or (minute.instants[instants] < times).any()
            or (minute.later.counts_of(later) < later_counts).any()
        ):
            raise ValueError(f"events received in minute {number} are taken back that were not added")
        minute.late[values] -= counts.astype(np.uint32)
        self._late[values] -= counts
        self._small -= int(counts.sum())
        minute.later.take(later, later_counts)
        self._later.take(later, later_counts)
        minute.instants[instants] -= times.astype(np.uint32)
        minute.settled = False
        self._events -= len(received_at)

    def _opened(self, number: int) -> Minute:
        minute = self._open.pop(number, None)
        if minute is None:
            if len(self._open) >= _MOST_OPEN:
                self._pack(next(iter(self._open)))
            minute = self._spare.pop() if self._spare else Minute()
            minute.number = number
            packed = self._packed.pop(number, None)
            if packed is not None:
                minute.fill(packed)
        # The one used last comes last.
        self._open[number] = minute
        return minute

    def _settle(self, minute: Minute) -> None:
        """Bring up to date what is not kept so with each call: gaps, first and last instant, large latenesses."""
        if minute.settled:
            return
        self._count_later(minute)
        instants = np.flatnonzero(minute.instants != 0)
        self._gaps[: len(minute.gaps)] -= minute.gaps
        minute.gaps = np.bincount(np.diff(instants))
        self._gaps[: len(minute.gaps)] += minute.gaps
        at, base = minute.number % _KEPT, minute.number * MINUTE_MS
        self._firsts[at] = base + int(instants[0]) if len(instants) else _NEVER
        self._lasts[at] = base + int(instants[-1]) if len(instants) else _NEVER
        minute.settled = True

    def _pack(self, number: int) -> None:
        minute = self._open.pop(number)
        self._settle(minute)
        self._packed[number] = minute.packed()
        self._spare.append(minute)

    def _leave(self, number: int) -> None:
        """Take a minute out of the totals."""
        if number in self._open:
            self._pack(number)
        minute = self._packed.pop(number, None)
        if minute is None:
            return
        values, counts = unpack_tally(minute.latenesses)
        small = int(np.searchsorted(values, SMALL))
        self._late[values[:small]] -= counts[:small]
        self._small -= int(counts[:small].sum())
        self._later.take(values[small:], counts[small:])
        self._events -= int(counts.sum())
        instants, _ = unpack_tally(minute.instants)
        gaps = np.bincount(np.diff(instants))
        self._gaps[: len(gaps)] -= gaps
        at = number % _KEPT
        if len(instants):
            self._left(int(self._lasts[at]))
        self._firsts[at] = self._lasts[at] = _NEVER

    def _left(self, received_at: int) -> None:
        """Note a receipt that is not kept."""
        if self._before is None or received_at >= self._before:
            self._before, self._before_is_lost = received_at, False


def _minute_of(instant: int) -> int:
    return instant // MINUTE_MS
