"""Reading the log: events of a span of time, adjustments, and when what was received.

Erased events are marked as adjustments and as imports too, so that the masks here pass them by.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from sqlite3 import Connection

import numpy as np

from kizashi_collector.analysis import NO_VALUE, Column, EventTable, LoggedEvent, PropertyValue
from kizashi_collector.store._chunks._chunk import Chunk, Columns
from kizashi_collector.store._chunks._chunks import decode_adjustment
from kizashi_collector.store._chunks._texts import Texts

__all__ = [
    "LogDetails",
    "actors_at",
    "adjusted_among",
    "adjusted_between",
    "adjustments",
    "events_at",
    "events_between",
    "ids_at",
    "last_number",
    "last_receipt",
    "newest",
    "originals_at",
    "receipts",
]

_NO_EVENT = 4
_BETWEEN = "SELECT count, numbers, details FROM chunks WHERE last_time > ? AND first_time <= ?"
_HOLDING = "SELECT first, count, numbers, details FROM chunks WHERE first <= ? ORDER BY first DESC LIMIT 1"
_NUMBERS_HOLDING = "SELECT first, count, numbers FROM chunks WHERE first <= ? ORDER BY first DESC LIMIT 1"
_ORDER = "SELECT seq FROM orders WHERE order_id = ? AND name = ?"
_LAST = (
    "SELECT max(seq) FROM (SELECT max(first + count - 1) AS seq FROM chunks "
    "WHERE first >= (SELECT max(first) FROM chunks) UNION ALL SELECT max(seq) FROM adjustments)"
)
_REACH = "SELECT min(first), max(first + count) FROM chunks WHERE last_time > ? AND first_time <= ?"
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


def number_of(connection: Connection, texts: Texts, name: str, order: str | None) -> int | None:
    """The number of the event with this name and order, if there is one."""
    row = connection.execute(_ORDER, (order, texts.name_known(name))).fetchone()
    return None if row is None else int(row[0])


def adjusted_among(
    connection: Connection, texts: Texts, adjusted: Collection[tuple[str, str]], table: EventTable
) -> dict[int, LoggedEvent]:
    """The events of a table, by their number, that have one of these names and orders.

    They say as much as adjustments concern, which is told without knowing any actor.
    """
    found = {seq: order for name, order in adjusted if (seq := number_of(connection, texts, name, order)) is not None}
    if not found:
        return {}
    there = table.seq[np.isin(table.seq, np.fromiter(found, np.int64, len(found)))]
    return dict(originals_at(connection, texts, [(seq, found[seq]) for seq in sorted(there.tolist())]))


def adjusted_between(
    connection: Connection,
    texts: Texts,
    adjusted: Collection[tuple[str, str]],
    start: int,
    end: int,
    check: Callable[[], None],
) -> dict[int, LoggedEvent]:
    """The events with start < time ≤ end, by their number, that have one of these names and orders.

    They say as much as adjustments concern. `check` is called for each.
    """
    found: list[tuple[int, str]] = []
    least, most = connection.execute(_REACH, (start, end)).fetchone()
    for name, order in adjusted if least is not None else ():
        check()
        seq = number_of(connection, texts, name, order)
        if seq is not None and least <= seq < most:
            found.append((seq, order))
    originals = originals_at(connection, texts, sorted(found))
    return {seq: event for seq, event in originals if start < event.time <= end}


def events_at(connection: Connection, texts: Texts, seqs: Sequence[int]) -> Iterator[tuple[int, LoggedEvent]]:
    """The events with these numbers, which ascend."""
    for some, chunk, places in _holding(connection, texts, seqs):
        yield from zip(some, chunk.events(places), strict=True)


def ids_at(connection: Connection, texts: Texts, seqs: Sequence[int]) -> Iterator[tuple[int, str]]:
    """The ids of the events with these numbers, which ascend; of those that are there."""
    first, ids = 0, list[str]()
    for seq in seqs:
        if seq >= first + len(ids):
            row = connection.execute(_HOLDING, (seq,)).fetchone()
            if row is None or seq >= row[0] + row[1]:
                continue
            first, count, numbers, details = row
            ids = Chunk(numbers, details, count, texts).ids()
        yield seq, ids[seq - first]


class LogDetails:
    """Ids and properties of events by their numbers, which ascend, read from the log."""

    def __init__(self, connection: Connection, texts: Texts, check: Callable[[], None]) -> None:
        self._connection = connection
        self._texts = texts
        self._check = check

    def ids(self, seqs: Sequence[int]) -> list[str]:
        """The ids of these events."""
        found: list[str] = []
        for _, chunk, places in _holding(self._connection, self._texts, seqs):
            self._check()
            ids = chunk.ids()
            found += [ids[place] for place in places]
        return found

    def properties(self, seqs: Sequence[int]) -> list[Mapping[str, PropertyValue]]:
        """The properties of these events."""
        found: list[Mapping[str, PropertyValue]] = []
        for _, chunk, places in _holding(self._connection, self._texts, seqs):
            self._check()
            found += chunk.properties(places)
        return found


def _holding(
    connection: Connection, texts: Texts, seqs: Sequence[int]
) -> Iterator[tuple[Sequence[int], Chunk, list[int]]]:
    """The numbers that one chunk holds, the chunk, and their places there."""
    at = 0
    while at < len(seqs):
        first, count, numbers, details = connection.execute(_HOLDING, (seqs[at],)).fetchone()
        end = bisect_left(seqs, first + count, at)
        yield seqs[at:end], Chunk(numbers, details, count, texts), [seq - first for seq in seqs[at:end]]
        at = end


def originals_at(
    connection: Connection, texts: Texts, wanted: Sequence[tuple[int, str]]
) -> Iterator[tuple[int, LoggedEvent]]:
    """The events with these numbers, which ascend, and orders, as far as adjustments concern them.

    Those that are not there any more are left out.
    """
    first = count = 0
    columns: Columns | None = None
    for seq, order in wanted:
        if columns is None or seq >= first + count:
            row = connection.execute(_NUMBERS_HOLDING, (seq,)).fetchone()
            if row is None or seq >= row[0] + row[1]:
                continue
            first, count = row[:2]
            columns = Chunk(row[2], b"", count, texts).columns
        at = seq - first
        if columns.flags[at] >= _NO_EVENT:
            continue
        value = int(columns.values[at])
        yield (
            seq,
            LoggedEvent(
                id="",
                name=texts.name_of(int(columns.names[at])),
                time=int(columns.times[at]),
                received_at=int(columns.received[at]),
                value=None if value == NO_VALUE else value,
                currency=texts.currency_of(int(columns.currencies[at])),
                order=order,
            ),
        )


def actors_at(connection: Connection, texts: Texts, seqs: Sequence[int]) -> Iterator[int]:
    """The numbers of the actors of the events with these numbers, which ascend; of those that are there."""
    first = count = 0
    columns: Columns | None = None
    for seq in seqs:
        if columns is None or seq >= first + count:
            row = connection.execute(_NUMBERS_HOLDING, (seq,)).fetchone()
            if row is None or seq >= row[0] + row[1]:
                continue
            first, count = row[:2]
            columns = Chunk(row[2], b"", count, texts).columns
        yield int(columns.actors[seq - first])


def adjustments(connection: Connection, as_of: int) -> Iterator[LoggedEvent]:
    """Every adjustment with time ≤ as_of."""
    for (event,) in connection.execute("SELECT event FROM adjustments WHERE time <= ?", (as_of,)):
        yield decode_adjustment(event)


def receipts(
    connection: Connection, texts: Texts, since: int, until: int, check: Callable[[], None]
) -> tuple[Column, Column]:
    """When each event, imports aside, was received and happened, of those that were received in (since, until]."""
    received_at, time = [np.zeros(0, np.int64)], [np.zeros(0, np.int64)]
    for count, numbers in connection.execute(_RECEIVED, (since, until)):
        check()
        chunk = Chunk(numbers, b"", count, texts)
        received = chunk.received
        chosen = (received > since) & (received <= until) & ~chunk.imported
        received_at.append(received[chosen])
        time.append(chunk.times[chosen])
    return np.concatenate(received_at), np.concatenate(time)


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


def last_number(connection: Connection) -> int:
    """The number of the last event that is in the log, adjustments that are in force included."""
    return connection.execute(_LAST).fetchone()[0] or 0


def newest(connection: Connection, texts: Texts, limit: int) -> list[LoggedEvent]:
    """The events stored last, latest first."""
    events: list[LoggedEvent] = []
    for count, numbers, details in connection.execute("SELECT count, numbers, details FROM chunks ORDER BY first DESC"):
        chunk = Chunk(numbers, details, count, texts)
        places = np.flatnonzero(~chunk.erased)[::-1][: limit - len(events)]
        events += chunk.events(places.tolist())
        if len(events) >= limit:
            break
    return events
