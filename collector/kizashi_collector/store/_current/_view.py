"""One plan's summaries as they stand, and how what the log stores reaches them."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from itertools import compress
from sqlite3 import Connection

import numpy as np
from msgspec import Struct

from kizashi_collector.analysis import (
    Arrivals,
    Column,
    EventTable,
    Interval,
    LoggedEvent,
    RollingSummaries,
    freshness_start,
)
from kizashi_collector.store._chunks import Stored, Texts, last_receipt, receipts
from kizashi_collector.store._current._adjusted import Adjusted
from kizashi_collector.store._protocol import Gone, SummaryReport
from kizashi_schemas import parse_duration
from kizashi_schemas.plan import DEFAULT_WINDOWS, Plan

__all__ = ["Arrived", "Unchanged", "View"]


class Arrived(Struct, frozen=True, eq=False):
    """What a transaction stored, without what no count needs: events by the numbers from `first` to `last`, when each
    was received and happened, adjustments, and number, name and order of the events that have one.
    """

    first: int
    last: int
    events: EventTable
    receipts: tuple[Column, Column]
    adjustments: Sequence[LoggedEvent]
    orders: Sequence[tuple[int, str, str]]

    @classmethod
    def of(cls, stored: Stored) -> Arrived:
        """What of a transaction is to be counted."""
        events, first = stored.events, stored.first
        orders: list[tuple[int, str, str]] = []
        adjustments = []
        if events.order.count(None) < len(events):
            for at, order in enumerate(events.order):
                if order is not None and events.adjust[at] is None:
                    orders.append((first + at, events.name[at], order))
        if events.adjust.count(None) < len(events):
            adjustments = [events.event(at) for at, adjust in enumerate(events.adjust) if adjust is not None]
        last = first + len(events) - 1
        return cls(first, last, stored.columns.table(first), stored.columns.receipts(), adjustments, orders)


class Unchanged(Struct, frozen=True):
    """The answer is the one that is known."""


class View:
    """Summaries under a plan, and how late events come. `last` is the number of the last event that is in it.

    Whoever uses it sees to it that nobody else does meanwhile.
    """

    def __init__(self, plan: Plan | None, texts: Texts, now: int) -> None:
        self.plan = plan
        self._texts = texts
        # Versions of a view before a restart mean nothing to this one.
        self._number = secrets.token_hex(8)
        self.last = 0
        self.rolling = RollingSummaries(
            plan,
            texts.codes,
            windows=[parse_duration(window) for window in (plan.windows if plan is not None else DEFAULT_WINDOWS)],
            groupings=plan.summaries if plan is not None else (),
            now=now,
        )
        self.arrivals = Arrivals()
        self.adjusted = Adjusted(self.rolling, texts)

    def add(self, connection: Connection, arrived: Sequence[Arrived]) -> None:
        """Take in what was stored since; what is in it already is passed over."""
        new = [part for part in arrived if part.first > self.last]
        if not new:
            return
        self.last = new[-1].last
        events = EventTable.joined([part.events for part in new])
        if len(events):
            self.rolling.add(events)
        received, time = (np.concatenate([part.receipts[at] for part in new]) for at in range(2))
        self.arrivals.add(received, time)
        for part in new:
            self.adjusted.came(connection, part.orders)
            self.adjusted.add(connection, part.adjustments)

    def remove(self, gone: Gone) -> None:
        """Take out what was in the log, and is now deleted."""
        self._take_back(gone.events)
        self._remove(gone)

    def remove_perhaps(self, connection: Connection, gone: Gone) -> None:
        """Take out what was deleted while the log was read: it may have been read before or not."""
        known = [self.rolling.holds(seq) for seq in gone.seqs]
        if any(not held and event.time <= self.rolling.since for held, event in zip(known, gone.events, strict=True)):
            # Of events before all windows it cannot be told.
            self._arrive_again(connection)
        else:
            self._take_back(list(compress(gone.events, known)))
        self._remove(gone)

    def _arrive_again(self, connection: Connection) -> None:
        """Judge lateness from the log anew."""
        since, now = self.receipts_since, max(self.rolling.now, self.arrivals.newest)
        self.arrivals = Arrivals()
        before = last_receipt(connection, self._texts, since)
        if before is not None:
            self.arrivals.add(np.array([before]), np.array([before]))
        self.arrivals.add(*receipts(connection, self._texts, since, now, lambda: None))

    def _remove(self, gone: Gone) -> None:
        # What is too old for any window has left them all: it may stay.
        if gone.why == "erased" or any(event.time > self.rolling.since for event in gone.events):
            self.rolling.remove(gone.seqs)
            self.adjusted.forget(gone.events)

    def _take_back(self, events: Sequence[LoggedEvent]) -> None:
        live = [event for event in events if not event.imported]
        if live:
            self.arrivals.take_back(
                np.array([event.received_at for event in live], np.int64),
                np.array([event.time for event in live], np.int64),
            )

    def advance(self, connection: Connection, now: int) -> None:
        """Let time pass."""
        self.rolling.advance(now)
        self.adjusted.advance(connection)

    def report(
        self, connection: Connection, length: int, by: tuple[str, ...], as_of: int, known: str | None
    ) -> SummaryReport | Unchanged | None:
        """The summary of the window of this length that ends at `as_of`; None where that is not what is kept."""
        if as_of < self.rolling.now or not self.rolling.keeps(length, by):
            return None
        self.advance(connection, as_of)
        version = f"{self._number}-{self.rolling.changes}"
        if version == known:
            return Unchanged()
        if as_of < self.arrivals.newest:
            return None
        try:
            complete_until = self.arrivals.complete_until(as_of)
        except ValueError:  # the last receipt was taken back
            self._arrive_again(connection)
            complete_until = self.arrivals.complete_until(as_of)
        interval = Interval(as_of - length, as_of, as_of)
        return SummaryReport(self.rolling.summary(length, by), complete_until, interval, version)

    @property
    def receipts_since(self) -> int:
        """Receipts after this are counted."""
        return freshness_start(self.rolling.now)
