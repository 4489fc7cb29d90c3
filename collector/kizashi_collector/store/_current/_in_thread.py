"""What is kept current, in threads of this process."""

from __future__ import annotations

import asyncio
import logging
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from kizashi_collector.store._chunks import Change
from kizashi_collector.store._current._asked import Answer, Asked, answer_of
from kizashi_collector.store._current._current import Current
from kizashi_collector.store._current._view import told_of
from kizashi_collector.store._fits import StoredFit
from kizashi_collector.store._log import SqliteLog
from kizashi_collector.store._protocol import AnswersState, StoreError
from kizashi_schemas.plan import Plan

__all__ = ["InThread"]

_log = logging.getLogger("kizashi.store")
# While somebody waits, threads that work on columns, and let go of the interpreter at each of them, get it back sooner.
_HURRY = 0.00005


class _LogSource:
    """The log in the same process; see Source. To be made in a running event loop."""

    def __init__(self, log: SqliteLog) -> None:
        self._log = log
        self._loop = asyncio.get_running_loop()
        self.path, self.texts = log.path, log.texts
        self._keeping: set[asyncio.Task[None]] = set()

    def between(self, do: Callable[[], None]) -> None:
        """Have something done soon, in the writer's thread, between two transactions."""
        self._log.between(do)

    def keep_fit(self, fit: StoredFit, then: Callable[[StoredFit | None], None]) -> None:
        """Append a fit to the log."""

        async def keep() -> None:
            try:
                kept = await self._log.add_fit(fit)
            except StoreError:
                _log.exception("what was learned cannot be kept")
                then(None)
            else:
                then(kept)

        def begin() -> None:
            task = self._loop.create_task(keep())
            self._keeping.add(task)
            task.add_done_callback(self._keeping.discard)

        try:
            self._loop.call_soon_threadsafe(begin)
        except RuntimeError:  # the loop is closed
            then(None)


class InThread:
    """Keeps a plan's answers in a thread of this process, at the time that `now` tells; see Kept."""

    def __init__(self, log: SqliteLog, now: Callable[[], int]) -> None:
        self.current = Current(_LogSource(log), now)
        self._texts = log.texts
        self._waiting = 0
        self._interval = sys.getswitchinterval()
        # Of its own, so that no long question is in the way.
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="kizashi-answer")
        log.listen(self._changed)

    def _changed(self, change: Change) -> None:
        try:
            self.current.told(told_of(change))
        except Exception:  # noqa: BLE001  # it is logged, and the events are stored
            _log.exception("what is kept current misses a change; it is built anew")
            self.current.missed()

    def keep(self, plan: Plan | None) -> None:
        """Keep this plan's answers from now on."""
        self.current.keep(plan)

    async def ask(self, asked: Asked) -> Answer | None:
        """The answer, if it is kept."""
        if not self._waiting:
            self._interval = sys.getswitchinterval()
            sys.setswitchinterval(_HURRY)
        self._waiting += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(
                self._pool, answer_of, asked, self.current, self._texts
            )
        finally:
            self._waiting -= 1
            if not self._waiting:
                sys.setswitchinterval(self._interval)

    def state(self) -> AnswersState:
        """How things are."""
        return self.current.state()

    async def close(self) -> None:
        """Let go of everything."""
        await asyncio.get_running_loop().run_in_executor(self._pool, self.current.close)
        self._pool.shutdown()
