"""The one thread that writes: it commits for everybody who waits, and answers when all of it is on disk."""

from __future__ import annotations

import asyncio
import logging
import os
import queue
import sqlite3
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from msgspec import Struct

from kizashi_collector.store._chunks import Chunks
from kizashi_collector.store._event_columns import EventColumns
from kizashi_collector.store._known_events import KnownEvents
from kizashi_collector.store._protocol import Candidate, Outcome, StoreBusyError, StoreError
from kizashi_collector.store._trouble import is_damage, is_full, remedy
from kizashi_collector.store._verdicts import Judge

__all__ = ["MAX_REJECTED", "CommitReport", "Writer"]

MAX_REJECTED = 100_000
"""So many rejected events are kept; the oldest go first."""

_GROUP_EVENTS = 10_000
# What a full volume must have free again. A small batch may fit where SQLite reuses its write-ahead log, and no larger.
_ROOM_BYTES = 1 << 20
_STALLED_SECONDS = 10.0
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
    then: Callable[[], None]
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
        self._damaged = self._full = False
        self._busy_since: float | None = None
        self._max_pending = max_pending
        self._on_commit = on_commit
        self._arrived: list[_Batch] = []
        self._queue: queue.SimpleQueue[list[_Batch] | _Work | Callable[[], None] | None] = queue.SimpleQueue()
        self._aside: list[_Work | Callable[[], None] | None] = []
        self._thread = threading.Thread(target=self._work_forever, name="kizashi-write", daemon=True)
        self._thread.start()

    def submit(self, parts: Sequence[EventColumns | Candidate]) -> asyncio.Future[Sequence[Outcome]]:
        """Judge and keep events; the future has their outcomes once they are durable. See Log.submit."""
        events = sum(len(part) if isinstance(part, EventColumns) else 1 for part in parts)
        if self.pending + events > self._max_pending:
            raise StoreBusyError(f"{self.pending} events wait to be written, {self._max_pending} may; try again soon")
        self.pending += events
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Sequence[Outcome]] = loop.create_future()
        if not self._arrived:
            loop.call_soon(self._hand_over)
        self._arrived.append(_Batch(parts, events, _Waiter(loop, future)))
        # Whoever gives the future up, the events are written all the same, and count as pending until they are.
        return future

    def _hand_over(self) -> None:
        """Give the thread all that came in one turn of the event loop; waking it up costs more than the rest."""
        arrived, self._arrived = self._arrived, []
        if arrived:
            self._queue.put(arrived)

    @property
    def stalled(self) -> str | None:
        """What to say while one transaction has been on its way to the disk for longer than 10 s, or None."""
        since = self._busy_since
        if since is None or (seconds := time.monotonic() - since) < _STALLED_SECONDS:
            return None
        return f"the disk has not answered for {seconds:.0f} s; {remedy(TimeoutError())}"

    async def run(self, do: Callable[[sqlite3.Connection], T], then: Callable[[], None] = lambda: None) -> T:
        """Run `do` in a transaction of its own; return its result once it is durable. Raises StoreError.

        `then` follows in the thread, after the commit and before any other transaction.
        """
        loop = asyncio.get_running_loop()
        future: asyncio.Future[T] = loop.create_future()
        self._hand_over()
        self._queue.put(_Work(do, then, _Waiter(loop, future)))
        return await future

    def between(self, do: Callable[[], None]) -> None:
        """Have something done in the thread, soon, between two transactions; it must not raise. From any thread."""
        self._queue.put(do)

    async def close(self) -> None:
        """Finish what waits, and close the connection."""
        self._hand_over()
        self._queue.put(None)
        await asyncio.get_running_loop().run_in_executor(None, self._thread.join)
        await asyncio.get_running_loop().run_in_executor(None, self._chunks.close)
        self.connection.close()

    # -- in the thread ------------------------------------------------------------------------------------------------

    def _work_forever(self) -> None:
        while (item := self._take()) is not None:
            self._busy_since = time.monotonic()
            if isinstance(item, _Work):
                self._do(item)
            elif isinstance(item, list):
                self._commit(self._gather(item))
            else:
                item()
            self._busy_since = None

    def _take(self) -> list[_Batch] | _Work | Callable[[], None] | None:
        return self._aside.pop() if self._aside else self._queue.get()

    def _gather(self, first: list[_Batch]) -> list[_Batch]:
        """All batches that wait already, up to the first thing that is none."""
        batches, events = first, sum(batch.events for batch in first)
        while events < _GROUP_EVENTS:
            try:
                item = self._queue.get_nowait()
            except queue.Empty:
                break
            if not isinstance(item, list):
                self._aside.append(item)
                break
            batches += item
            events += sum(batch.events for batch in item)
        return batches

    def _do(self, work: _Work) -> None:
        result: object
        try:
            result = self._transaction(work.do)
            self._chunks.published()
            work.then()
        except Exception as error:  # noqa: BLE001  # whatever it was, nobody may wait for ever
            self._chunks.given_up()
            result = error if isinstance(error, StoreError) else StoreError(f"cannot write: {error}; {remedy(error)}")
        self._answer(work.waiter.loop, [(work.waiter, result)], 0)

    def _commit(self, batches: list[_Batch]) -> None:
        parts = [part for batch in batches for part in batch.parts]
        events = sum(batch.events for batch in batches)
        loop = batches[0].waiter.loop
        began, changes = time.perf_counter(), self.connection.total_changes
        try:
            outcomes = self._transaction(lambda connection: _keep(connection, self._chunks, parts))
        except Exception as error:  # noqa: BLE001  # whatever it was, nobody may wait for ever, and nothing was kept
            self._chunks.given_up()
            trouble = f"cannot write: {error}" + ("" if isinstance(error, StoreError) else f"; {remedy(error)}")
            if trouble != self.trouble:
                # Once for each trouble: whoever sends tries again and again.
                _log.error("%s; nothing is taken until then, and it is tried again", trouble)
            self.trouble = trouble
            # An empty batch touches few pages: only a batch that is kept shows that damage is gone.
            self._damaged = self._damaged or is_damage(error)
            self._full = self._full or is_full(error)
            self._answer(loop, [(batch.waiter, StoreError(trouble)) for batch in batches], events)
            return
        # A transaction that wrote nothing proves nothing about the disk; an empty batch always writes.
        if self.trouble is not None and (self.connection.total_changes > changes or not (parts or self._damaged)):
            self._recover()
        answers: list[tuple[_Waiter, object]] = []
        start = 0
        for batch in batches:
            end = start + batch.events
            answers.append((batch.waiter, outcomes[start:end]))
            start = end
        self._chunks.published()
        self._on_commit(CommitReport(len(batches), events, time.perf_counter() - began))
        self._answer(loop, answers, events)
        self._chunks.committed()

    def _recover(self) -> None:
        """Trouble is over once something was written, and on a volume that was full, once there is room for more."""
        if self._full and _free_bytes(self.connection) < _ROOM_BYTES:
            return
        _log.info("writing works again")
        self.trouble, self._damaged, self._full = None, False, False

    def _answer(self, loop: asyncio.AbstractEventLoop, answers: Sequence[tuple[_Waiter, object]], events: int) -> None:
        """Settle all of these in the event loop, which is woken once, for that costs a system call."""

        def settle() -> None:
            self.pending -= events
            for waiter, result in answers:
                waiter.settle(result)

        try:
            loop.call_soon_threadsafe(settle)
        except RuntimeError:  # the loop is closed: nobody waits any more
            _log.debug("a transaction finished after its event loop")

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


def _free_bytes(connection: sqlite3.Connection) -> int:
    """What is free on the volume of the connection's file; nothing where it cannot be asked."""
    (_, _, path) = connection.execute("PRAGMA database_list").fetchone()
    try:
        volume = os.statvfs(path)
    except OSError:
        return 0
    return volume.f_bavail * volume.f_frsize


def _keep(connection: sqlite3.Connection, chunks: Chunks, parts: Sequence[EventColumns | Candidate]) -> list[Outcome]:
    """Judge the events, insert the accepted, keep the rejected; in the open transaction."""
    judge = Judge(parts, KnownEvents(connection, parts, chunks))
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
