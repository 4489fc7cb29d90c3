"""Answers about a store in ClickHouse, counted there."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from kizashi_collector.analysis import Interval, Ladder, Review
from kizashi_collector.store._clickhouse._increments import Increments
from kizashi_collector.store._clickhouse._journeys import LAG_MS, Walks
from kizashi_collector.store._clickhouse._log import ClickHouseLog
from kizashi_collector.store._clickhouse._question import Question
from kizashi_collector.store._clickhouse._refreshed import Refreshed
from kizashi_collector.store._clickhouse._snapshot import Snapshot
from kizashi_collector.store._protocol import AnswersState, FunnelReport, IncrementsReport, SummaryReport
from kizashi_schemas import Funnel, parse_duration
from kizashi_schemas.plan import Plan

__all__ = ["ClickHouseAnswers"]

_READERS = 8
_LEARNING_S = 600.0
_HOUR_MS = 3_600_000
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
            return await self._ask(lambda snapshot: then(self._noted(snapshot.summary(plan, interval, by))))

        async def count() -> SummaryReport:
            now = self._now()
            window = Interval(now - length, now, now)
            return await self._ask(lambda snapshot: self._noted(snapshot.summary(plan, window, by)))

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

    async def values(self, plan: Plan, as_of: int) -> Review:
        """The review of the plan's micro-conversions; see Answers.values."""
        return await self._ask(lambda snapshot: snapshot.review(plan, as_of))

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
        await self._summaries.close()
        await self._funnels.close()
        for question in self._questions:
            question.end()
        await asyncio.get_running_loop().run_in_executor(None, self._pool.shutdown)

    def _noted(self, report: SummaryReport) -> SummaryReport:
        self._complete_until = report.complete_until
        return report

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
