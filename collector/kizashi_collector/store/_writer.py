"""The one thread that writes: it commits for everybody who waits, and answers when all of it is on disk."""

from __future__ import annotations

import asyncio
import logging
import queue
import sqlite3
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from msgspec import Struct

from kizashi_collector.store._chunks import Chunks
from kizashi_collector.store._event_columns import EventColumns
from kizashi_collector.store._protocol import Candidate, Outcome, StoreBusyError, StoreError
from kizashi_collector.store._verdicts import Judge

__all__ = ["MAX_REJECTED", "CommitReport", "Writer"]

MAX_REJECTED = 100_000
"""So many rejected events are kept; the oldest go first."""

_GROUP_EVENTS = 10_000
_log = logging.getLogger("kizashi.store")
T = TypeVar("T")


class CommitReport(Struct, frozen=True):
    """One transaction: how many requests and events it held, and how many seconds it took, fsync included."""

    requests: int
    events: int
    seconds: float


class _Waiter(Struct, frozen=True, eq=False):
    """Somebody in an event loop who waits for what the thread does."""

    loop: asyncio.AbstractEventLoop
    future: asyncio.Future[Any]

    def settle(self, result: object) -> None:
        """Give the waiter its result or, if it is one, its exception. In the event loop."""
        if self.future.cancelled():
            return
        if isinstance(result, Exception):
            self.future.set_exception(result)
        else:
            self.future.set_result(result)


class _Batch(Struct, frozen=True, eq=False):
    parts: Sequence[EventColumns | Candidate]
    events: int
    waiter: _Waiter


class _Work(Struct, frozen=True, eq=False):
    do: Callable[[sqlite3.Connection], object]
    waiter: _Waiter


