"""Answers about a SQLite log: what the plan declares from what is kept current, all else counted from the log."""

from __future__ import annotations

import asyncio
import sqlite3
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar, cast

from kizashi_collector.analysis import (
    FunnelFigures,
    Interval,
    Worth,
    complete_until_of,
    evaluate_funnel,
    evaluate_table_funnel,
    freshness_start,
    summarize,
    summarize_table,
)
from kizashi_collector.store._chunks import (
    DIMENSIONS,
    LogDetails,
    adjusted_among,
    adjustments,
    events_between,
    last_receipt,
    receipts,
    table_between,
)
from kizashi_collector.store._current import Current, Unchanged
from kizashi_collector.store._log import SqliteLog
from kizashi_collector.store._patience import Patience
from kizashi_collector.store._protocol import AnswersState, FunnelReport, SummaryReport
from kizashi_schemas import Exclusion, Funnel, Step
from kizashi_schemas.plan import Plan

__all__ = ["LogAnswers"]


R = TypeVar("R", SummaryReport, FunnelReport)
T = TypeVar("T")
# While somebody waits, threads that work on columns, and let go of the interpreter at each of them, get it back sooner.
_HURRY = 0.00005


class LogAnswers:
    """Answers for a SQLite log.

    With a clock, `now` in milliseconds since 1970, the declared summaries are kept current once `keep` was called.
    What is counted from the log is counted from a snapshot, in a reader's thread.
    """

    def __init__(self, log: SqliteLog, now: Callable[[], int] | None = None) -> None:
        self._log = log
        self._waiting = 0
        self._interval = sys.getswitchinterval()
        self._current: Current | None = None
        if now is not None:
            self._current = Current(log, now)
        # Of its own, so that no long question is in the way.
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="kizashi-answer")

    def keep(self, plan: Plan | None) -> None:
        """Keep current what a plan declares; see Answers.keep."""
        if self._current is not None:
            self._current.keep(plan)

    def state(self) -> AnswersState:
        """How current they are."""
        return AnswersState() if self._current is None else self._current.state()

    async def close(self) -> None:
        """Let go of what is kept."""
        if self._current is not None:
            await asyncio.get_running_loop().run_in_executor(self._pool, self._current.close)
        self._pool.shutdown()

    async def summary(
        self,
        plan: Plan | None,
        interval: Interval,
        by: tuple[str, ...],
        then: Callable[[SummaryReport], T],
        *,
        moving: bool = False,
        known: str | None = None,
    ) -> T | None:
        """The summary of the interval; see Answers.summary."""
        found, answer = await self._kept(
            interval, lambda current: current.summary(plan, interval, by, moving=moving, known=known), then
        )
        if found:
            return answer
        return await self._log.read(
            lambda connection, patience: then(self._count(connection, patience, plan, interval, by))
        )

    async def _kept(
        self, interval: Interval, ask: Callable[[Current], R | Unchanged | None], then: Callable[[R], T]
    ) -> tuple[bool, T | None]:
        """Ask what is kept, in its thread: whether it has the answer, and what `then` makes of that, if it changed.

        Raises StoreError once the log is damaged.
        """
        current, texts = self._current, self._log.texts
        if current is None:
            return False, None
        self._log.refuse_if_damaged()
        if interval.end != interval.as_of or not texts.sources_are_whole:
            return False, None

        def answer() -> tuple[bool, T | None]:
            report = ask(current)
            if report is None or not texts.sources_are_whole:  # they may have grown beyond the bound meanwhile
                return False, None
            return True, None if isinstance(report, Unchanged) else then(report)

        if not self._waiting:
            self._interval = sys.getswitchinterval()
            sys.setswitchinterval(_HURRY)
        self._waiting += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._pool, answer)
        finally:
            self._waiting -= 1
            if not self._waiting:
                sys.setswitchinterval(self._interval)

    def _count(
        self,
        connection: sqlite3.Connection,
        patience: Patience,
        plan: Plan | None,
        interval: Interval,
        by: tuple[str, ...],
    ) -> SummaryReport:
        """The summary, counted from the log."""
        texts, as_of = self._log.texts, interval.as_of
        worth = Worth(plan, adjustments(connection, as_of))
        if set(by) <= set(DIMENSIONS) and texts.sources_are_whole:
            table = table_between(connection, texts, interval.start, interval.end, patience)
            adjusted = adjusted_among(connection, texts, worth.adjusted, table)
            summary = summarize_table(
                table,
                texts.codes,
                plan=plan,
                worth=worth,
                adjusted=adjusted,
                interval=interval,
                by=by,
                check=patience,
            )
        else:
            events = events_between(connection, texts, interval.start, interval.end, patience)
            summary = summarize(events, plan=plan, worth=worth, interval=interval, by=by, check=patience)
        received_at, time = receipts(connection, texts, freshness_start(as_of), as_of, patience)
        last = last_receipt(connection, texts, as_of)
        complete_until = complete_until_of(received_at, time, last_receipt=last, as_of=as_of)
        return SummaryReport(summary, complete_until, interval)

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
    ) -> T:
        """A funnel over the interval; see Answers.funnel."""

        if name is not None:
            found, answer = await self._kept(
                interval, lambda current: current.funnel(plan, name, interval, by, attribution, moving=moving), then
            )
            if found:
                return cast("T", answer)

        def question(connection: sqlite3.Connection, patience: Patience) -> T:
            figures = self._run(connection, patience, plan, funnel, interval, by, attribution)
            return then(FunnelReport(figures, interval))

        return await self._log.read(question)

    def _run(
        self,
        connection: sqlite3.Connection,
        patience: Patience,
        plan: Plan | None,
        funnel: Funnel,
        interval: Interval,
        by: tuple[str, ...],
        attribution: str,
    ) -> FunnelFigures:
        """The funnel, run over the log."""
        texts, as_of = self._log.texts, interval.as_of
        since = -1 if funnel.one_at_a_time else interval.start
        worth = Worth(plan, adjustments(connection, as_of))
        zone = plan.timezone if plan is not None else "UTC"
        if not (_in_columns(funnel, by) and texts.sources_are_whole):
            events = events_between(connection, texts, since, as_of, patience)
            return evaluate_funnel(
                events, funnel, interval, worth=worth, zone=zone, by=by, attribution=attribution, check=patience
            )
        table = table_between(connection, texts, since, as_of, patience, names=_names(funnel))
        return evaluate_table_funnel(
            table,
            texts.codes,
            funnel,
            interval,
            details=LogDetails(connection, texts, patience),
            worth=worth,
            adjusted=adjusted_among(connection, texts, worth.adjusted, table),
            zone=zone,
            by=by,
            attribution=attribution,
            check=patience,
        )


def _in_columns(funnel: Funnel, by: tuple[str, ...]) -> bool:
    """Whether the columns hold all fields of the source that are asked about."""
    keys = [*by]
    for condition in _conditions(funnel):
        keys += [key.removeprefix("source.") for key in condition.where if key.startswith("source.")]
    return all(key in DIMENSIONS or key.startswith("properties.") for key in keys)


def _names(funnel: Funnel) -> set[str] | None:
    """The names of the events that matter; None for all."""
    names = {condition.event for condition in _conditions(funnel)}
    return None if funnel.order == "strict" or "*" in names else names


def _conditions(funnel: Funnel) -> list[Step | Exclusion]:
    return [*funnel.normal_steps, *funnel.exclude]
