"""Reading the log: events of a span of time, adjustments, and when what was received."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from sqlite3 import Connection

import numpy as np

from kizashi_collector.analysis import LoggedEvent
from kizashi_collector.store._chunk import Chunk
from kizashi_collector.store._chunks import decode_adjustment
from kizashi_collector.store._texts import Texts

__all__ = ["adjustments", "events_between", "last_receipt", "newest", "receipts"]

_BETWEEN = "SELECT count, numbers, details FROM chunks WHERE last_time > ? AND first_time <= ?"
_RECEIVED = "SELECT count, numbers FROM chunks WHERE last_received > ? AND first_received <= ?"
_LATEST = "SELECT count, last_received, numbers FROM chunks WHERE first_received <= ? ORDER BY last_received DESC"


def events_between(
    connection: Connection, texts: Texts, start: int, end: int, check: Callable[[], None]
) -> Iterator[LoggedEvent]:
    """Events, adjustments aside, with start < time ≤ end, in no particular order. `check` is called now and then."""
    for count, numbers, details in connection.execute(_BETWEEN, (start, end)):
        check()
        chunk = Chunk(numbers, details, count, texts)
        times = chunk.times
        places = np.flatnonzero((times > start) & (times <= end) & ~chunk.adjusts)
        if len(places):
            yield from chunk.events(places.tolist())


def adjustments(connection: Connection, as_of: int) -> Iterator[LoggedEvent]:
    """Every adjustment with time ≤ as_of."""
    for (event,) in connection.execute("SELECT event FROM adjustments WHERE time <= ?", (as_of,)):
        yield decode_adjustment(event)


def receipts(
    connection: Connection, texts: Texts, since: int, until: int, check: Callable[[], None]
) -> Iterator[tuple[int, int]]:
    """(received_at, time) of every event, imports aside, that was received in (since, until]."""
    for count, numbers in connection.execute(_RECEIVED, (since, until)):
        check()
        chunk = Chunk(numbers, b"", count, texts)
        received = chunk.received
        chosen = (received > since) & (received <= until) & ~chunk.imported
        yield from zip(received[chosen].tolist(), chunk.times[chosen].tolist(), strict=True)


def last_receipt(connection: Connection, texts: Texts, until: int) -> int | None:
    """When the last event, imports aside, was received, if not after `until`."""
    latest: int | None = None
    for count, last, numbers in connection.execute(_LATEST, (until,)):
        if latest is not None and last <= latest:
            break
        chunk = Chunk(numbers, b"", count, texts)
        received = chunk.received[(chunk.received <= until) & ~chunk.imported]
        if len(received):
            latest = max(int(received.max()), latest or 0)
    return latest


def newest(connection: Connection, texts: Texts, limit: int) -> list[LoggedEvent]:
    """The events stored last, latest first."""
    events: list[LoggedEvent] = []
    for count, numbers, details in connection.execute("SELECT count, numbers, details FROM chunks ORDER BY first DESC"):
        places = range(count - 1, max(-1, count - 1 - (limit - len(events))), -1)
        events += Chunk(numbers, details, count, texts).events(list(places))
        if len(events) >= limit:
            break
    return events
