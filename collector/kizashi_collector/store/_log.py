"""The log in SQLite: one writer thread that commits for everybody, and readers beside it."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import sqlite3
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

from kizashi_collector.analysis import LoggedEvent
from kizashi_collector.store._chunks import Change, Chunks, Texts, newest
from kizashi_collector.store._deletion import Deleter, Erasure, empty_wal, expire
from kizashi_collector.store._event_columns import EventColumns
from kizashi_collector.store._fits import StoredFit, insert_fit
from kizashi_collector.store._folder_lock import own_folder
from kizashi_collector.store._ledger import LedgerNews, add_news
from kizashi_collector.store._patience import Patience
from kizashi_collector.store._protocol import (
    Candidate,
    DamagedError,
    Erased,
    Gone,
    LogState,
    NameSeen,
    Outcome,
    RejectedFilter,
    RejectedRow,
    StoreError,
)
from kizashi_collector.store._rejected import counts_by_code, newest_rejected, rejected_after, settle
from kizashi_collector.store._schema import log_migrations, migrate
from kizashi_collector.store._sqlite_utils import Database
from kizashi_collector.store._state import StateReader
from kizashi_collector.store._trouble import is_damage, is_of_disk, remedy
from kizashi_collector.store._wal import check_wal
from kizashi_collector.store._writer import CommitReport, Writer

__all__ = ["SqliteLog"]

_log = logging.getLogger("kizashi.store")
_READERS = 2
# SQLite asks the progress handler after so many steps of its virtual machine, some tenths of a millisecond.
_PROGRESS_STEPS = 20_000
# Beyond the time that a question may take, after which no old reader holds the write-ahead log.
_WAL_SECONDS = 10.0
_ALL = RejectedFilter()
T = TypeVar("T")


class SqliteLog:
    """The log in `folder`, which one process may own at a time.

    Durable means SQLite's WAL with `synchronous=FULL`: the transaction is fsynced before anybody is answered.
    `max_pending` bounds the events that wait; beyond it `append` raises StoreBusyError. `query_seconds` bounds each
    question. `on_gone` is told, in the event loop, which events retention and erasure took. Opening raises StoreError
    when the folder cannot be used or another process owns it.
    """

    texts: Texts
    """The texts that the log has numbers for."""

    erasures = 0
    """How often somebody was erased since it was opened."""

    def __init__(
        self,
        folder: Path,
        *,
        max_pending: int = 100_000,
        query_seconds: float = 30.0,
        on_commit: Callable[[CommitReport], None] = lambda _: None,
        on_gone: Callable[[Gone], None] = lambda _: None,
    ) -> None:
        self._query_seconds = query_seconds
        self._open_questions: set[Patience] = set()
        self.path = folder / "log.db"
        self._lock = own_folder(folder)
        if (folder / "restoring").exists() and not self.path.exists():
            os.close(self._lock)
            raise StoreError(
                f"a restore into {folder} was not finished; run `kizashi restore` again, "
                f"or remove {folder / 'restoring'}"
            )
        self._local = threading.local()
        self._readers: list[sqlite3.Connection] = []
        try:
            connection = self._open()
            chunks = Chunks(connection, folder / "ids")
        except (sqlite3.Error, OSError) as error:
            os.close(self._lock)
            raise StoreError(f"cannot open {self.path}: {error}; {remedy(error)}") from error
        except StoreError:  # it says itself what to do
            os.close(self._lock)
            raise
        self.texts = chunks.texts
        self._writer = Writer(connection, chunks, max_pending=max_pending, on_commit=on_commit)
        self._deleter = Deleter(self.read, self._writer, chunks, on_gone)
        self._pool = ThreadPoolExecutor(_READERS, thread_name_prefix="kizashi-read")
        self._state = StateReader(folder)
        self._damage: str | None = None
        self._closed = threading.Event()
        self._checker = threading.Thread(target=self._look_for_damage, name="kizashi-check", daemon=True)
        self._checker.start()

    def _open(self) -> sqlite3.Connection:
        check_wal(self.path.with_name("log.db-wal"), self.path)
        connection = sqlite3.connect(self.path, check_same_thread=False)
        try:
            connection.execute("PRAGMA journal_mode=WAL")
            connection.execute("PRAGMA synchronous=FULL")
            # What is deleted is overwritten, so that no free page keeps what was erased.
            connection.execute("PRAGMA secure_delete=ON")
            migrate(log_migrations, Database(connection), self.path)
        except BaseException:
            connection.close()
            raise
        # Transactions are opened and closed by name from here on.
        connection.isolation_level = None
        return connection

    # -- writing ------------------------------------------------------------------------------------------------------

    async def append(self, parts: Sequence[EventColumns | Candidate]) -> Sequence[Outcome]:
        """Keep what is new; see Log.append."""
        return await self._writer.submit(parts)

    def submit(self, parts: Sequence[EventColumns | Candidate]) -> asyncio.Future[Sequence[Outcome]]:
        """Keep what is new, soon; see Log.submit."""
        return self._writer.submit(parts)

    async def add_plan(self, plan_id: str, canonical: bytes, applied_at: int) -> None:
        """Append a plan to the history of plans. Raises StoreError."""
        row = (applied_at, plan_id, canonical)
        sql = "INSERT INTO plans (applied_at, plan_id, canonical) VALUES (?, ?, ?)"
        await self._writer.run(lambda connection: connection.execute(sql, row).rowcount)

    async def add_fit(self, fit: StoredFit) -> StoredFit:
        """Append a fit; return what stands for its plan and boundary once that is durable. Raises StoreError."""
        return await self._writer.run(lambda connection: insert_fit(connection, fit))

    async def add_increments(self, news: LedgerNews) -> bool:
        """Append to the ledger of increments; False where it is elsewhere by now. Raises StoreError."""
        return await self._writer.run(lambda connection: add_news(connection, news))

    async def settle_rejected(self, gone: Sequence[int], kept: Sequence[tuple[int, str, str]]) -> None:
        """Delete rejected events, and give others a new reason; see Log.settle_rejected."""
        await self._writer.run(lambda connection: settle(connection, gone, kept))

    async def retain(self, before: int) -> int:
        """Delete what is older; see Log.retain."""
        return await expire(self._deleter, before)

    async def erase(self, actor: str) -> Erased:
        """Erase an actor; see Log.erase."""
        try:
            erased = await Erasure(self._deleter, actor).run()
        finally:
            self.erasures += 1
        await empty_wal(self.path, seconds=self._query_seconds + _WAL_SECONDS)
        return erased

    def pending(self) -> int:
        """How many events wait to be written."""
        return self._writer.pending

    def refuse_if_damaged(self) -> None:
        """Raise StoreError once damage was found: what was counted of such a log is not to be trusted."""
        if self._damage is not None:
            raise StoreError(self._damage)

    async def check(self) -> str | None:
        """Why the log cannot take events now, or None; see Log.check."""
        if self._writer.stalled:
            return self._writer.stalled
        if self._writer.trouble is not None:
            with contextlib.suppress(StoreError):
                await self.append([])
        return self._damage or self._writer.trouble

    async def state(self) -> LogState:
        """What the log weighs; see Log.state."""
        chunks = self._writer._chunks
        # Not in the readers' pool: long questions may fill it, and that is when this is asked.
        return await asyncio.to_thread(self._state.read, chunks._seen, chunks._broken)

    def _look_for_damage(self) -> None:
        """Read the whole file once, beside everything else: no index may lead past an event. In a thread."""
        with contextlib.closing(sqlite3.connect(self.path, isolation_level=None)) as connection:
            connection.execute("PRAGMA query_only=ON")
            connection.set_progress_handler(self._closed.is_set, _PROGRESS_STEPS)
            try:
                (found,) = connection.execute("PRAGMA integrity_check(1)").fetchone()
            except sqlite3.DatabaseError as error:
                if is_damage(error):
                    self._report_damage(str(error))
                return  # interrupted at the end, or the disk's trouble, which the writer meets too
        if found != "ok":
            self._report_damage(found.splitlines()[-1])

    def _report_damage(self, found: str) -> None:
        if self._damage is None:
            self._damage = (
                f"{self.path} is damaged: {found}; stop, keep a copy, and restore the data folder from a backup"
            )
            _log.critical("%s", self._damage)

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
        try:
            connection.execute("BEGIN")
            return question(connection, patience)
        except DamagedError as error:
            self._report_damage(str(error))
            raise
        except sqlite3.DatabaseError as error:
            if isinstance(error, sqlite3.OperationalError):
                patience()  # interrupted by the progress handler: say why
            if is_damage(error):
                self._report_damage(str(error))
            elif not is_of_disk(error):
                raise
            raise StoreError(f"cannot read {self.path}: {error}; {remedy(error)}") from error
        finally:
            connection.set_progress_handler(None, 0)
            with contextlib.suppress(sqlite3.Error):  # what SQLite rolled back itself is no open transaction
                connection.execute("ROLLBACK")

    async def newest(self, limit: int) -> list[LoggedEvent]:
        """The events received last; see Log.newest."""
        return await self.read(lambda connection, _: newest(connection, self.texts, limit))

    async def rejected(self, limit: int, wanted: RejectedFilter = _ALL) -> tuple[list[RejectedRow], dict[str, int]]:
        """The events rejected last; see Log.rejected."""
        return await self.read(
            lambda connection, _: (newest_rejected(connection, limit, wanted), counts_by_code(connection, wanted))
        )

    async def rejected_after(self, seq: int, limit: int, wanted: RejectedFilter) -> list[RejectedRow]:
        """Rejected events in the order in which they came; see Log.rejected_after."""
        return await self.read(lambda connection, _: rejected_after(connection, seq, limit, wanted))

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

    def listen(self, on_change: Callable[[Change], None]) -> None:
        """Have somebody told of what each transaction changed, in the writer's thread before whoever asked for it.

        It must not raise.
        """
        self._writer._chunks.on_change = on_change

    def between(self, do: Callable[[], None]) -> None:
        """Have something done in the writer's thread, soon, between two transactions; it must not raise."""
        self._writer.between(do)

    async def close(self) -> None:
        """Write what waits, then release files and lock; see Log.close."""
        for patience in self._open_questions:
            patience.end()
        self._closed.set()
        await self._writer.close()
        await asyncio.get_running_loop().run_in_executor(None, self._checker.join)
        await asyncio.get_running_loop().run_in_executor(None, self._pool.shutdown)
        for connection in self._readers:
            connection.close()
        os.close(self._lock)
