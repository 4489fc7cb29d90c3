"""The log in SQLite: one writer thread that commits for everybody, and readers beside it."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import sqlite3
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

from sqlite_utils import Database

from kizashi_collector.analysis import LoggedEvent
from kizashi_collector.store._chunks import Chunks
from kizashi_collector.store._event_columns import EventColumns
from kizashi_collector.store._patience import Patience
from kizashi_collector.store._protocol import Candidate, NameSeen, Outcome, RejectedRow, StoreError
from kizashi_collector.store._scan import newest
from kizashi_collector.store._schema import log_migrations
from kizashi_collector.store._texts import Texts
from kizashi_collector.store._writer import CommitReport, Writer

__all__ = ["SqliteLog"]

_READERS = 2
# SQLite asks the progress handler after so many steps of its virtual machine, some tenths of a millisecond.
_PROGRESS_STEPS = 20_000
T = TypeVar("T")


class SqliteLog:
    """The log in `folder`, which one process may own at a time.

    Durable means SQLite's WAL with `synchronous=FULL`: the transaction is fsynced before anybody is answered.
    `max_pending` bounds the events that wait; beyond it `append` raises StoreBusyError. `query_seconds` bounds each
    question. Opening raises StoreError when the folder cannot be used or another process owns it.
    """

    texts: Texts
    """The texts that the log has numbers for."""

    def __init__(
        self,
        folder: Path,
        *,
        max_pending: int = 100_000,
        query_seconds: float = 30.0,
        on_commit: Callable[[CommitReport], None] = lambda _: None,
    ) -> None:
        self._query_seconds = query_seconds
        self._open_questions: set[Patience] = set()
        self.path = folder / "log.db"
        self._lock = _own(folder)
        self._local = threading.local()
        self._readers: list[sqlite3.Connection] = []
        try:
            connection = self._open()
            chunks = Chunks(connection, folder / "ids")
        except (sqlite3.Error, OSError, StoreError) as error:
            os.close(self._lock)
            raise StoreError(f"cannot open {self.path}: {error}; check the volume's space and rights") from error
        self.texts = chunks.texts
        self._writer = Writer(connection, chunks, max_pending=max_pending, on_commit=on_commit)
        self._pool = ThreadPoolExecutor(_READERS, thread_name_prefix="kizashi-read")

    def _open(self) -> sqlite3.Connection:
        connection = sqlite3.connect(self.path, check_same_thread=False)
        try:
            connection.execute("PRAGMA journal_mode=WAL")
            connection.execute("PRAGMA synchronous=FULL")
            log_migrations.apply(Database(connection))
        except BaseException:
            connection.close()
            raise
        # Transactions are opened and closed by name from here on.
        connection.isolation_level = None
        return connection

    # -- writing ------------------------------------------------------------------------------------------------------

    async def append(self, parts: Sequence[EventColumns | Candidate]) -> Sequence[Outcome]:
        """Keep what is new; see Log.append."""
        return await self._writer.append(parts)

    async def add_plan(self, plan_id: str, canonical: bytes, applied_at: int) -> None:
        """Append a plan to the history of plans. Raises StoreError."""
        row = (applied_at, plan_id, canonical)
        sql = "INSERT INTO plans (applied_at, plan_id, canonical) VALUES (?, ?, ?)"
        await self._writer.run(lambda connection: connection.execute(sql, row).rowcount)

    def pending(self) -> int:
        """How many events wait to be written."""
        return self._writer.pending

    async def check(self) -> str | None:
        """Why the log cannot take events now, or None; see Log.check."""
        if self._writer.trouble is not None:
            with contextlib.suppress(StoreError):
                await self.append([])
        return self._writer.trouble

    # -- reading ------------------------------------------------------------------------------------------------------

    async def read(self, question: Callable[[sqlite3.Connection, Patience], T]) -> T:
        """Run a function on a read-only connection in another thread. It sees everything acknowledged before.

        Raises QueryTooSlowError and QueryEndedError as the function's patience does, which SQLite shares.
        """
        patience = Patience(self._query_seconds)
        self._open_questions.add(patience)
        try:
            return await asyncio.get_running_loop().run_in_executor(self._pool, self._ask, question, patience)
        finally:
            # When the client has left, this ends the work that nobody waits for.
            patience.end()
            self._open_questions.discard(patience)

    def _ask(self, question: Callable[[sqlite3.Connection, Patience], T], patience: Patience) -> T:
        patience()
        connection: sqlite3.Connection | None = getattr(self._local, "connection", None)
        if connection is None:
            connection = sqlite3.connect(self.path, check_same_thread=False, isolation_level=None)
            connection.execute("PRAGMA query_only=ON")
            self._local.connection = connection
            self._readers.append(connection)
        connection.set_progress_handler(lambda: patience.over, _PROGRESS_STEPS)
        connection.execute("BEGIN")
        try:
            return question(connection, patience)
        except sqlite3.OperationalError:
            patience()  # interrupted by the progress handler: say why
            raise
        finally:
            connection.set_progress_handler(None, 0)
            connection.execute("ROLLBACK")

    async def newest(self, limit: int) -> list[LoggedEvent]:
        """The events received last; see Log.newest."""
        return await self.read(lambda connection, _: newest(connection, self.texts, limit))

    async def rejected(self, limit: int) -> tuple[list[RejectedRow], dict[str, int]]:
        """The events rejected last; see Log.rejected."""

        def question(connection: sqlite3.Connection, _: Patience) -> tuple[list[RejectedRow], dict[str, int]]:
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
        sql = "SELECT name, count, last_time FROM names"
        rows = await self.read(lambda connection, _: connection.execute(sql).fetchall())
        seen = [NameSeen(self.texts.name_of(name), count, last_time) for name, count, last_time in rows]
        return sorted(seen, key=lambda one: one.name)

    async def last_plan(self) -> bytes | None:
        """The canonical form of the plan that was applied last, or None."""
        sql = "SELECT canonical FROM plans ORDER BY seq DESC LIMIT 1"
        row = await self.read(lambda connection, _: connection.execute(sql).fetchone())
        return None if row is None else row[0]

    async def close(self) -> None:
        """Write what waits, then release files and lock; see Log.close."""
        for patience in self._open_questions:
            patience.end()
        await self._writer.close()
        await asyncio.get_running_loop().run_in_executor(None, self._pool.shutdown)
        for connection in self._readers:
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
