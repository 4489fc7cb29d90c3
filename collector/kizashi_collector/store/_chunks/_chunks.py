"""The chunks of a log as its writer sees them: which ids and orders are stored, and how events are added."""

from __future__ import annotations

import logging
from collections import Counter, OrderedDict
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import compress
from pathlib import Path
from sqlite3 import Connection

import msgspec
from msgspec import Struct

from kizashi_collector.analysis import LoggedEvent
from kizashi_collector.store._chunks._chunk import Chunk, Columns
from kizashi_collector.store._chunks._encode import encode_chunk, summary_of
from kizashi_collector.store._chunks._rows import insert_rows
from kizashi_collector.store._chunks._tail import Tail
from kizashi_collector.store._chunks._texts import Texts
from kizashi_collector.store._event_columns import EventColumns
from kizashi_collector.store._ids import SeenIds, Tombstones
from kizashi_collector.store._protocol import Gone, Lapsed, StoreError

__all__ = ["Change", "Chunks", "Stored", "decode_adjustment"]

_log = logging.getLogger("kizashi.store")
_CACHED = 32
_BATCH = 256
_MARKS = ", ".join("?" * _BATCH)
_BY_SEQ = "SELECT first, count, numbers, details FROM chunks WHERE first <= ? ORDER BY first DESC LIMIT 1"
_FROM = "SELECT count, numbers, details FROM chunks WHERE first >= ? ORDER BY first"
_KNOWN_ORDERS = f"SELECT name, order_id, seq FROM orders WHERE order_id IN ({_MARKS})"  # noqa: S608  # only `?` go in
_ADD_NAME = (
    "INSERT INTO names (name, count, last_time) VALUES (?, ?, ?) ON CONFLICT (name) DO UPDATE "
    "SET count = count + excluded.count, last_time = max(last_time, excluded.last_time)"
)


class Stored(Struct, frozen=True, eq=False):
    """Events that were stored in one transaction; `first` is the first's number. `events` is not to be changed."""

    first: int
    events: EventColumns
    columns: Columns


Change = Stored | Gone | Lapsed
"""What a transaction does to the log."""

decode_adjustment = msgspec.msgpack.Decoder(LoggedEvent).decode


