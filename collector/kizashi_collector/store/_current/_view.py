"""One plan's summaries and funnels as they stand, and how what the log stores reaches them."""

from __future__ import annotations

import secrets
from collections import deque
from collections.abc import Callable, Sequence
from sqlite3 import Connection

import numpy as np
from msgspec import Struct

from kizashi_collector.analysis import (
    Arrivals,
    Break,
    Column,
    EventTable,
    Interval,
    LoggedEvent,
    RollingFunnels,
    RollingSummaries,
    freshness_start,
    incomplete,
)
from kizashi_collector.store._chunks import (
    Change,
    Stored,
    Texts,
    actors_at,
    ids_at,
    last_number,
    last_receipt,
    receipts,
)
from kizashi_collector.store._current._adjusted import Adjusted
from kizashi_collector.store._current._completing import KeptOutcomes
from kizashi_collector.store._current._ready import HISTORY_MS, PlannedPace, breaks_until
from kizashi_collector.store._current._values import Values
from kizashi_collector.store._protocol import FunnelReport, Gone, Lapsed, SummaryReport
from kizashi_schemas import parse_duration
from kizashi_schemas.plan import DEFAULT_WINDOWS, Plan

__all__ = ["Arrived", "Told", "Unchanged", "View", "told_of"]


class Arrived(Struct, frozen=True, eq=False):
    """What a transaction stored, without what no count needs: events by the numbers from `first` to `last`, when each
    was received and happened, adjustments with their numbers, and number, name and order of the events that have one.
    """

    first: int
    last: int
    events: EventTable
    receipts: tuple[Column, Column]
    adjustments: Sequence[tuple[int, LoggedEvent]]
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
            adjustments = [
                (first + at, events.event(at)) for at, adjust in enumerate(events.adjust) if adjust is not None
            ]
        last = first + len(events) - 1
        return cls(first, last, stored.columns.table(first), stored.columns.receipts(), adjustments, orders)


Told = Arrived | Gone | Lapsed
"""What a view is told of a transaction."""


def told_of(change: Change) -> Told:
    """What of a change is to be counted."""
    return Arrived.of(change) if isinstance(change, Stored) else change


class Unchanged(Struct, frozen=True):
    """The answer is the one that is known."""


