"""Deleting from the log: what goes from each chunk, found by a reader, and slices of it that the writer carries out.

Chunks of which nothing is left are deleted. In others the events that go are emptied and keep their places, since an
event's number is its chunk's first and its place.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from functools import partial
from sqlite3 import Connection
from typing import Literal, Protocol, TypeVar

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from kizashi_collector.analysis import LoggedEvent
from kizashi_collector.store._chunks import Chunk, Chunks, Texts
from kizashi_collector.store._patience import Patience
from kizashi_collector.store._protocol import Gone, Lapsed, StoreError
from kizashi_collector.store._writer import Writer

__all__ = ["ChangedError", "Deleter", "Portion", "Read", "Row", "Step", "lapse", "portion_of", "steps_of"]

_SLICE_SECONDS = 0.005
_ROWS = 250
T = TypeVar("T")
Row = tuple[int, int, bytes, bytes]
"""A chunk as it is read: first number, count, numbers and details."""

Step = Callable[[Connection], object]
"""A part of the work that takes a few milliseconds at most. A transaction holds one or more."""

_CUT = (
    "UPDATE chunks SET first_time = ?, last_time = ?, first_received = ?, last_received = ?, numbers = ?, details = ? "
    "WHERE first = ? AND numbers = ? AND details = ?"
)
_NAME = "(SELECT number FROM texts WHERE kind = 0 AND text = ?)"


class ChangedError(StoreError):
    """A chunk was merged with others between its reading and its deletion: read it again."""


class Read(Protocol):
    """Runs a question in a reader's thread; see SqliteLog.read."""

    def __call__(self, question: Callable[[Connection, Patience], T]) -> Awaitable[T]:
        """Return what the question returns."""


class _Left(Struct, frozen=True):
    """A chunk's row once some of its events are erased."""

    first_time: int
    last_time: int
    first_received: int
    last_received: int
    numbers: bytes
    details: bytes


class Portion(Struct, frozen=True, eq=False):
    """The events that go from one chunk, with their numbers; `left` is None where nothing is left."""

    first: int
    count: int
    numbers: bytes
    details: bytes
    events: list[LoggedEvent]
    seqs: list[int]
    left: _Left | None


def portion_of(row: Row, texts: Texts, goes: Callable[[Chunk], NDArray[np.bool_]]) -> Portion | None:
    """What goes from a chunk; None if nothing does."""
    first, count, numbers, details = row
    chunk = Chunk(numbers, details, count, texts)
    there = ~chunk.erased
    going = goes(chunk) & there
    places: list[int] = np.flatnonzero(going).tolist()
    if not places:
        return None
    kept = there & ~going
    left = None
    if kept.any():
        times, received = chunk.times[kept], chunk.received[kept]
        spans = int(times.min()), int(times.max()), int(received.min()), int(received.max())
        left = _Left(*spans, *chunk.without(places, first))
    seqs = [first + place for place in places]
    return Portion(first, count, numbers, details, list(chunk.events(places)), seqs, left)


def steps_of(portion: Portion, chunks: Chunks, *, for_ever: bool) -> Iterator[Step]:
    """The steps that delete a portion; `for_ever` leaves tombstones, so that its events are not stored again.

    Tombstones and orders come first: a crash in between leaves events that the next run deletes.
    """
    if for_ever:
        for ids in _batches([event.id for event in portion.events]):
            yield partial(_bury, chunks, ids)
    numbered = list(zip(portion.seqs, portion.events, strict=True))
    orders = [(event.order, seq) for seq, event in numbered if event.order is not None and event.adjust is None]
    for rows in _batches(orders):
        yield partial(_delete, "DELETE FROM orders WHERE order_id = ? AND seq = ?", rows)
    if for_ever:
        for seqs in _batches([seq for seq, event in numbered if event.adjust is not None]):
            yield partial(lapse, chunks, seqs)
    yield partial(_cut, portion, chunks, "erased" if for_ever else "expired")


def _batches(rows: Sequence[T]) -> Iterator[Sequence[T]]:
    for start in range(0, len(rows), _ROWS):
        yield rows[start : start + _ROWS]


def _bury(chunks: Chunks, ids: Sequence[str], connection: Connection) -> None:
    chunks.tombstones.add(connection, ids)


def _delete(sql: str, rows: Sequence[tuple[object, ...]], connection: Connection) -> None:
    connection.executemany(sql, rows)


def lapse(chunks: Chunks, seqs: Sequence[int], connection: Connection) -> None:
    """A step: the adjustments with these numbers are in force no more."""
    connection.executemany("DELETE FROM adjustments WHERE seq = ?", [(seq,) for seq in seqs])
    chunks.note(Lapsed(seqs))


def _cut(portion: Portion, chunks: Chunks, why: Literal["expired", "erased"], connection: Connection) -> None:
    left = portion.left
    if left is None:
        connection.execute("UPDATE logs SET high = max(high, ?)", (portion.first + portion.count - 1,))
        sql = "DELETE FROM chunks WHERE first = ? AND numbers = ? AND details = ?"
        changed = connection.execute(sql, (portion.first, portion.numbers, portion.details)).rowcount
    else:
        spans = (left.first_time, left.last_time, left.first_received, left.last_received)
        made, was = (left.numbers, left.details), (portion.first, portion.numbers, portion.details)
        changed = connection.execute(_CUT, (*spans, *made, *was)).rowcount
    if not changed:
        raise ChangedError(f"the chunk at {portion.first} changed meanwhile; try again")
    chunks.changed(portion.first)
    known = {chunks.texts.actor_known(event.actor) for event in portion.events if event.actor is not None}
    erased = [number for number in known if number is not None] if why == "erased" else []
    chunks.note(Gone(why, portion.events, portion.seqs, erased))
    counts = Counter(event.name for event in portion.events if event.adjust is None)
    rows = [(count, name) for name, count in counts.items()]
    connection.executemany(f"UPDATE names SET count = count - ? WHERE name = {_NAME}", rows)  # noqa: S608  # a constant
    connection.execute("DELETE FROM names WHERE count <= 0")


class Deleter:
    """Carries out deletions, for one caller at a time: hold `lock`. `on_gone` is told what went, once it has."""

    def __init__(self, read: Read, writer: Writer, chunks: Chunks, on_gone: Callable[[Gone], None]) -> None:
        self.read = read
        self.chunks = chunks
        self.writer = writer
        self.lock = asyncio.Lock()
        self._on_gone = on_gone

    async def run(self, steps: Iterable[Step]) -> None:
        """Run steps in transactions of some 10 ms, so that nobody's events wait longer for their turn."""
        waiting = list(steps)

        def some(connection: Connection) -> int:
            began = time.perf_counter()
            done = 0
            for step in waiting:
                step(connection)
                done += 1
                if time.perf_counter() - began > _SLICE_SECONDS:
                    break
            return done

        while waiting:
            done = await self.writer.run(some)
            del waiting[:done]

    async def delete(self, portions: Sequence[Portion], *, for_ever: bool) -> int:
        """Delete portions; return how many events went."""
        await self.run(step for portion in portions for step in steps_of(portion, self.chunks, for_ever=for_ever))
        return self.tell(portions, for_ever=for_ever)

    def tell(self, portions: Sequence[Portion], *, for_ever: bool) -> int:
        """Tell the listener that these portions are deleted; return how many events that were."""
        events = [event for portion in portions for event in portion.events]
        if events:
            seqs = [seq for portion in portions for seq in portion.seqs]
            self._on_gone(Gone("erased" if for_ever else "expired", events, seqs))
        return len(events)
