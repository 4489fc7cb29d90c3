"""The log in ClickHouse: any number of collectors write into it and read from it, and none keeps anything itself."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import secrets
import socket
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from kizashi_collector.analysis import LoggedEvent
from kizashi_collector.store._clickhouse._address import Address
from kizashi_collector.store._clickhouse._append import Appender
from kizashi_collector.store._clickhouse._deleting import Deleter
from kizashi_collector.store._clickhouse._engine import Engine
from kizashi_collector.store._clickhouse._kept import Kept
from kizashi_collector.store._clickhouse._migrate import migrate
from kizashi_collector.store._clickhouse._rows import COLUMN_NAMES, event_of
from kizashi_collector.store._clickhouse._settled import COLLECTORS, read_settled
from kizashi_collector.store._clickhouse._state import state_of
from kizashi_collector.store._clickhouse._turns import Turns
from kizashi_collector.store._event_columns import EventColumns
from kizashi_collector.store._protocol import (
    Candidate,
    Erased,
    LogState,
    NameSeen,
    Outcome,
    RejectedFilter,
    RejectedRow,
    StoreError,
)
from kizashi_collector.store._writer import CommitReport

__all__ = ["ClickHouseLog"]

_log = logging.getLogger("kizashi.store")
_READERS = 4
_ALL = RejectedFilter()
_STALLED_S = 10.0
_STATE_S = 5.0
T = TypeVar("T")


class ClickHouseLog:
    """The log at an address.

    Durable means that the server has acknowledged the insert; in a cluster, a majority of the replicas. `max_pending`
    bounds the events that wait here; beyond it `append` raises StoreBusyError. Batches are at least `pause_seconds`
    apart, since each becomes a part that the server has to merge. A new store takes `salt` for its hashes. Opening
    raises StoreError when the server cannot be used, or was written to by a newer version.
    """

    erasures = 0
    """How often this collector erased somebody since it was opened."""

    def __init__(
        self,
        address: Address,
        *,
        max_pending: int = 100_000,
        query_seconds: float = 30.0,
        pause_seconds: float = 0.1,
        on_commit: Callable[[CommitReport], None] = lambda _: None,
        salt: bytes | None = None,
    ) -> None:
        self.query_seconds = query_seconds
        self.engine = Engine(address, answer_seconds=query_seconds)
        migrate(self.engine)
        self.kept = Kept(self.engine)
        self._history, self._salt = self.kept.identity(salt)
        self._appender = Appender(self.engine, self._register(), self._salt)
        self._deleter = Deleter(self.engine, self._salt)
        self._turns = Turns(self._appender.append, max_pending, pause_seconds, on_commit)
        self._pool = ThreadPoolExecutor(_READERS, thread_name_prefix="kizashi-read")

    def _register(self) -> int:
        """Choose a number that no other collector has."""
        while True:
            number, token = secrets.randbelow(COLLECTORS), secrets.token_hex(8)
            self.engine.run(
                "INSERT INTO collectors (number, token, host) VALUES ({number:UInt32}, {token:String}, {host:String})",
                {"number": number, "token": token, "host": socket.gethostname()},
            )
            (others,) = self.engine.ask(
                "SELECT count() FROM collectors WHERE number = {number:UInt32} AND token != {token:String}",
                {"number": number, "token": token},
            )
            if others[0] == 0:
                return number

    # -- writing ------------------------------------------------------------------------------------------------------

    async def append(self, parts: Sequence[EventColumns | Candidate]) -> Sequence[Outcome]:
        """Keep what is new; see Log.append."""
        return await self.submit(parts)

    def submit(self, parts: Sequence[EventColumns | Candidate]) -> asyncio.Future[Sequence[Outcome]]:
        """Keep what is new, soon; see Log.submit."""
        return self._turns.submit(parts)

    async def add_plan(self, plan_id: str, canonical: bytes, applied_at: int) -> None:
        """Append a plan to the history of plans. Raises StoreError."""
        seq = self._appender.next_batch()
        await self.run(lambda: self.kept.add_plan(seq, plan_id, canonical, applied_at))

    async def last_plan(self) -> bytes | None:
        """The canonical form of the plan that was applied last, or None."""
        return await self.run(self.kept.last_plan)

    async def settle_rejected(self, gone: Sequence[int], kept: Sequence[tuple[int, str, str]]) -> None:
        """Delete rejected events, and give others a new reason; see Log.settle_rejected."""
        version = self._appender.next_batch()
        await self.run(lambda: self.kept.settle_rejected(gone, kept, version))

    async def retain(self, before: int) -> int:
        """Delete what is older; see Log.retain."""
        return await self.run(lambda: self._deleter.retain(before))

    async def erase(self, actor: str) -> Erased:
        """Erase an actor; see Log.erase."""
        try:
            return await self.run(lambda: self._deleter.erase(actor))
        finally:
            self.erasures += 1

    async def seal(self) -> None:
        """Settle for good what is old enough, and delete what never counted."""
        await self.run(self._deleter.seal)

    def next_number(self) -> int:
        """A number for what is kept beside events: milliseconds since 2026, each once here."""
        return self._appender.next_batch() // COLLECTORS

    def unique_number(self) -> int:
        """A number that nobody else has, here or in another collector."""
        return self._appender.next_batch()

    def pending(self) -> int:
        """How many events wait to be written."""
        return self._turns.pending

    async def check(self) -> str | None:
        """Why the log cannot take events now, or None; see Log.check."""
        since = self._turns.busy_since
        if since is not None and (seconds := time.monotonic() - since) > _STALLED_S:
            return f"ClickHouse has not answered for {seconds:.0f} s; is the server up, and has it too much to do?"
        if self._turns.trouble is not None:
            with contextlib.suppress(StoreError):
                await self.append([])
        return self._turns.trouble

    # -- reading ------------------------------------------------------------------------------------------------------

    async def run(self, do: Callable[[], T]) -> T:
        """Do something with the engine in another thread. Raises StoreError."""
        return await asyncio.get_running_loop().run_in_executor(self._pool, do)

    async def newest(self, limit: int) -> list[LoggedEvent]:
        """The events received last; see Log.newest."""
        return await self.run(lambda: self._newest(limit))

    def _newest(self, limit: int) -> list[LoggedEvent]:
        view = read_settled(self.engine).view()
        # Batches come in the order of their numbers: the last ones have the rows that are wanted.
        columns = self.engine.ask(
            f"SELECT {', '.join(COLUMN_NAMES)} FROM {view.table} WHERE {view.where} AND {view.logged} "
            "ORDER BY batch DESC, n DESC LIMIT {limit:UInt32}",
            {"limit": limit},
        )
        return [event_of(row) for row in zip(*columns, strict=True)]

    async def rejected(self, limit: int, wanted: RejectedFilter = _ALL) -> tuple[list[RejectedRow], dict[str, int]]:
        """The events rejected last; see Log.rejected."""
        return await self.run(lambda: (self.kept.newest_rejected(limit, wanted), self.kept.rejected_by_code(wanted)))

    async def rejected_after(self, seq: int, limit: int, wanted: RejectedFilter) -> list[RejectedRow]:
        """Rejected events in the order in which they came; see Log.rejected_after."""
        return await self.run(lambda: self.kept.rejected_after(seq, limit, wanted))

    async def names(self) -> list[NameSeen]:
        """The names in the log; see Log.names."""
        return await self.run(self._names)

    def _names(self) -> list[NameSeen]:
        view = read_settled(self.engine).view()
        found = self.engine.ask(
            f"SELECT name, count(), max(time) FROM {view.table} WHERE {view.where} AND adjust = 0 GROUP BY name"
        )
        seen = [NameSeen(name, count, last_time) for name, count, last_time in zip(*found, strict=True)]
        return sorted(seen, key=lambda one: one.name)

    async def state(self) -> LogState:
        """What the log weighs; see Log.state."""
        try:
            async with asyncio.timeout(_STATE_S):
                return await self.run(lambda: state_of(self.engine))
        except TimeoutError:
            raise StoreError(f"ClickHouse has not answered for {_STATE_S:.0f} s; is the server up?") from None

    async def close(self) -> None:
        """Write what waits, then let go; see Log.close."""
        await self._turns.close()
        await asyncio.get_running_loop().run_in_executor(None, self._pool.shutdown)
        self.engine.close()
