"""What is kept current, in a process of its own: the same answers, and none of its work in the collector's way."""

from __future__ import annotations

import asyncio
import logging
from functools import partial

from kizashi_collector.store._chunks import Change
from kizashi_collector.store._companion._keeper import Keeper
from kizashi_collector.store._companion._session import Session
from kizashi_collector.store._current import Answer, Asked, told_of
from kizashi_collector.store._log import SqliteLog
from kizashi_collector.store._protocol import AnswersState
from kizashi_schemas.plan import Plan

__all__ = ["Companion"]

_log = logging.getLogger("kizashi.store")


class Companion:
    """Keeps a plan's answers in the companions that a keeper makes; see Kept. To be made in a running event loop.

    Where a companion ends, or cannot follow, nothing is kept until the next one has counted the log.
    """

    def __init__(self, log: SqliteLog, keeper: Keeper) -> None:
        self._log = log
        self._keeper = keeper
        self._loop = asyncio.get_running_loop()
        self._session: Session | None = None
        self._wanted: tuple[Plan | None] | None = None
        self._closing = False
        self._loop.add_reader(keeper, self._arrived)
        log.listen(self._changed)

    def keep(self, plan: Plan | None) -> None:
        """Keep this plan's answers from now on."""
        self._wanted = (plan,)
        if self._session is not None:
            self._session.keep(plan)

    async def ask(self, asked: Asked) -> Answer | None:
        """The answer, if it is kept."""
        return None if self._session is None else await self._session.ask(asked)

    def state(self) -> AnswersState:
        """How things were, a second ago at most."""
        return AnswersState() if self._session is None else self._session.state

    async def close(self) -> None:
        """End the companion and its keeper."""
        self._closing = True
        self._loop.remove_reader(self._keeper)
        if self._session is not None:
            self._session.end()
        await self._loop.run_in_executor(None, self._keeper.close)

    def _arrived(self) -> None:
        """A new companion is there."""
        new = self._keeper.new()
        if new is None:
            self._loop.remove_reader(self._keeper)
            _log.error("nothing is kept current any more: the process that sees to it has ended; restart the collector")
            return
        if self._session is not None:
            self._session.end()
        number, connection = new
        self._session = Session(connection, self._log, partial(self._ended, number))
        if self._wanted is not None:
            self._session.keep(*self._wanted)

    def _ended(self, number: int) -> None:
        self._session = None
        self._keeper.give_up(number)
        if not self._closing:
            _log.warning("what is kept current was lost; answers are counted from the log until it is there again")

    def _changed(self, change: Change) -> None:
        """Tell the companion; in the writer's thread, and never raises."""
        session = self._session
        if session is None:
            return
        try:
            session.tell(told_of(change))
        except OSError:
            self._loop.call_soon_threadsafe(session.end)
        except Exception:  # noqa: BLE001  # it is logged, and the events are stored
            _log.exception("what is kept current misses a change; it is built anew")
            self._loop.call_soon_threadsafe(session.end)
