"""Answers about a store in ClickHouse, counted there."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from kizashi_collector.analysis import Break, Interval, Ladder, Review
from kizashi_collector.store._clickhouse._increments import Increments
from kizashi_collector.store._clickhouse._journeys import LAG_MS, Walks
from kizashi_collector.store._clickhouse._log import ClickHouseLog
from kizashi_collector.store._clickhouse._question import Question
from kizashi_collector.store._clickhouse._refreshed import Refreshed
from kizashi_collector.store._clickhouse._snapshot import FoundBreaks, Snapshot
from kizashi_collector.store._protocol import AnswersState, FunnelReport, IncrementsReport, StoreError, SummaryReport
from kizashi_collector.store._reviews import Reviews
from kizashi_schemas import Funnel, parse_duration
from kizashi_schemas.plan import Plan

__all__ = ["ClickHouseAnswers"]

_READERS = 8
_LEARNING_S = 600.0
_HOUR_MS = 3_600_000
# As often as breaks are looked for anew where answers are kept in memory. Who asks for a plan waits no longer for them.
_BREAKS_MS = 60_000
_BREAKS_S = 0.1
_log = logging.getLogger("kizashi.store")
T = TypeVar("T")


class ClickHouseAnswers:
    """Answers for a log in ClickHouse.

    What a plan declares, over its windows as they end now, is counted again every `refresh_seconds` while somebody asks
    for it, and may be twice as old: the report says as of when it is. All else, and what is to be fresh, is counted
    when it is asked; with 0 seconds, everything. `now` is the collector's clock in milliseconds.
    """

    def __init__(self, log: ClickHouseLog, now: Callable[[], int], *, refresh_seconds: float = 10.0) -> None:
        self._log, self._now = log, now
        self._plan: Plan | None = None
        self._pool = ThreadPoolExecutor(_READERS, thread_name_prefix="kizashi-ask")
        self._questions: set[Question] = set()
        self._refreshes = refresh_seconds > 0
        self._summaries = Refreshed[SummaryReport](refresh_seconds)
        self._funnels = Refreshed[FunnelReport](refresh_seconds)
        self._walks = Walks(log.engine)
        self._increments = Increments(log.engine, log.kept, log.query_seconds, log.run)
        self._reviews = Reviews(
            lambda plan, as_of: self._ask(lambda snapshot: snapshot.review(plan, as_of)), lambda: log.erasures
        )
        self._found_breaks: FoundBreaks | None = None
        self._looking: asyncio.Task[None] | None = None
        self._complete_until: int | None = None
        self._learned_until: int | None = None
        self._learning_seconds: float | None = None

    def keep(self, plan: Plan | None) -> None:
        """Answer from what this plan declares; see Answers.keep."""
        self._plan = plan
        self._learned_until = None
        self._summaries.clear()
        self._funnels.clear()

    async def summary(
        self,
        plan: Plan | None,
        interval: Interval,
        by: tuple[str, ...],
        then: Callable[[SummaryReport], T],
        *,
        moving: bool = False,
        known: str | None = None,
        fresh: bool = False,
    ) -> T | None:
        """The summary of the interval; see Answers.summary."""
        length = interval.end - interval.start
        declared = _is_window(plan, length) and (not by or (plan is not None and by in plan.summaries))
        if not (moving and declared and self._refreshes) or fresh:
            return await self._ask(lambda snapshot: then(self._noted(snapshot, snapshot.summary(plan, interval, by))))

        async def count() -> SummaryReport:
            now = self._now()
            window = Interval(now - length, now, now)
            return await self._ask(lambda snapshot: self._noted(snapshot, snapshot.summary(plan, window, by)))

        key = (None if plan is None else plan.id, length, by)
        report, version = await self._summaries.get(key, count)
        if version == known:
            return None
        report = SummaryReport(report.summary, report.complete_until, report.interval, version)
        return await self._run(lambda: then(report))

    async def funnel(
        self,
        plan: Plan | None,
        funnel: Funnel,
        interval: Interval,
        by: tuple[str, ...],
        attribution: str,
        then: Callable[[FunnelReport], T],
        *,
        name: str | None = None,
        moving: bool = False,
        fresh: bool = False,
    ) -> T:
        """A funnel over the interval; see Answers.funnel."""
        length = interval.end - interval.start
        declared = name is not None and _is_window(plan, length)
        if not (moving and declared and self._refreshes) or fresh:
            return await self._ask(
                lambda snapshot: then(FunnelReport(snapshot.funnel(plan, funnel, interval, by, attribution), interval))
            )

        async def count() -> FunnelReport:
            now = self._now()
            window = Interval(now - length, now, now)
            return await self._ask(
                lambda snapshot: FunnelReport(snapshot.funnel(plan, funnel, window, by, attribution), window)
            )

        key = (None if plan is None else plan.id, name, length, by, attribution)
        report, _ = await self._funnels.get(key, count)
        return await self._run(lambda: then(report))

    async def breaks(self, plan: Plan, as_of: int) -> Sequence[Break] | None:
        """The breaks in the tracking of the plan's events, at most a minute ago; see Answers.breaks.

        Mostly a summary has found them. Otherwise they are looked for, and who asks again soon is told.
        """
        if not self._refreshes:
            return await self._ask(lambda snapshot: snapshot.breaks(plan, as_of))
        if self._known_breaks(plan, as_of) is None:
            if self._looking is None or self._looking.done():
                self._looking = asyncio.get_running_loop().create_task(self._look_for_breaks(plan))
            await asyncio.wait([self._looking], timeout=_BREAKS_S)
        found = self._known_breaks(plan, as_of)
        return None if found is None else found.breaks

    def _known_breaks(self, plan: Plan, as_of: int) -> FoundBreaks | None:
        found = self._found_breaks
        if found is None or found.plan != plan.id or abs(as_of - found.as_of) >= _BREAKS_MS:
            return None
        return found

    async def _look_for_breaks(self, plan: Plan) -> None:
        try:
            await self._ask(lambda snapshot: self._note_breaks(snapshot, snapshot.breaks(plan, self._now())))
        except StoreError as error:
            _log.warning("breaks in the tracking could not be looked for: %s", error)

    async def values(self, plan: Plan, as_of: int, *, max_age_ms: int = 0) -> Review:
        """The review of the plan's micro-conversions; see Answers.values."""
        return await self._reviews.get(plan, as_of, max_age_ms)

    async def increments(
        self, plan: Plan, as_of: int, since: str | None, limit: int, then: Callable[[IncrementsReport], T]
    ) -> T:
        """What feeds are told; see Answers.increments."""
        return await self._increments.ask(plan, as_of, since, limit, then)

    async def learn(self) -> None:
        """Learn values from what is stored, where nobody has yet since the last whole hour. Raises StoreError."""
        plan = self._plan
        ladder = Ladder.of(plan)
        if plan is None or ladder is None:
            return
        now = self._now()
        boundary = now // _HOUR_MS * _HOUR_MS
        stored = await self._log.run(lambda: self._log.kept.fit_at(plan.learning_id, now))
        if stored is None or stored.boundary < boundary:
            if await self._log.run(lambda: self._walks.being_made(plan)):
                return  # by another collector, or one that died of it; it is looked at again
            number = self._log.next_number()
            walk = self._log.unique_number()
            await self._ask(lambda snapshot: snapshot.walk(plan, ladder, now - LAG_MS, walk), _LEARNING_S)
            fit = await self._ask(lambda snapshot: snapshot.learn(plan, ladder, now), _LEARNING_S)
            stored = await self._log.run(lambda: self._log.kept.add_fit(fit, number))
        self._learned_until, self._learning_seconds = stored.boundary, stored.seconds

    def state(self) -> AnswersState:
        """Answers are always those of what was stored when they were counted."""
        return AnswersState(
            current=True,
            progress=1.0,
            complete_until=self._complete_until,
            learned_until=self._learned_until,
            learning_seconds=self._learning_seconds,
        )

    async def close(self) -> None:
        """Stop counting."""
        if self._looking is not None:
            self._looking.cancel()
            await asyncio.gather(self._looking, return_exceptions=True)
        await self._reviews.close()
        await self._summaries.close()
        await self._funnels.close()
        for question in self._questions:
            question.end()
        await asyncio.get_running_loop().run_in_executor(None, self._pool.shutdown)

    def _noted(self, snapshot: Snapshot, report: SummaryReport) -> SummaryReport:
        self._complete_until = report.complete_until
        return self._note_breaks(snapshot, report)

    def _note_breaks(self, snapshot: Snapshot, made: T) -> T:
        """Keep the breaks that were found while something was made."""
        found = snapshot.looked_for_breaks
        if found is not None and abs(self._now() - found.as_of) < _BREAKS_MS:
            self._found_breaks = found
        return made

    async def _ask(self, count: Callable[[Snapshot], T], seconds: float | None = None) -> T:
        """Count something from the store as it is now, in another thread."""
        question = Question(self._log.engine, self._log.query_seconds if seconds is None else seconds)
        self._questions.add(question)
        running = asyncio.get_running_loop().run_in_executor(
            self._pool, lambda: count(Snapshot(self._log.engine, self._log.kept, question))
        )
        try:
            return await running
        except asyncio.CancelledError:
            # The client has left: nobody waits for the work any more.
            asyncio.get_running_loop().run_in_executor(None, question.end)
            raise
        finally:
            self._questions.discard(question)

    async def _run(self, do: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._pool, do)


def _is_window(plan: Plan | None, length: int) -> bool:
    """Whether the plan declares a window of so many milliseconds."""
    return plan is not None and any(parse_duration(window) == length for window in plan.windows)
