"""Answers about a SQLite log: what the plan declares from what is kept current, all else counted from the log."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar, cast

from kizashi_collector.analysis import (
    EventTable,
    FunnelFigures,
    Interval,
    Ladder,
    LagGrid,
    Review,
    RollingFunnels,
    RowCells,
    Summary,
    Worth,
    complete_until_of,
    evaluate_funnel,
    evaluate_table_funnel,
    fit_groupings,
    freshness_start,
    review,
    summarize,
    summarize_table,
    walked_journeys,
)
from kizashi_collector.store._chunks import (
    DIMENSIONS,
    LogDetails,
    adjusted_among,
    adjusted_between,
    adjustments,
    events_between,
    journeys_until,
    last_receipt,
    receipts,
    table_between,
    tables_between,
)
from kizashi_collector.store._current import (
    HISTORY_MS,
    Answer,
    Asked,
    FunnelAsked,
    Kept,
    KeptOutcomes,
    Learned,
    OutcomesAsked,
    PlannedPace,
    SummaryAsked,
    grounds_of,
    judged,
    learn,
    with_outcomes,
)
from kizashi_collector.store._fits import fit_at
from kizashi_collector.store._increments import Increments
from kizashi_collector.store._known_keys import bounded
from kizashi_collector.store._log import SqliteLog
from kizashi_collector.store._patience import Patience
from kizashi_collector.store._plans import rules_changed_at
from kizashi_collector.store._protocol import AnswersState, FunnelReport, IncrementsReport, SummaryReport
from kizashi_schemas import Exclusion, Funnel, Step
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

    def keep(self, plan: Plan | None) -> None:
        """Keep current what a plan declares; see Answers.keep."""
        if self._kept is not None:
            self._kept.keep(plan)

    def state(self) -> AnswersState:
        """How current they are."""
        return AnswersState() if self._kept is None else self._kept.state()

    async def close(self) -> None:
        """Let go of what is kept."""
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
            report = None if kept is None else self._completed(connection, patience, plan, by, kept)
            return then(report or self._count(connection, patience, plan, interval, by))

        return await self._log.read(question)

    async def values(self, plan: Plan, as_of: int) -> Review:
        """The review of the plan's micro-conversions; see Answers.values."""
        return await self._log.read(lambda connection, patience: self._review(connection, patience, plan, as_of))

    async def increments(
        self, plan: Plan, as_of: int, since: str | None, limit: int, then: Callable[[IncrementsReport], T]
    ) -> T:
        """What feeds are told; see Answers.increments."""
        return await self._increments.ask(plan, as_of, since, limit, then)

    def _review(self, connection: sqlite3.Connection, patience: Patience, plan: Plan, as_of: int) -> Review:
        texts, ladder = self._log.texts, Ladder.of(plan)
        if ladder is None:
            return review(EventTable.empty(), texts.codes, plan, None, None, as_of=as_of, check=patience)
        journeys = journeys_until(connection, texts, plan, ladder, as_of, patience)
        stored = fit_at(connection, plan.id, as_of)
        learned = None if stored is None else Learned(stored).whole
        since = as_of - max(ladder.lookback_ms + ladder.horizon_ms, HISTORY_MS)
        table = table_between(
            connection, texts, since, as_of, patience, names=set(plan.events), columns={"value", "currency", "source"}
        )
        return review(table, texts.codes, plan, journeys, learned, as_of=as_of, check=patience)

    async def _ask(self, asked: Asked) -> Answer | None:
        """Ask what is kept. Raises StoreError once the log is damaged."""
        if self._kept is None:
            return None
        self._log.refuse_if_damaged()
        # What is kept knows the dimensions of a source alone.
        known = self._log.texts.sources_are_whole and set(asked.by) <= set(DIMENSIONS)
        interval = asked.interval
        return await self._kept.ask(asked) if known and interval.end == interval.as_of else None

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
        summary = self._summary(connection, patience, plan, interval, by)
        received_at, time = receipts(connection, texts, freshness_start(as_of), as_of, patience)
        last = last_receipt(connection, texts, as_of)
        complete_until = complete_until_of(received_at, time, last_receipt=last, as_of=as_of)
        ladder = Ladder.of(plan)
        if plan is not None and ladder is not None:
            summary = self._with_outcomes(connection, patience, plan, ladder, interval, by, summary, complete_until)
        return SummaryReport(summary, complete_until, interval)

    def _completed(
        self,
        connection: sqlite3.Connection,
        patience: Patience,
        plan: Plan | None,
        by: tuple[str, ...],
        kept: KeptOutcomes,
    ) -> SummaryReport | None:
        """The summary, counted from the log as far as what is kept had counted it, and completed with that."""
        summary = self._summary(connection, patience, plan, kept.interval, by, kept.last)
        completed = kept.complete(summary)
        return None if completed is None else SummaryReport(completed, kept.complete_until, kept.interval)

    def _summary(
        self,
        connection: sqlite3.Connection,
        patience: Patience,
        plan: Plan | None,
        interval: Interval,
        by: tuple[str, ...],
        last: int | None = None,
    ) -> Summary:
        """The counts alone, of the events up to the number `last`, or all."""
        texts, start, end = self._log.texts, interval.start, interval.end
        worth = Worth(plan, adjustments(connection, interval.as_of))
        if not (set(by) <= set(DIMENSIONS) and texts.sources_are_whole):
            events = events_between(connection, texts, start, end, patience)
            return summarize(events, plan=plan, worth=worth, interval=interval, by=by, check=patience)
        tables = tables_between(connection, texts, start, end, patience)
        if last is not None:
            tables = (table if table.seq.max() <= last else table.only(table.seq <= last) for table in tables)
        return summarize_table(
            tables,
            texts.codes,
            plan=plan,
            worth=worth,
            adjusted=adjusted_between(connection, texts, worth.adjusted, start, end, patience),
            interval=interval,
            by=by,
            check=patience,
        )

    def _with_outcomes(
        self,
        connection: sqlite3.Connection,
        patience: Patience,
        plan: Plan,
        ladder: Ladder,
        interval: Interval,
        by: tuple[str, ...],
        summary: Summary,
        complete_until: int | None,
    ) -> Summary:
        """What the journeys of the log came to, and will come to, as what was learned by then says.

        What was not learned under this plan by then, or not for what is asked, is learned from what the log held then.
        """
        texts, as_of = self._log.texts, interval.as_of
        sources: Sequence[Mapping[str, str]]
        if set(by) <= set(DIMENSIONS) and texts.sources_are_whole:
            journeys = journeys_until(connection, texts, plan, ladder, as_of, patience)
            sources = list(texts.codes.sources)
        else:
            worth = Worth(plan, adjustments(connection, as_of))
            events = events_between(connection, texts, -1, as_of, patience)
            journeys, sources = walked_journeys(events, ladder, worth, as_of=as_of, check=patience)
        stored = fit_at(connection, plan.id, as_of)
        learned = None if stored is None else Learned(stored)
        if learned is None or learned.covering(by) is None:
            [grouping] = [one for one in fit_groupings(plan.summaries) if set(by) <= set(one)][:1] or [by]
            known = bounded(sources, grouping)
            learned = Learned(learn(journeys, known, plan, ladder, as_of, [grouping], patience))
        fields, fitted = learned.covering(by) or (by, None)
        keys = [tuple(source.get(field, "") for field in fields) for source in sources]
        cells = RowCells.of(journeys, keys, ladder, LagGrid.of(ladder.horizon_ms), interval)
        pace = PlannedPace(plan, texts.codes, as_of)
        for table in tables_between(connection, texts, as_of - HISTORY_MS, as_of, patience, columns=()):
            pace.add(table, as_of)
        grounds = grounds_of(
            plan,
            ladder,
            fitted,
            pace.breaks(as_of, complete_until),
            as_of=as_of,
            length=interval.end - interval.start,
            complete_until=complete_until,
            mending=False,
            redefined=rules_changed_at(connection, as_of - ladder.horizon_ms, as_of) is not None,
        )
        return with_outcomes(summary, cells, fields, by, fitted, judged(grounds, young=learned.young))

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

        recomputing = None
        if name is not None and _in_columns(funnel, by):
            answer = await self._ask(FunnelAsked(_id(plan), name, interval, by, attribution, then, moving))
            if answer is not None:
                return cast("T", answer.made)
            state = self.state()
            if RollingFunnels.can_keep(funnel) and not state.current and self._kept is not None:
                recomputing = state.progress

        def question(connection: sqlite3.Connection, patience: Patience) -> T:
            figures = self._run(connection, patience, plan, funnel, interval, by, attribution)
            return then(FunnelReport(figures, interval, recomputing))

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
        table = table_between(
            connection, texts, since, as_of, patience, names=_names(funnel), columns=_columns(funnel, by, plan)
        )
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


def _columns(funnel: Funnel, by: tuple[str, ...], plan: Plan | None) -> set[str]:
    """What is to be known of each event beside its name, time and actor."""
    names = _names(funnel)
    rules = {} if plan is None else plan.events
    carries = any(rule.value == "event" for name, rule in rules.items() if names is None or name in names)
    columns = {"value", "currency"} if carries else set()
    return columns | {"source"} if by or any(condition.where for condition in _conditions(funnel)) else columns


def _conditions(funnel: Funnel) -> list[Step | Exclusion]:
    return [*funnel.normal_steps, *funnel.exclude]


def _id(plan: Plan | None) -> str | None:
    return None if plan is None else plan.id