class Chunks:
    """Adds events to the log and finds those that are there. For the writer's thread.

    Events are numbered from 1 in the order of storing. `add` belongs to the open transaction; `committed` or
    `given_up` must follow its end, and `published` before anybody is told. `on_change` is told in between of each thing
    that the transaction changed, in order; it must not raise.
    """

    on_change: Callable[[Change], None] = staticmethod(lambda _: None)

    def __init__(self, connection: Connection, folder: Path) -> None:
        self.texts = Texts(connection)
        self._cache: OrderedDict[int, Chunk] = OrderedDict()
        self._added: Sequence[str] = ()
        self._changes: list[Change] = []
        self._unsaved = 0
        self._tail = Tail(connection)
        self._broken: str | None = None
        row = connection.execute("SELECT max(first + count - 1) FROM chunks").fetchone()
        (high,) = connection.execute("SELECT high FROM logs").fetchone()
        self._last: int = max(row[0] or 0, high)
        self.tombstones = Tombstones(connection)
        (history,) = connection.execute("SELECT history FROM logs").fetchone()
        self._seen = SeenIds(folder, history=history, newest=self._last)
        for first, count, numbers, details in connection.execute(
            "SELECT first, count, numbers, details FROM chunks WHERE first + count > ? ORDER BY first",
            (self._seen.covered + 1,),
        ):
            skip = max(0, self._seen.covered + 1 - first)
            self._seen.add(first + skip, Chunk(numbers, details, count, self.texts).ids()[skip:])
        self.forget_deleted(connection)

    def close(self) -> None:
        """Let go of the index's files and thread."""
        self._seen.close()

    # -- finding ------------------------------------------------------------------------------------------------------

    def with_ids(self, connection: Connection, ids: Sequence[str]) -> Iterator[LoggedEvent]:
        """The stored events that have one of these ids. Raises StoreError where the index does not know all of them."""
        if self._broken is not None:
            raise StoreError(f"the index of ids failed: {self._broken}; a restart makes it again")
        wanted = set(ids)
        candidates = sorted({seq for found in self._seen.find(ids) for seq in found})
        for event in self._at(connection, candidates):
            if event.id in wanted:
                yield event

    def with_orders(self, connection: Connection, orders: Iterable[str]) -> Iterator[tuple[str, str, int]]:
        """Name, order and number of the stored events, adjustments aside, that have one of these orders."""
        ordered = sorted(set(orders))
        for start in range(0, len(ordered), _BATCH):
            # Of one length, so that SQLite compiles the query once; the last order fills up.
            batch = ordered[start : start + _BATCH]
            for name, order, seq in connection.execute(_KNOWN_ORDERS, batch + [batch[-1]] * (_BATCH - len(batch))):
                yield self.texts.name_of(name), order, seq

    def at(self, connection: Connection, seq: int) -> LoggedEvent | None:
        """The event with this number, if it is still there."""
        return next(self._at(connection, [seq]), None)

    def _at(self, connection: Connection, seqs: Sequence[int]) -> Iterator[LoggedEvent]:
        """The events with these numbers, in ascending order; what is not there any more is left out."""
        first, chunk, places = 0, None, list[int]()
        for seq in seqs:
            if chunk is None or seq >= first + chunk.count:
                if chunk is not None and places:
                    yield from chunk.events(places)
                found = self._chunk_of(connection, seq)
                places = []
                if found is None:
                    continue
                first, chunk = found
            if seq < first + chunk.count:
                places.append(seq - first)
        if chunk is not None and places:
            yield from chunk.events(places)

    def _chunk_of(self, connection: Connection, seq: int) -> tuple[int, Chunk] | None:
        for first, chunk in self._cache.items():
            if first <= seq < first + chunk.count:
                self._cache.move_to_end(first)
                return first, chunk
        row = connection.execute(_BY_SEQ, (seq,)).fetchone()
        if row is None:
            return None
        first, count, numbers, details = row
        self._cache[first] = chunk = Chunk(numbers, details, count, self.texts)
        if len(self._cache) > _CACHED:
            self._cache.popitem(last=False)
        return first, chunk

    def note(self, change: Change) -> None:
        """The open transaction changes this."""
        self._changes.append(change)

    # -- deleting -----------------------------------------------------------------------------------------------------

    def changed(self, first: int) -> None:
        """The chunk of this first number is changed or deleted in the open transaction."""
        self._cache.pop(first, None)

    def forget_deleted(self, connection: Connection) -> None:
        """Let the index forget the ids of all that was deleted before the oldest chunk, in a transaction after that."""
        (first,) = connection.execute("SELECT min(first) FROM chunks").fetchone()
        self._seen.forget_below(self._last + 1 if first is None else first)

    # -- adding -------------------------------------------------------------------------------------------------------

    def add(self, connection: Connection, events: EventColumns) -> None:
        """Write the events in the open transaction. Raises OverflowError for numbers that no column holds."""
        self._added = events.id
        if not events.id:
            return
        first = self._last + 1
        self.note(Stored(first, events, self._insert(connection, first, events)))
        start = self._tail.added(first, len(events))
        if start is not None:
            self._merge(connection, start, first + len(events))
        adjusts = [at for at, adjust in enumerate(events.adjust) if adjust is not None] if any(events.adjust) else []
        if adjusts:
            connection.executemany(
                "INSERT INTO adjustments (seq, time, event) VALUES (?, ?, ?)",
                [(first + at, events.time[at], msgspec.msgpack.encode(events.event(at))) for at in adjusts],
            )
        if events.order.count(None) < len(events):
            insert_rows(
                connection,
                "orders (order_id, name, seq)",
                3,
                [
                    (order, self.texts.name(name), first + at)
                    for at, (order, name, adjust) in enumerate(
                        zip(events.order, events.name, events.adjust, strict=True)
                    )
                    if order is not None and adjust is None
                ],
            )
        self._count_names(connection, events)
        self._unsaved = self.texts.save(connection)

    def _insert(self, connection: Connection, first: int, events: EventColumns) -> Columns:
        summary = summary_of(events)
        columns, numbers, details = encode_chunk(events, self.texts)
        connection.execute(
            "INSERT INTO chunks (first, count, first_time, last_time, first_received, last_received, numbers, details) "
            "VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            (
                *(first, summary.count, summary.first_time, summary.last_time),
                *(summary.first_received, summary.last_received, numbers, details),
            ),
        )
        return columns

    def _merge(self, connection: Connection, start: int, end: int) -> None:
        """Make one chunk of those with the numbers from `start` to before `end`, unless events are missing there."""
        events = EventColumns()
        for count, numbers, details in connection.execute(_FROM, (start,)):
            events.extend(EventColumns.of(Chunk(numbers, details, count, self.texts).events()))
        if len(events) != end - start:
            self._tail.broken()
            return
        connection.execute("DELETE FROM chunks WHERE first >= ?", (start,))
        self._insert(connection, start, events)
        self._tail.merged(start, len(events))
        self._cache.clear()

    def _count_names(self, connection: Connection, events: EventColumns) -> None:
        names, times = events.name, events.time
        if any(events.adjust):
            plain = [adjust is None for adjust in events.adjust]
            names, times = list(compress(names, plain)), list(compress(times, plain))
        latest: dict[str, int] = {}
        for name, time in zip(names, times, strict=True):
            if time > latest.get(name, -1):
                latest[name] = time
        rows = [(self.texts.name(name), count, latest[name]) for name, count in Counter(names).items()]
        connection.executemany(_ADD_NAME, rows)

    def published(self) -> None:
        """What was added is durable, and nobody was told yet."""
        changes, self._changes = self._changes, []
        for change in changes:
            self.on_change(change)

    def committed(self) -> None:
        """What was added is durable, and those who wait for it were told."""
        self._tail.committed()
        added, self._added = self._added, ()
        self.texts.saved(self._unsaved)
        self._unsaved = 0
        if not added:
            return
        first, self._last = self._last + 1, self._last + len(added)
        try:
            self._seen.add(first, added)
        except Exception as error:  # noqa: BLE001 - they are durable; but no later one may be taken for new by mistake
            self._broken = str(error) or type(error).__name__
            _log.critical("the index of ids failed: %s; nothing is stored until a restart makes it again", self._broken)

    def given_up(self) -> None:
        """What was added is not in the log: the transaction failed."""
        self._added, self._changes, self._unsaved = (), [], 0
        self._tail.given_up()