class View:
    """Summaries and funnels under a plan, and how late events come: the log as it was when the view was begun, and
    after it what every transaction since then changed, in order. That stands in `queue` until it is counted.

    The queue may be filled from another thread; of all else whoever uses it sees to it that nobody else does meanwhile.
    `connection` is where it looks things up in the log.
    """

    def __init__(self, plan: Plan | None, texts: Texts, now: int, connection: Connection) -> None:
        self.plan = plan
        self.connection = connection
        self.queue: deque[Told] = deque()
        self.queued = self.counted = 0
        self._texts = texts
        # Versions of a view before a restart mean nothing to this one.
        self._number = secrets.token_hex(8)
        self.rolling = RollingSummaries(
            plan,
            texts.codes,
            windows=[parse_duration(window) for window in (plan.windows if plan is not None else DEFAULT_WINDOWS)],
            groupings=plan.summaries if plan is not None else (),
            now=now,
        )
        self.funnels = None if plan is None else RollingFunnels(self.rolling, plan.funnels, self._ids)
        self.values: Values | None = None
        """Set once the view has taken the log in."""
        self._pace = None if plan is None else PlannedPace(plan, texts.codes, now)
        self.arrivals = Arrivals()
        self.adjusted = Adjusted(self.rolling, texts)

    # -- what transactions changed ------------------------------------------------------------------------------------

    def tell(self, told: Told) -> None:
        """Put what a transaction changed in the queue."""
        self.queue.append(told)
        if isinstance(told, Arrived):
            self.queued += told.last - told.first + 1

    @property
    def backlog(self) -> int:
        """How many events stand in the queue."""
        return self.queued - self.counted

    def count(self, most: int) -> bool:
        """Count what stands first in the queue, up to some events; whether there was anything."""
        arrived: list[Arrived] = []
        events = 0
        while self.queue and events < most:
            told = self.queue[0]
            if not isinstance(told, Arrived):
                break
            arrived.append(told)
            events += told.last - told.first + 1
            self.queue.popleft()
        self.counted += events
        if arrived:
            self.add(arrived)
        elif self.queue:
            match self.queue.popleft():
                case Gone() as gone:
                    self._remove(gone)
                case Lapsed() as lapsed:
                    self.adjusted.lapse(self.connection, lapsed.seqs)
                    self._look_up()
        else:
            return False
        return True

    def add(self, arrived: Sequence[Arrived]) -> None:
        """Take in what was stored."""
        self.adjusted.last = arrived[-1].last
        events = EventTable.joined([part.events for part in arrived])
        if len(events):
            if self._pace is not None:
                self._pace.add(events, self.rolling.now)
            if self.values is not None:
                self.values.journeys.passed_over(events)
            self.rolling.add(events)
        received, time = (np.concatenate([part.receipts[at] for part in arrived]) for at in range(2))
        self.arrivals.add(received, time)
        for part in arrived:
            self.adjusted.came(self.connection, part.orders)
            self.adjusted.add(self.connection, part.adjustments)
        self._look_up()

    def _look_up(self) -> None:
        """See to it that journeys are found anew whose finals were adjusted and are no longer held."""
        passed_over = self.adjusted.passed_over
        if not passed_over:
            return
        if self.values is not None:
            found = actors_at(self.connection, self._texts, sorted(set(passed_over)))
            self.values.journeys.dirty.update(actor for actor in found if actor)
        passed_over.clear()

    def _remove(self, gone: Gone) -> None:
        """Take out what was deleted from the log."""
        live = [event for event in gone.events if not event.imported]
        if live:
            self.arrivals.move_on(self.rolling.now)
            self.arrivals.take_back(
                np.array([event.received_at for event in live], np.int64),
                np.array([event.time for event in live], np.int64),
            )
        # What is too old for any window has left them all: it may stay.
        if self._pace is not None:
            self._pace.take_back(gone.events)
        if self.values is not None and not all(map(self.rolling.holds, gone.seqs)):
            self.values.journeys.dirty.update(gone.actors)
        if gone.why == "erased" or any(event.time > self.rolling.since for event in gone.events):
            self.rolling.remove(gone.seqs)

    # -- answers ------------------------------------------------------------------------------------------------------

    def advance(self, now: int) -> None:
        """Let time pass."""
        self.rolling.advance(now)
        self.adjusted.advance(self.connection)
        self._look_up()

    def summary(
        self, length: int, by: tuple[str, ...], as_of: int, known: str | None
    ) -> Callable[[], SummaryReport] | Unchanged | None:
        """The summary of the window of this length that ends at `as_of`; None where that is not what is kept.

        What is returned puts it together, and may be called while others use the view.
        """
        if as_of < self.rolling.now or not self.rolling.keeps(length, by):
            return None
        self.advance(as_of)
        if as_of < self.arrivals.newest:
            return None
        known_until = self._known_until(as_of)
        if known_until is None:
            return None
        (complete_until,) = known_until
        version = f"{self._number}-{self.rolling.version(length)}"
        found: list[Break] = []
        if self.values is not None and self._pace is not None:
            found = self._pace.breaks(as_of, complete_until)
            kinds = ",".join(f"{one.event}.{one.kind}" for one in found)
            late = incomplete(as_of, complete_until, length)
            redefined = self.values.redefined(as_of)
            version += f"-{self.values.version(length)}-{kinds}-{late:d}-{redefined:d}"
        if version == known:
            return Unchanged()
        interval = Interval(as_of - length, as_of, as_of)
        put_together = self.rolling.summary(length, by)
        if self.values is None:
            return lambda: SummaryReport(put_together(), complete_until, interval, version)
        completed = self.values.outcomes(length, by, as_of, complete_until, found)
        return lambda: SummaryReport(completed(put_together()), complete_until, interval, version)

    def breaks(self, as_of: int) -> list[Break] | None:
        """The breaks in the tracking of the plan's events, as a summary at `as_of` is judged by; None where that cannot
        be told: as `summary`, and where all that arrived is long ago, or nothing ever did."""
        if as_of < self.rolling.now or self._pace is None:
            return None
        self.advance(as_of)
        known_until = None if as_of < self.arrivals.newest else self._known_until(as_of)
        if known_until is None or breaks_until(as_of, *known_until) is None:
            return None
        return self._pace.breaks(as_of, *known_until)

    def outcomes(self, length: int, by: tuple[str, ...], as_of: int) -> Callable[[], KeptOutcomes] | None:
        """What journeys come to, by fields that no summary is kept by; as `summary`."""
        if as_of < self.rolling.now or self.values is None or self._pace is None:
            return None
        self.advance(as_of)
        known_until = None if as_of < self.arrivals.newest else self._known_until(as_of)
        if known_until is None:
            return None
        (complete_until,) = known_until
        found = self._pace.breaks(as_of, complete_until)
        return self.values.kept_outcomes(length, by, as_of, complete_until, found, self.adjusted.last)

    def funnel(
        self, name: str, length: int, by: tuple[str, ...], attribution: str, as_of: int
    ) -> Callable[[], FunnelReport] | None:
        """A funnel of the plan over the window of this length that ends at `as_of`; as `summary`."""
        if as_of < self.rolling.now or self.funnels is None or not self.funnels.keeps(name, length, by, attribution):
            return None
        self.advance(as_of)
        put_together = self.funnels.copied(name, length, by)
        return lambda: FunnelReport(put_together(), Interval(as_of - length, as_of, as_of))

    def _ids(self, seqs: Sequence[int]) -> list[str]:
        """The ids of these events; of one that the log holds no longer, and of which that is yet to be told, none."""
        found = dict(ids_at(self.connection, self._texts, seqs))
        return [found.get(seq, "") for seq in seqs]

    def complete_until(self) -> int | None:
        """How complete the recent past is, as far as it can be told now."""
        try:
            return self.arrivals.complete_until(max(self.rolling.now, self.arrivals.newest))
        except ValueError:
            return None

    @property
    def events_since(self) -> int:
        """Events after this are counted, by something at least."""
        return self.rolling.since if self._pace is None else min(self.rolling.since, self.rolling.now - HISTORY_MS)

    @property
    def receipts_since(self) -> int:
        """Receipts after this are counted."""
        return freshness_start(self.rolling.now)

    def _known_until(self, as_of: int) -> tuple[int | None] | None:
        """How complete events are, if that can be told: not where the last receipt was taken back, and the log has what
        was not told here yet."""
        try:
            return (self.arrivals.complete_until(as_of),)
        except ValueError:
            return (self.arrivals.complete_until(as_of),) if self._arrive_again() else None

    def _arrive_again(self) -> bool:
        """Judge lateness from the log anew; False if it has what was not told here yet."""
        since, now = self.receipts_since, max(self.rolling.now, self.arrivals.newest)
        connection = self.connection
        connection.execute("BEGIN")
        try:
            before = last_receipt(connection, self._texts, since)
            received, time = receipts(connection, self._texts, since, now, lambda: None)
            if self.queue or last_number(connection) > self.adjusted.last:
                return False
        finally:
            connection.execute("ROLLBACK")
        self.arrivals = Arrivals()
        if before is not None:
            self.arrivals.add(np.array([before]), np.array([before]))
        self.arrivals.add(received, time)
        return True
