"""Group commit: what comes while one batch is being written goes together into the next one."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

from msgspec import Struct

from kizashi_collector.store._event_columns import EventColumns
from kizashi_collector.store._protocol import (
    ACCEPTED,
    Candidate,
    Outcome,
    QueryTooSlowError,
    StoreBusyError,
    StoreError,
)
from kizashi_collector.store._writer import CommitReport

__all__ = ["Turns"]

_log = logging.getLogger("kizashi.store")
_GROUP_EVENTS = 50_000
_PATIENCE_S = 10.0
_LOOK_S = 0.5
Parts = Sequence[EventColumns | Candidate]


class _Waiting(Struct, frozen=True, eq=False):
    parts: Parts
    events: int
    future: asyncio.Future[Sequence[Outcome]]


class Turns:
    """Calls `append` in a thread of its own, one call after the other, for callers in one event loop.

    Who has waited for a call of more than 10 s is told to try again, and so is who comes then: nothing is known of what
    is on its way, and it counts once whether it arrives or not.

    `pending` is how many events wait, `trouble` why the last call failed, `busy_since` since when one is running, on
    the monotonic clock.
    """

    def __init__(
        self,
        append: Callable[[Parts], list[Outcome]],
        max_pending: int,
        pause_seconds: float,
        on_commit: Callable[[CommitReport], None],
    ) -> None:
        self.pending = 0
        self.trouble: str | None = None
        self.busy_since: float | None = None
        self._append, self._max_pending, self._on_commit = append, max_pending, on_commit
        self._pause = pause_seconds
        self._waiting: list[_Waiting] = []
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="kizashi-write")
        self._task: asyncio.Task[None] | None = None
        self._began = float("-inf")

    def submit(self, parts: Parts) -> asyncio.Future[Sequence[Outcome]]:
        """Have events appended, soon; see Log.submit."""
        events = sum(len(part) if isinstance(part, EventColumns) else 1 for part in parts)
        if self.pending + events > self._max_pending:
            raise StoreBusyError(f"{self.pending} events wait to be written, {self._max_pending} may; try again soon")
        self.pending += events
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Sequence[Outcome]] = loop.create_future()
        self._waiting.append(_Waiting(parts, events, future))
        if self._task is None or self._task.done():
            self._task = loop.create_task(self._work())
        return future

    async def close(self) -> None:
        """Finish what waits."""
        while self._task is not None and not self._task.done():
            await self._task
        await asyncio.get_running_loop().run_in_executor(None, self._thread.shutdown)

    async def _work(self) -> None:
        """Take turns until nothing waits."""
        while self._waiting:
            early = self._pause - (time.monotonic() - self._began)
            if early > 0:
                await asyncio.sleep(early)
            self._began = time.monotonic()
            await self._turn(self._group())

    def _group(self) -> list[_Waiting]:
        """The first that wait, as many as one batch may hold."""
        events = taken = 0
        while taken < len(self._waiting) and events < _GROUP_EVENTS:
            events += self._waiting[taken].events
            taken += 1
        group, self._waiting = self._waiting[:taken], self._waiting[taken:]
        return group

    async def _turn(self, group: list[_Waiting]) -> None:
        parts = [part for waiting in group for part in waiting.parts]
        events = sum(waiting.events for waiting in group)
        self.busy_since = began = time.monotonic()
        try:
            call = asyncio.get_running_loop().run_in_executor(self._thread, self._append, parts)
            while not (await asyncio.wait([call], timeout=_LOOK_S))[0]:
                if time.monotonic() - began > _PATIENCE_S:
                    self._give_up(group)
            outcomes = call.result()
        except Exception as error:  # noqa: BLE001  # whatever it was, nobody may wait for ever, and nothing counts
            self._failed(group, error)
            return
        finally:
            self.pending -= events
            self.busy_since = None
        if self.trouble is not None and (not parts or ACCEPTED in outcomes):  # otherwise nothing may have been written
            _log.info("writing works again")
            self.trouble = None
        self._on_commit(CommitReport(len(group), events, time.monotonic() - began))
        start = 0
        for waiting in group:
            if not waiting.future.done():
                waiting.future.set_result(outcomes[start : start + waiting.events])
            start += waiting.events

    def _give_up(self, group: list[_Waiting]) -> None:
        """Let nobody wait any more for a call that goes on."""
        behind, self._waiting = self._waiting, []
        self.pending -= sum(waiting.events for waiting in behind)
        silent = f"ClickHouse has not answered for {_PATIENCE_S:.0f} s; is the server up, and has it too much to do?"
        self._failed([*group, *behind], StoreError(silent))

    def _failed(self, group: list[_Waiting], error: Exception) -> None:
        if isinstance(error, QueryTooSlowError):
            # Whoever sends asked no question.
            error = StoreBusyError("cannot write: ClickHouse took too long; has it too much to do?")
        trouble = str(error) if isinstance(error, StoreError) else f"cannot write: {error!r}"
        if trouble != self.trouble:
            # Once for each trouble: whoever sends tries again and again.
            _log.error(
                "%s; nothing is taken until then, and it is tried again",
                trouble,
                exc_info=not isinstance(error, StoreError),
            )
        self.trouble = trouble
        for waiting in group:
            if not waiting.future.done():
                waiting.future.set_exception(error if isinstance(error, StoreError) else StoreError(trouble))
