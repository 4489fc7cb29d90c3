"""The log in SQLite: one writer thread that commits for everybody, and readers beside it."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import logging
import os
import queue
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

from msgspec import Struct
from sqlite_utils import Database

from kizashi_collector.analysis import LoggedEvent
from kizashi_collector.store._protocol import (
    Candidate,
    NameSeen,
    Outcome,
    RejectedRow,
    StoreBusyError,
    StoreError,
)
from kizashi_collector.store._rows import COLUMNS, INSERT, from_row, to_row
from kizashi_collector.store._schema import log_migrations
from kizashi_collector.store._verdicts import Judge

__all__ = ["MAX_REJECTED", "CommitReport", "SqliteLog"]

MAX_REJECTED = 100_000
"""So many rejected events are kept; the oldest go first."""

_GROUP_EVENTS = 10_000
_READERS = 2
_log = logging.getLogger("kizashi.store")
T = TypeVar("T")


class CommitReport(Struct, frozen=True):
    """One transaction: how many requests and events it held, and how many seconds it took, fsync included."""

    requests: int
    events: int
    seconds: float


class _Request(Struct):
    candidates: Sequence[Candidate]
    loop: asyncio.AbstractEventLoop
    future: asyncio.Future[list[Outcome]]


class SqliteLog:
    """The log in `folder`, which one process may own at a time.

    Durable means SQLite's WAL with `synchronous=FULL`: the transaction is fsynced before anybody is answered. All
    requests that wait while a transaction is on its way to the disk go together into the next one (group commit).
    `max_pending` bounds the events that wait; beyond it `append` raises StoreBusyError. Opening raises StoreError
    when the folder cannot be used or another process owns it.
    """

    def __init__(
        self,
        folder: Path,
        *,
        max_pending: int = 100_000,
        on_commit: Callable[[CommitReport], None] = lambda _: None,
    ) -> None:
        self.path = folder / "log.db"
        self._lock = _own(folder)
        self._max_pending = max_pending
        self._pending = 0
        self._on_commit = on_commit
        self._trouble: str | None = None
        self._requests: queue.SimpleQueue[_Request | None] = queue.SimpleQueue()
        self._local = threading.local()
        self._readers: list[sqlite3.Connection] = []
        try:
            self._writer = self._open()
        except (sqlite3.Error, OSError) as error:
            os.close(self._lock)
            raise StoreError(f"cannot open {self.path}: {error}; check the volume's space and rights") from error
        self._pool = ThreadPoolExecutor(_READERS, thread_name_prefix="kizashi-read")
        self._thread = threading.Thread(target=self._write_forever, name="kizashi-write", daemon=True)
        self._thread.start()

    def _open(self) -> sqlite3.Connection:
        connection = sqlite3.connect(self.path, check_same_thread=False)
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=FULL")
        log_migrations.apply(Database(connection))
        # Transactions are opened and closed by name from here on.
        connection.isolation_level = None
        return connection

    # -- writing ------------------------------------------------------------------------------------------------------

    async def append(self, candidates: Sequence[Candidate]) -> list[Outcome]:
        """Keep what is new; see Log.append."""
        if self._pending + len(candidates) > self._max_pending:
            raise StoreBusyError(f"{self._pending} events wait to be written, {self._max_pending} may; try again soon")
        self._pending += len(candidates)
        loop = asyncio.get_running_loop()
        request = _Request(candidates, loop, loop.create_future())
        self._requests.put(request)
        try:
            # Shielded: when the client is gone, the events are written all the same and the thread sets a live future.
            return await asyncio.shield(request.future)
        finally:
            self._pending -= len(candidates)

    def _write_forever(self) -> None:
        closing = False
        while not closing:
            group = [self._requests.get()]
            events = 0
            while events < _GROUP_EVENTS:
                last = group[-1]
                events += len(last.candidates) if last is not None else 0
                try:
                    group.append(self._requests.get_nowait())
                except queue.Empty:
                    break
            closing = None in group
            requests = [request for request in group if request is not None]
            if requests:
                self._commit_for(requests)

    def _commit_for(self, requests: list[_Request]) -> None:
        began = time.perf_counter()
        try:
            outcomes = self._commit([candidate for request in requests for candidate in request.candidates])
        except Exception as error:  # noqa: BLE001  # whatever it was, nobody may wait for ever, and nothing was kept
            self._fail(requests, error)
            return
        self._trouble = None
        self._on_commit(CommitReport(len(requests), len(outcomes), time.perf_counter() - began))
        for request in requests:
            count = len(request.candidates)
            _answer(request, outcomes[:count])
            outcomes = outcomes[count:]

    def _commit(self, candidates: Sequence[Candidate]) -> list[Outcome]:
        connection = self._writer
        connection.execute("BEGIN IMMEDIATE")
        try:
            judge = Judge(connection, candidates)
            outcomes = [judge.judge(candidate) for candidate in candidates]
            connection.executemany(INSERT, map(to_row, judge.accepted))
            self._keep_rejected(candidates, outcomes)
            if not candidates:
                connection.execute("PRAGMA user_version = 1")  # an empty batch asks whether the disk takes a write
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise
        return outcomes

    def _keep_rejected(self, candidates: Sequence[Candidate], outcomes: Sequence[Outcome]) -> None:
        rows = [
            (candidate.received_at, candidate.id, outcome.code, outcome.message, candidate.body)
            for candidate, outcome in zip(candidates, outcomes, strict=True)
            if outcome.verdict == "rejected"
        ]
        if rows:
            self._writer.executemany(
                "INSERT INTO rejected (received_at, id, code, message, body) VALUES (?, ?, ?, ?, ?)", rows
            )
            self._writer.execute(
                "DELETE FROM rejected WHERE seq <= (SELECT max(seq) FROM rejected) - ?", (MAX_REJECTED,)
            )

    def _fail(self, requests: list[_Request], error: Exception) -> None:
        self._trouble = f"cannot write {self.path.name}: {error}"
        _log.error("cannot write %s: %s; check the volume's space and rights", self.path, error)
        for request in requests:
            _answer(request, StoreError(self._trouble))

    # -- reading ------------------------------------------------------------------------------------------------------

    async def read(self, question: Callable[[sqlite3.Connection], T]) -> T:
        """Run a function on a read-only connection in another thread. It sees everything acknowledged before."""
        return await asyncio.get_running_loop().run_in_executor(self._pool, self._ask, question)

    def _ask(self, question: Callable[[sqlite3.Connection], T]) -> T:
        connection: sqlite3.Connection | None = getattr(self._local, "connection", None)
        if connection is None:
            connection = sqlite3.connect(self.path, check_same_thread=False, isolation_level=None)
            connection.execute("PRAGMA query_only=ON")
            self._local.connection = connection
            self._readers.append(connection)
        connection.execute("BEGIN")
        try:
            return question(connection)
        finally:
            connection.execute("ROLLBACK")

    async def newest(self, limit: int) -> list[LoggedEvent]:
        """The events received last; see Log.newest."""
        sql = f"SELECT {COLUMNS} FROM events ORDER BY seq DESC LIMIT ?"  # noqa: S608  # a constant
        return await self.read(lambda connection: [from_row(row) for row in connection.execute(sql, (limit,))])

    async def rejected(self, limit: int) -> tuple[list[RejectedRow], dict[str, int]]:
        """The events rejected last; see Log.rejected."""

        def question(connection: sqlite3.Connection) -> tuple[list[RejectedRow], dict[str, int]]:
            rows = connection.execute(
                "SELECT received_at, id, code, message, body FROM rejected ORDER BY seq DESC LIMIT ?", (limit,)
            )
            newest = [
                RejectedRow(received_at=at, id=event_id, code=code, message=message, body=body)
                for at, event_id, code, message, body in rows
            ]
            counts = connection.execute("SELECT code, count(*) FROM rejected GROUP BY code ORDER BY code")
            return newest, dict(counts.fetchall())

        return await self.read(question)

    async def names(self) -> list[NameSeen]:
        """The names in the log; see Log.names."""
        sql = "SELECT name, count(*), max(time) FROM events WHERE adjust IS NULL GROUP BY name ORDER BY name"
        return await self.read(lambda connection: [NameSeen(*row) for row in connection.execute(sql)])

    # -- the rest -----------------------------------------------------------------------------------------------------

    async def add_plan(self, plan_id: str, canonical: bytes, applied_at: int) -> None:
        """Append a plan to the history of plans. Raises StoreError."""

        def write() -> None:
            connection = sqlite3.connect(self.path, timeout=10)
            try:
                connection.execute("PRAGMA synchronous=FULL")
                with connection:
                    connection.execute(
                        "INSERT INTO plans (applied_at, plan_id, canonical) VALUES (?, ?, ?)",
                        (applied_at, plan_id, canonical),
                    )
            except sqlite3.Error as error:
                raise StoreError(f"cannot keep the plan: {error}") from error
            finally:
                connection.close()

        await asyncio.get_running_loop().run_in_executor(self._pool, write)

    def last_plan(self) -> bytes | None:
        """The canonical form of the plan that was applied last, or None."""
        row = self._writer.execute("SELECT canonical FROM plans ORDER BY seq DESC LIMIT 1").fetchone()
        return None if row is None else row[0]

    def pending(self) -> int:
        """How many events wait to be written."""
        return self._pending

    async def check(self) -> str | None:
        """Why the log cannot take events now, or None; see Log.check."""
        if self._trouble is not None:
            with contextlib.suppress(StoreError):
                await self.append([])
        return self._trouble

    async def close(self) -> None:
        """Write what waits, then release files and lock; see Log.close."""
        self._requests.put(None)
        loop = asyncio.get_running_loop()
        await loop.run_in_executor(None, self._thread.join)
        await loop.run_in_executor(None, self._pool.shutdown)
        for connection in [*self._readers, self._writer]:
            connection.close()
        os.close(self._lock)


def _own(folder: Path) -> int:
    """Lock the folder for this process, or raise StoreError."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = os.open(folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise StoreError(
            f"cannot use the data folder {folder}: {error}; it must be writable for user {os.getuid()}"
        ) from error
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(lock)
        raise StoreError(f"{folder} belongs to another running collector; stop it, or use another --data") from None
    return lock


def _answer(request: _Request, result: list[Outcome] | Exception) -> None:
    def settle() -> None:
        if request.future.cancelled():
            return
        if isinstance(result, Exception):
            request.future.set_exception(result)
        else:
            request.future.set_result(result)

    try:
        request.loop.call_soon_threadsafe(settle)
    except RuntimeError:  # the loop is closed: nobody waits any more
        _log.debug("a commit finished after its event loop")


def scan(connection: sqlite3.Connection, condition: str, parameters: Sequence[object]) -> Iterator[LoggedEvent]:
    """Events of the log for which a constant SQL condition holds, in no particular order."""
    sql = f"SELECT {COLUMNS} FROM events WHERE {condition}"  # noqa: S608  # callers pass constants
    return map(from_row, connection.execute(sql, tuple(parameters)))