class Writer:
    """Owns the writing connection, for callers in one event loop.

    All batches that wait while a transaction is on its way to the disk go together into the next one (group commit);
    any other write is a transaction of its own, in the order of asking. `max_pending` bounds the events that wait.
    """

    def __init__(
        self,
        connection: sqlite3.Connection,
        chunks: Chunks,
        *,
        max_pending: int,
        on_commit: Callable[[CommitReport], None],
    ) -> None:
        self.connection = connection
        self._chunks = chunks
        self.pending = 0
        self.trouble: str | None = None
        self._max_pending = max_pending
        self._on_commit = on_commit
        self._queue: queue.SimpleQueue[_Batch | _Work | None] = queue.SimpleQueue()
        self._aside: list[_Work | None] = []
        self._thread = threading.Thread(target=self._work_forever, name="kizashi-write", daemon=True)
        self._thread.start()

    async def append(self, parts: Sequence[EventColumns | Candidate]) -> Sequence[Outcome]:
        """Judge and keep events; return their outcomes once they are durable. See Log.append."""
        events = sum(len(part) if isinstance(part, EventColumns) else 1 for part in parts)
        if self.pending + events > self._max_pending:
            raise StoreBusyError(f"{self.pending} events wait to be written, {self._max_pending} may; try again soon")
        self.pending += events
        waiter = _waiter()
        waiter.future.add_done_callback(lambda _: self._written(events))
        self._queue.put(_Batch(parts, events, waiter))
        # Shielded: when the client is gone, the events are written all the same, and count as pending until they are.
        outcomes: Sequence[Outcome] = await asyncio.shield(waiter.future)
        return outcomes

    def _written(self, events: int) -> None:
        self.pending -= events

    async def run(self, do: Callable[[sqlite3.Connection], T]) -> T:
        """Run `do` in a transaction of its own; return its result once it is durable. Raises StoreError."""
        waiter = _waiter()
        self._queue.put(_Work(do, waiter))
        result: T = await asyncio.shield(waiter.future)
        return result

    async def close(self) -> None:
        """Finish what waits, and close the connection."""
        self._queue.put(None)
        await asyncio.get_running_loop().run_in_executor(None, self._thread.join)
        await asyncio.get_running_loop().run_in_executor(None, self._chunks.close)
        self.connection.close()

    # -- in the thread ------------------------------------------------------------------------------------------------

    def _work_forever(self) -> None:
        while (item := self._take()) is not None:
            if isinstance(item, _Work):
                self._do(item)
            else:
                self._commit(self._gather(item))

    def _take(self) -> _Batch | _Work | None:
        return self._aside.pop() if self._aside else self._queue.get()

    def _gather(self, first: _Batch) -> list[_Batch]:
        """All batches that wait already, up to the first thing that is none."""
        batches, events = [first], first.events
        while events < _GROUP_EVENTS:
            try:
                item = self._queue.get_nowait()
            except queue.Empty:
                break
            if not isinstance(item, _Batch):
                self._aside.append(item)
                break
            batches.append(item)
            events += item.events
        return batches

    def _do(self, work: _Work) -> None:
        try:
            result = self._transaction(work.do)
        except Exception as error:  # noqa: BLE001  # whatever it was, nobody may wait for ever
            _answer([(work.waiter, StoreError(f"cannot write: {error}"))])
        else:
            _answer([(work.waiter, result)])

    def _commit(self, batches: list[_Batch]) -> None:
        parts = [part for batch in batches for part in batch.parts]
        began, changes = time.perf_counter(), self.connection.total_changes
        try:
            outcomes = self._transaction(lambda connection: _keep(connection, self._chunks, parts))
        except Exception as error:  # noqa: BLE001  # whatever it was, nobody may wait for ever, and nothing was kept
            self._chunks.given_up()
            self.trouble = f"cannot write: {error}"
            _log.error("cannot write: %s; check the volume's space and rights", error)
            _answer([(batch.waiter, StoreError(self.trouble)) for batch in batches])
            return
        self._chunks.committed()
        # A transaction that wrote nothing proves nothing about the disk; an empty batch always writes.
        if not parts or self.connection.total_changes > changes:
            self.trouble = None
        self._on_commit(CommitReport(len(batches), len(outcomes), time.perf_counter() - began))
        answers: list[tuple[_Waiter, object]] = []
        start = 0
        for batch in batches:
            end = start + batch.events
            answers.append((batch.waiter, outcomes[start:end]))
            start = end
        _answer(answers)

    def _transaction(self, do: Callable[[sqlite3.Connection], T]) -> T:
        connection = self.connection
        connection.execute("BEGIN IMMEDIATE")
        try:
            result = do(connection)
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise
        return result


def _waiter() -> _Waiter:
    loop = asyncio.get_running_loop()
    return _Waiter(loop, loop.create_future())


def _answer(answers: Sequence[tuple[_Waiter, object]]) -> None:
    """Settle all of these in their event loop, which is woken once, for that costs a system call."""

    def settle() -> None:
        for waiter, result in answers:
            waiter.settle(result)

    try:
        answers[0][0].loop.call_soon_threadsafe(settle)
    except RuntimeError:  # the loop is closed: nobody waits any more
        _log.debug("a transaction finished after its event loop")


def _keep(connection: sqlite3.Connection, chunks: Chunks, parts: Sequence[EventColumns | Candidate]) -> list[Outcome]:
    """Judge the events, insert the accepted, keep the rejected; in the open transaction."""
    judge = Judge(connection, parts, chunks)
    outcomes: list[Outcome] = []
    rejected = []
    for part in parts:
        found = judge.judge(part)
        outcomes += found
        if isinstance(part, Candidate) and found[0].verdict == "rejected":
            rejected.append((part.received_at, part.id, found[0].code, found[0].message, part.body))
    chunks.add(connection, judge.accepted)
    if rejected:
        connection.executemany(
            "INSERT INTO rejected (received_at, id, code, message, body) VALUES (?, ?, ?, ?, ?)", rejected
        )
        connection.execute("DELETE FROM rejected WHERE seq <= (SELECT max(seq) FROM rejected) - ?", (MAX_REJECTED,))
    if not parts:
        connection.execute("PRAGMA user_version = 1")  # an empty batch asks whether the disk takes a write
    return outcomes
