"""Reading the log into a view: everything that its windows reach, in the order in which it was stored."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from sqlite3 import Connection

import numpy as np

from kizashi_collector.store._chunks import Chunk, Texts, decode_adjustment, last_receipt
from kizashi_collector.store._current._view import Arrived, View

__all__ = ["read_on"]

_AT_ONCE = 50_000
# The numbers of a log's chunks ascend, so that those that are read already are passed over by the primary key.
_ON = "SELECT first, count, numbers FROM chunks WHERE first > ? AND (last_time > ? OR last_received > ?) ORDER BY first"
_ADJUSTMENTS = "SELECT event FROM adjustments WHERE seq > ? AND seq <= ? ORDER BY seq"
_HOLDING = "SELECT max(first) FROM chunks WHERE first <= ?"
_LAST = "SELECT max(first + count - 1) FROM chunks WHERE first >= (SELECT max(first) FROM chunks)"


def read_on(connection: Connection, texts: Texts, view: View, stopped: Callable[[], bool]) -> None:
    """Read what was stored after the last that is in the view, up to now."""
    connection.execute("BEGIN")
    try:
        known = view.last
        if not known:
            before = last_receipt(connection, texts, view.receipts_since)
            if before is not None:
                view.arrivals.add(np.array([before]), np.array([before]))
        last = connection.execute(_LAST).fetchone()[0] or known
        waiting: list[Arrived] = []
        events = 0
        for part in _parts(connection, texts, view, known):
            waiting.append(part)
            events += len(part.events)
            if events >= _AT_ONCE:
                view.add(connection, waiting)
                waiting, events = [], 0
            if stopped():
                return
        view.add(connection, waiting)
        view.last = max(view.last, last)
        rows = connection.execute(_ADJUSTMENTS, (known, last))
        view.adjusted.add(connection, (decode_adjustment(event) for (event,) in rows))
    finally:
        connection.execute("ROLLBACK")


def _parts(connection: Connection, texts: Texts, view: View, known: int) -> Iterator[Arrived]:
    """What was stored after the event with the number `known`, as far as windows or the judgement of lateness reach."""
    (holding,) = connection.execute(_HOLDING, (known,)).fetchone()
    since, received_since = view.rolling.since, view.receipts_since
    for first, count, numbers in connection.execute(_ON, ((holding or 0) - 1, since, received_since)):
        # A chunk may have been merged with others since some of it was read.
        new = max(0, known + 1 - first)
        if new >= count:
            continue
        columns = Chunk(numbers, b"", count, texts).columns.beyond(new)
        received, time = columns.receipts()
        lately = received > received_since
        yield Arrived(
            first + new, first + count - 1, columns.table(first + new), (received[lately], time[lately]), (), ()
        )
