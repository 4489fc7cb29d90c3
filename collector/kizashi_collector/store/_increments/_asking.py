"""The increments of one log, for whoever asks."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
from sqlite3 import Connection
from typing import TypeVar

from msgspec import Struct

from kizashi_collector.analysis import Ladder, StepValues, Worth
from kizashi_collector.store._chunks import actors_at, adjustments, events_at, last_number
from kizashi_collector.store._cursors import read_cursor
from kizashi_collector.store._fits import fit_at
from kizashi_collector.store._increments._histories import histories, newly_adjusted, with_new_events
from kizashi_collector.store._increments._learned import LearnedLast
from kizashi_collector.store._increments._tasks import Read, Task, in_parts, tasks
from kizashi_collector.store._increments._told import Told
from kizashi_collector.store._ledger import (
    LedgerNews,
    LedgerState,
    emitted_of,
    emitted_of_share,
    expired_actors,
    lines_after,
    source_of_line,
    state_of,
)
from kizashi_collector.store._log import SqliteLog
from kizashi_collector.store._patience import Patience
from kizashi_collector.store._protocol import IncrementsReport, StoreBusyError
from kizashi_schemas.plan import Plan

__all__ = ["Increments"]

_TRIES = 20
_SHARE = 2_000_000
"""Events in one share of the actors, of those that are taken one after the other when a ledger begins."""

T = TypeVar("T")


class _Lack(Struct, frozen=True):
    """What is to be told of, and how far the ledger is then."""

    state: LedgerState
    as_of: int
    last: int
    share: int
    shares: int
    tasks: list[Task]
    read: Read
    values: StepValues
    worth: Worth


class Increments:
    """The increments of one log. At most one request at a time brings the ledger up to date."""

    def __init__(self, log: SqliteLog) -> None:
        self._log = log
        self._lock = asyncio.Lock()
        self._learned = LearnedLast()

    async def ask(
        self, plan: Plan, as_of: int, since: str | None, limit: int, then: Callable[[IncrementsReport], T]
    ) -> T:
        """See Answers.increments."""
        ladder = Ladder.of(plan)
        if ladder is not None:
            async with self._lock:
                await self._bring_up_to_date(plan, ladder, as_of)

        def question(connection: Connection, _: Patience) -> T:
            state = state_of(connection)
            after = read_cursor(since, state.names, state.lines)
            lines, more = lines_after(connection, self._log.texts, state, after, limit)
            end = lines[-1].cursor if lines else since or state.cursor(0)
            return then(IncrementsReport(max(as_of, state.as_of), lines, end, more))

        return await self._log.read(question)

    async def _bring_up_to_date(self, plan: Plan, ladder: Ladder, as_of: int) -> None:
        refused = 0
        while refused < _TRIES:
            lack = await self._log.read(lambda connection, check: self._lack(connection, check, plan, ladder, as_of))
            if lack is None:
                return
            if not await self._settle(lack):
                refused += 1
            elif lack.state.begun or lack.shares == 1:
                return
        raise StoreBusyError("actors are erased faster than increments can be found; try again when that is over")

    def _lack(self, connection: Connection, check: Patience, plan: Plan, ladder: Ladder, as_of: int) -> _Lack | None:
        """What the ledger lacks; None where it is up to date."""
        texts, state = self._log.texts, state_of(connection)
        last = max(state.last_seq, last_number(connection))
        as_of = max(as_of, state.as_of)
        if state.share and not state.begun:
            # What came since the first share is new to it once it has them all.
            as_of, last = state.as_of, state.last_seq
        shares = state.shares or last // _SHARE + 1
        actors: set[int] | None = None
        adjusted = newly_adjusted(connection, texts, state, as_of)
        part = state.share, shares
        if state.begun:
            actors = with_new_events(connection, texts, plan, state, as_of, check)
            actors.update(actors_at(connection, texts, sorted(adjusted)))
            actors |= expired_actors(connection, as_of)
            actors.discard(0)
            if not actors and last == state.last_seq and not state.renamed:
                return None
            emitted = emitted_of(connection, sorted(actors))
        else:
            emitted = emitted_of_share(connection, *part)
        there = () if actors == set() else histories(connection, texts, ladder, as_of, actors, part, check)
        to_tell = list(tasks(there, emitted, ladder, state.edge, adjusted, as_of, check))
        read = Read(to_tell, as_of)
        read.some(partial(events_at, connection, texts), check)
        worth = Worth(plan, adjustments(connection, as_of))
        values = self._learned.values(plan, ladder, worth, lambda: fit_at(connection, plan.learning_id, as_of))
        return _Lack(state, as_of, last, min(state.share + 1, shares), shares, to_tell, read, values, worth)

    async def _settle(self, lack: _Lack) -> bool:
        """Add what is lacking to the ledger; False where something else did, or an actor went.

        All about an actor goes into one transaction, and what follows after the last one of them only into that: what
        breaks off is found again, but for what was added.
        """
        texts, read = self._log.texts, lack.read

        def more(connection: Connection, check: Patience) -> bool:
            # Where the ledger stands elsewhere, events may be gone that are to be read.
            stands = state_of(connection).version == lack.state.version
            if stands:
                read.some(partial(events_at, connection, texts), check)
            return stands

        def settled(at: int, some: list[Task], connection: Connection, _: Patience) -> LedgerNews | None:
            state = state_of(connection)
            if state.version != lack.state.version + at:
                return None
            told = Told(state.lines, state.journeys, lack.as_of, partial(source_of_line, connection), texts.name_known)
            told.settle(some, read, lack.values, lack.worth)
            more_follows = at < len(parts) - 1
            return LedgerNews(
                before=state,
                last_seq=state.last_seq if more_follows else lack.last,
                time=lack.as_of,
                as_of=state.as_of if more_follows else lack.as_of,
                journeys=told.journeys,
                share=state.share if more_follows else lack.share,
                shares=state.shares if more_follows else lack.shares,
                lines=told.lines,
                kept=told.kept,
                dropped=[one.number for one in told.dropped],
            )

        # Question by question, so that none takes longer than one may.
        while not read.done:
            if not await self._log.read(more):
                return False
        parts = list(in_parts(lack.tasks))
        for at, some in enumerate(parts):
            news = await self._log.read(partial(settled, at, some))
            if news is None or not await self._log.add_increments(news):
                return False
        return True
