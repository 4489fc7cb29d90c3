"""The increments of the store, for whoever asks."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, Protocol, TypeVar

from msgspec.structs import replace

from kizashi_collector.analysis import Ladder, Worth
from kizashi_collector.store._clickhouse._engine import Engine
from kizashi_collector.store._clickhouse._increments._ledger import Ledger, LedgerState, News
from kizashi_collector.store._clickhouse._increments._reading import Reading, has_source
from kizashi_collector.store._clickhouse._kept import Kept
from kizashi_collector.store._clickhouse._question import Question
from kizashi_collector.store._clickhouse._seen import NOTHING, Seen
from kizashi_collector.store._clickhouse._settled import COLLECTORS, read_settled
from kizashi_collector.store._cursors import Names, cursor_of, read_cursor
from kizashi_collector.store._increments import LearnedLast, Read, Told, tasks
from kizashi_collector.store._protocol import IncrementLine, IncrementsReport, StoreBusyError
from kizashi_schemas.plan import Plan

__all__ = ["Increments", "Run"]

_TRIES = 20
_SHARE = 500_000
"""Events in one share of the actors, of those that are taken one after the other when a ledger begins, in some five
seconds each."""
_ACTORS = 50_000
"""Actors in one share later on."""
_KNOWN_MS = 3_600_000
"""Where nothing is to be told, what is known is written down so often."""

T = TypeVar("T")


class Run(Protocol):
    """Does something in another thread."""

    def __call__(self, do: Callable[[], T], /) -> Awaitable[T]: ...


class Increments:
    """The increments of one store.

    Any collector may be asked, and finds out what is new by itself; one at a time adds it, and whoever comes second
    looks again.
    """

    def __init__(self, engine: Engine, kept: Kept, seconds: float, run: Run, ledger: Ledger | None = None) -> None:
        self._engine, self._kept, self._seconds, self._run = engine, kept, seconds, run
        self._ledger = ledger or Ledger(engine)
        self._names: Names = ()
        self._learned = LearnedLast()
        self._lock = asyncio.Lock()

    async def ask(
        self, plan: Plan, as_of: int, since: str | None, limit: int, then: Callable[[IncrementsReport], T]
    ) -> T:
        """See Answers.increments."""
        ladder = Ladder.of(plan)
        if ladder is not None:
            async with self._lock:
                await self._bring_up_to_date(plan, ladder, as_of)
        return await self._question(lambda question: then(self._report(question, as_of, since, limit)))

    async def _question(self, do: Callable[[Question], T]) -> T:
        question = Question(self._engine, self._seconds)
        try:
            return await self._run(partial(do, question))
        except asyncio.CancelledError:
            # The client has left: nobody waits for the work any more.
            asyncio.get_running_loop().run_in_executor(None, question.end)
            raise

    def _report(self, question: Question, as_of: int, since: str | None, limit: int) -> IncrementsReport:
        if not self._names:
            self._names = ((0, self._kept.identity()[0]),)
        state = self._ledger.state(question.ask)
        after = read_cursor(since, self._names, state.lines)
        rows = self._ledger.lines(question.ask, state, after, limit + 1)
        lines = [self._line(row) for row in rows[:limit]]
        end = lines[-1].cursor if lines else since or cursor_of(0, self._names)
        return IncrementsReport(max(as_of, state.seen.as_of), lines, end, len(rows) > limit)

    def _line(self, row: tuple[Any, ...]) -> IncrementLine:
        number, time, journey, _, actor, kind, name, event_id, event_time, order, source, value, emitted, fit = row
        return IncrementLine(
            cursor=cursor_of(number, self._names),
            time=time,
            journey=f"{journey}",
            actor=actor,
            kind=kind,
            event=name,
            event_id=event_id,
            event_time=event_time,
            order=order,
            source=source,
            value=value,
            emitted=emitted,
            fit=fit,
        )

    async def _bring_up_to_date(self, plan: Plan, ladder: Ladder, as_of: int) -> None:
        refused = 0
        while refused < _TRIES:
            news = await self._question(lambda question: self._news(question, plan, ladder, as_of))
            if news is None:
                return
            if not await self._run(partial(self._ledger.publish, news)):
                refused += 1
            elif not (news.before.between or news.after.between):
                return
        raise StoreBusyError("others tell increments faster than this collector finds them; try again")

    def _news(self, question: Question, plan: Plan, ladder: Ladder, as_of: int) -> News | None:
        """What the ledger lacks, of one share of the actors; None where it is up to date."""
        ask, check = question.ask, question.check
        state, settled = self._ledger.state(ask), read_settled(self._engine)
        goal = state.goal if state.between else Seen.of(settled, max(as_of, state.seen.as_of))
        as_of = goal.as_of
        reading = Reading(ask, ladder, goal.settled(settled.edges).view(), as_of, 0, 1)
        actors: set[int] | None = None
        adjusted: dict[int, int] = {}
        if state.seen.as_of >= 0:
            actors = reading.touched(state.seen, goal, settled.edges) | self._ledger.expired(ask, state, as_of)
            adjusted = reading.adjusted(state.seen, goal, settled.edges)
            actors.update(adjusted.values())
            if not actors and not state.between and not _long_ago(state.seen, goal):
                return None
        if not state.between:
            shares = (reading.count() // _SHARE if actors is None else len(actors) // _ACTORS) + 1
            state = replace(state, share=0, shares=shares, goal=goal)
        if actors is not None:
            actors = {actor for actor in actors if actor % state.shares == state.share}
        reading = replace(reading, share=state.share, shares=state.shares)
        names: dict[int, str] = {}
        emitted = self._ledger.emitted(ask, state, actors, names)
        there = () if actors == set() else reading.histories(actors, names)
        to_tell = list(tasks(there, emitted, ladder, settled.edge, set(adjusted), as_of, check))
        read = Read(to_tell, as_of, has_source)
        while not read.done:
            read.some(reading.events_at, check)
        worth = Worth(plan, reading.adjustments(read.events.values()))
        values = self._learned.values(plan, ladder, worth, lambda: self._kept.fit_at(plan.learning_id, as_of))
        entries = {task.before.entry for task in to_tell if task.before is not None and task.before.emitted}
        sources = self._ledger.sources(ask, state, entries)
        told = Told(state.lines, state.journeys, as_of, sources.__getitem__, str)
        told.settle(to_tell, read, values, worth)
        after = _advanced(state, told)
        return News(state, after, as_of, names, told.lines, told.kept, told.dropped)


def _advanced(state: LedgerState, told: Told) -> LedgerState:
    """The ledger once it knows the share that it lacked."""
    share = state.share + 1
    state = replace(state, lines=told.last, journeys=told.journeys, share=share)
    return state if state.between else replace(state, seen=state.goal, goal=NOTHING)


def _long_ago(seen: Seen, goal: Seen) -> bool:
    return goal.sealed - seen.sealed > _KNOWN_MS * COLLECTORS
