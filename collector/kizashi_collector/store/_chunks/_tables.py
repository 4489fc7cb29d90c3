"""Events of a span of time as tables: only what a question asks for is unpacked, and nothing is held twice."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from functools import partial
from itertools import chain
from sqlite3 import Connection
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kizashi_collector.analysis import NO_VALUE, EventTable, ahead
from kizashi_collector.store._chunks._chunk import Chunk
from kizashi_collector.store._chunks._texts import Texts

__all__ = ["OPTIONAL", "table_between", "tables_between"]

OPTIONAL = frozenset({"received_at", "value", "currency", "source", "imported"})
"""Columns of a table that a question may do without."""

_KINDS: dict[str, type[np.generic]] = {
    "seq": np.int64,
    "name": np.int32,
    "time": np.int64,
    "received_at": np.int64,
    "value": np.int64,
    "currency": np.int32,
    "source": np.int32,
    "actor": np.int32,
    "imported": np.bool_,
}
_BETWEEN = "SELECT first, count, first_time, last_time, numbers FROM chunks WHERE last_time > ? AND first_time <= ?"
_HOW_MANY = "SELECT coalesce(sum(count), 0) FROM chunks WHERE last_time > ? AND first_time <= ?"
_LAST = "SELECT first + count FROM chunks ORDER BY first DESC LIMIT 1"
_BLOCK = 1 << 17
_ROWS, _AHEAD = 8, 3
_WORTH_A_THREAD = 1 << 14
"""Events in the first chunks read."""


def table_between(
    connection: Connection,
    texts: Texts,
    start: int,
    end: int,
    check: Callable[[], None],
    *,
    names: Collection[str] | None = None,
    columns: Collection[str] = OPTIONAL,
) -> EventTable:
    """Events, adjustments aside, with start < time ≤ end as numbers; only of some names, if any are given.

    Numbers of events take four bytes each as long as there are no larger ones in the log: no arithmetic is to be done.

    Of the OPTIONAL columns those in `columns` are filled in. `check` is called now and then.
    """
    (room,) = connection.execute(_HOW_MANY, (start, end)).fetchone()
    filled = 0
    filling = _Filling(connection, texts, start, end, names, columns)
    table = filling.room_for(room)
    for chunk in _chunks_between(connection, texts, start, end, check):
        filled += filling.fill(table, filled, *chunk)
    return table.first(filled)


def tables_between(
    connection: Connection,
    texts: Texts,
    start: int,
    end: int,
    check: Callable[[], None],
    *,
    columns: Collection[str] = OPTIONAL,
) -> Iterator[EventTable]:
    """The same in parts of about 100,000 events, of which only one need be held at a time."""
    filled = 0
    filling, table = None, EventTable.empty()
    for chunk in _chunks_between(connection, texts, start, end, check):
        if filling is None:  # not before something was read: later texts are in none of its events
            filling = _Filling(connection, texts, start, end, None, columns)
        count = chunk[-1].count
        if filled + count > len(table):
            if filled:
                yield table.first(filled)
            table, filled = filling.room_for(max(_BLOCK, count)), 0
        filled += filling.fill(table, filled, *chunk)
    if filled:
        yield table.first(filled)


class _Filling:
    """How tables are filled from chunks."""

    def __init__(
        self,
        connection: Connection,
        texts: Texts,
        start: int,
        end: int,
        names: Collection[str] | None,
        columns: Collection[str],
    ) -> None:
        self._start, self._end = start, end
        (last,) = connection.execute(_LAST).fetchone() or (0,)
        known = texts.codes
        self._names: NDArray[np.bool_] | None = None
        if names is not None:
            self._names = np.array([name in names for name in known.names], np.bool_)
        self._wanted = [name for name in _KINDS if name in columns or name not in OPTIONAL]
        # Numbers and codes take as few bits as they all fit into.
        self._kinds = {
            **_KINDS,
            "seq": np.int32 if last < 1 << 31 else np.int64,
            "name": _code_kind(len(known.names)),
            "currency": _code_kind(len(known.currencies)),
            "source": _code_kind(len(known.sources)),
        }

    def room_for(self, count: int) -> EventTable:
        """A table of so many events, of which nothing is said yet."""
        columns: dict[str, Any] = {
            name: np.empty(count, kind) if name in self._wanted else _nothing(name, kind, count)
            for name, kind in self._kinds.items()
        }
        return EventTable(**columns)

    def fill(self, table: EventTable, at: int, first: int, first_time: int, last_time: int, chunk: Chunk) -> int:
        """Write what is wanted of a chunk into the table from the row `at` on; return how many events that were."""
        bounds = None if self._start < first_time and last_time <= self._end else (self._start, self._end)
        places = chunk.places(bounds, self._names)
        found = chunk.count if places is None else len(places)
        rows = slice(at, at + found)
        for name in self._wanted:
            if name == "seq":
                table.seq[rows] = np.arange(first, first + chunk.count) if places is None else places + first
            else:
                chunk.write(name, getattr(table, name)[rows], places)
        return found


def _code_kind(count: int) -> type[np.generic]:
    if count <= 1 << 8:
        return np.uint8
    return np.uint16 if count <= 1 << 16 else np.int32


def _nothing(name: str, kind: type[np.generic], count: int) -> NDArray[Any]:
    """A column that says nothing of any event, in the memory of one."""
    return np.broadcast_to(np.array(NO_VALUE if name == "value" else 0, kind), count)


def _chunks_between(
    connection: Connection, texts: Texts, start: int, end: int, check: Callable[[], None]
) -> Iterator[tuple[int, int, int, Chunk]]:
    """First number, times, and the chunk itself of all chunks that may hold something.

    Where there are many, another thread decompresses the next ones meanwhile.
    """
    cursor = connection.execute(_BETWEEN, (start, end))

    def opened(rows: list[Any]) -> list[tuple[int, int, int, Chunk]]:
        return [(first, begin, last, Chunk(numbers, b"", count, texts)) for first, count, begin, last, numbers in rows]

    some = cursor.fetchmany(_ROWS)
    if sum(row[1] for row in some) < _WORTH_A_THREAD:
        while some:
            check()
            yield from opened(some)
            some = cursor.fetchmany(_ROWS)
        return
    blocks = chain([some], iter(lambda: cursor.fetchmany(_ROWS), []))
    for block in ahead((partial(opened, rows) for rows in blocks), most=_AHEAD, name="kizashi-unpack"):
        check()
        yield from block
