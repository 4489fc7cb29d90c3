"""Reading the log into a view: everything that its windows reach, in the order in which it was stored."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from sqlite3 import Connection

import numpy as np
from msgspec import Struct

from kizashi_collector.analysis import Journeys, Ladder
from kizashi_collector.store._chunks import (
    Chunk,
    Texts,
    decode_adjustment,
    journeys_until,
    last_number,
    last_receipt,
)
from kizashi_collector.store._current._values import Values
from kizashi_collector.store._current._view import Arrived, View
from kizashi_collector.store._fits import fit_at
from kizashi_collector.store._plans import plans_until, rules_changed_at

__all__ = ["Begun", "Mending", "begin", "found_values", "read_in"]

_AT_ONCE = 50_000
_EVER = (1 << 63) - 1
_CHUNKS = "SELECT first, count, numbers FROM chunks WHERE last_time > ? OR last_received > ? ORDER BY first"
_ADJUSTMENTS = "SELECT seq, event FROM adjustments ORDER BY seq"


class Begun(Struct, frozen=True):
    """What the log holds at one moment, as far as a view needs it: chunks and adjustments as they are stored, some 15
    bytes an event; the number of the last event, and when the last one was received that need not be counted.
    """

    chunks: list[tuple[int, int, bytes]]
    adjustments: list[tuple[int, bytes]]
    last: int
    last_receipt: int | None


def begin(texts: Texts, view: View) -> Begun:
    """Fetch it from the snapshot that the view's connection has open, and close that: nothing is unpacked meanwhile."""
    connection = view.connection
    try:
        return Begun(
            connection.execute(_CHUNKS, (view.events_since, view.receipts_since)).fetchall(),
            connection.execute(_ADJUSTMENTS).fetchall(),
            last_number(connection),
            last_receipt(connection, texts, view.receipts_since),
        )
    finally:
        connection.execute("ROLLBACK")


def read_in(
    texts: Texts,
    view: View,
    begun: Begun,
    stopped: Callable[[], bool],
    progress: Callable[[float], None] = lambda _: None,
) -> None:
    """Count it into the view; given up once `stopped` says so. `progress` is told how much is done, from 0 to 1."""
    total, done = sum(count for _, count, _ in begun.chunks), 0
    if begun.last_receipt is not None:
        view.arrivals.add(np.array([begun.last_receipt]), np.array([begun.last_receipt]))
    waiting: list[Arrived] = []
    events = 0
    for part in _parts(texts, view, begun):
        if stopped():
            return
        waiting.append(part)
        events += len(part.events)
        if events >= _AT_ONCE:
            view.add(waiting)
            done += events
            progress(done / total)
            waiting, events = [], 0
    if waiting:
        view.add(waiting)
    view.adjusted.last = begun.last
    adjustments = ((seq, decode_adjustment(event)) for seq, event in begun.adjustments)
    view.adjusted.add(view.connection, adjustments, stopped)


def _parts(texts: Texts, view: View, begun: Begun) -> Iterator[Arrived]:
    received_since = view.receipts_since
    # The last first, so that each is let go of once it was read.
    begun.chunks.reverse()
    while begun.chunks:
        first, count, numbers = begun.chunks.pop()
        columns = Chunk(numbers, b"", count, texts).columns
        received, time = columns.receipts()
        lately = received > received_since
        yield Arrived(first, first + count - 1, columns.table(first), (received[lately], time[lately]), (), ())


def found_values(texts: Texts, view: View, check: Callable[[], None]) -> Callable[[], Values] | None:
    """Find the journeys of the whole log, and what was learned last, in the snapshot that the view's connection has.

    What is returned sets them beside the summaries once those have taken in the same. None where no event is final.
    """
    plan, now, rolling = view.plan, view.rolling.now, view.rolling
    ladder = Ladder.of(plan)
    if plan is None or ladder is None:
        return None
    stored = fit_at(view.connection, plan.learning_id, now)
    journeys = journeys_until(view.connection, texts, plan, ladder, now, check)
    # What is applied later makes another view.
    changed_at = rules_changed_at(plans_until(view.connection, _EVER), now - ladder.horizon_ms, _EVER)
    return lambda: Values(plan, ladder, rolling, journeys, stored, changed_at)


class Mending(Struct, frozen=True):
    """The actors whose journeys are to be found anew, among the events up to `last` and `as_of`; and what the time was.

    `as_of` is where the longest window began: what happened since is held.
    """

    actors: set[int]
    last: int
    as_of: int
    now: int

    @classmethod
    def begun(cls, view: View, values: Values) -> Mending:
        """All that are to be found anew by now."""
        return cls(values.begin_mending(), view.adjusted.last, view.rolling.since, view.rolling.now)

    def found(self, connection: Connection, texts: Texts, values: Values, check: Callable[[], None]) -> Journeys:
        """Find them in the log, which may take seconds."""
        connection.execute("BEGIN")
        try:
            return journeys_until(
                connection,
                texts,
                values.plan,
                values.ladder,
                self.as_of,
                check,
                actors=self.actors,
                last=self.last,
                adjusted_until=self.now,
            )
        finally:
            connection.execute("ROLLBACK")
