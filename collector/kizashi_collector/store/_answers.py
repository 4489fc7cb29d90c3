"""Answers about a SQLite log: what the plan declares from what is kept current, all else counted from the log."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from typing import TypeVar, cast

from kizashi_collector.analysis import (
    Break,
    Interval,
    Ladder,
    Review,
    RollingFunnels,
)
from kizashi_collector.store._chunks import (
    DIMENSIONS,
)
from kizashi_collector.store._current import (
    Answer,
    BreaksAsked,
    FunnelAsked,
    Kept,
    KeptOutcomes,
    OutcomesAsked,
    SummaryAsked,
)
from kizashi_collector.store._increments import Increments
from kizashi_collector.store._log import SqliteLog
from kizashi_collector.store._patience import Patience
from kizashi_collector.store._protocol import AnswersState, FunnelReport, IncrementsReport, SummaryReport
from kizashi_collector.store._reviews import Reviews
from kizashi_collector.store._snapshot import Snapshot, in_columns
from kizashi_schemas import Funnel
from kizashi_schemas.plan import Plan

__all__ = ["LogAnswers"]

T = TypeVar("T")


class LogAnswers:
    """Answers for a SQLite log.

    What a plan declares is answered from what is `kept`, if that is given and once `keep` was called. All else is
    counted from a snapshot of the log, in a reader's thread.
    """

    def __init__(self, log: SqliteLog, kept: Kept | None = None) -> None:
        self._log = log
        self._kept = kept
        self._increments = Increments(log)
        self._reviews = Reviews(self._review, lambda: log.erasures)

    def keep(self, plan: Plan | None) -> None:
        """Keep current what a plan declares; see Answers.keep."""
        if self._kept is not None:
            self._kept.keep(plan)

    def state(self) -> AnswersState:
        """How current they are."""
        return AnswersState() if self._kept is None else self._kept.state()

    async def close(self) -> None:
        """Let go of what is kept."""
        await self._reviews.close()
        if self._kept is not None:
            await self._kept.close()

    async def summary(
        self,
        plan: Plan | None,
        interval: Interval,
        by: tuple[str, ...],
        then: Callable[[SummaryReport], T],
        *,
        moving: bool = False,
        known: str | None = None,
        fresh: bool = False,  # every answer is
    ) -> T | None:
        """The summary of the interval; see Answers.summary."""
        answer = await self._ask(SummaryAsked(_id(plan), interval, by, then, moving, known))
        if answer is not None:
            return cast("T | None", answer.made)
        kept: KeptOutcomes | None = None
        if plan is not None and Ladder.of(plan) is not None:
            answer = await self._ask(OutcomesAsked(plan.id, interval, by, moving))
            kept = None if answer is None else answer.made

        def question(connection: sqlite3.Connection, patience: Patience) -> T:
            snapshot = Snapshot(connection, self._log.texts, patience)
            report = None if kept is None else snapshot.completed(plan, by, kept)
            return then(report or snapshot.summary(plan, interval, by))

        return await self._log.read(question)

    async def values(self, plan: Plan, as_of: int, *, max_age_ms: int = 0) -> Review:
        """The review of the plan's micro-conversions; see Answers.values."""
        return await self._reviews.get(plan, as_of, max_age_ms)

    async def _review(self, plan: Plan, as_of: int) -> Review:
        texts = self._log.texts
        return await self._log.read(
            lambda connection, patience: Snapshot(connection, texts, patience).review(plan, as_of)
        )

    async def increments(
        self, plan: Plan, as_of: int, since: str | None, limit: int, then: Callable[[IncrementsReport], T]
    ) -> T:
        """What feeds are told; see Answers.increments."""
        return await self._increments.ask(plan, as_of, since, limit, then)

    async def breaks(self, plan: Plan, as_of: int) -> list[Break] | None:
        """The breaks in the tracking of the plan's events; see Answers.breaks."""
        if self._kept is None:
            return None
        self._log.refuse_if_damaged()
        answer = await self._kept.ask(BreaksAsked(plan.id, as_of))
        return None if answer is None else cast("list[Break]", answer.made)

    async def _ask(self, asked: SummaryAsked | FunnelAsked | OutcomesAsked) -> Answer | None:
        """Ask what is kept. Raises StoreError once the log is damaged."""
        if self._kept is None:
            return None
        self._log.refuse_if_damaged()
        # What is kept knows the dimensions of a source alone.
        known = self._log.texts.sources_are_whole and set(asked.by) <= set(DIMENSIONS)
        interval = asked.interval
        return await self._kept.ask(asked) if known and interval.end == interval.as_of else None

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
        fresh: bool = False,  # every answer is
    ) -> T:
        """A funnel over the interval; see Answers.funnel."""

        recomputing = None
        if name is not None and in_columns(funnel, by):
            answer = await self._ask(FunnelAsked(_id(plan), name, interval, by, attribution, then, moving))
            if answer is not None:
                return cast("T", answer.made)
            state = self.state()
            if RollingFunnels.can_keep(funnel) and not state.current and self._kept is not None:
                recomputing = state.progress

        def question(connection: sqlite3.Connection, patience: Patience) -> T:
            snapshot = Snapshot(connection, self._log.texts, patience)
            figures = snapshot.funnel(plan, funnel, interval, by, attribution)
            return then(FunnelReport(figures, interval, recomputing))

        return await self._log.read(question)


def _id(plan: Plan | None) -> str | None:
    return None if plan is None else plan.id
