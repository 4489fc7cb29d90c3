"""Answers counted from one moment of the log, whatever is asked."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Mapping, Sequence

from kizashi_collector.analysis import (
    FunnelFigures,
    Interval,
    Ladder,
    LagGrid,
    Review,
    ReviewCounts,
    RowCells,
    Summary,
    Worth,
    complete_until_of,
    count_review,
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
    Texts,
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
    KeptOutcomes,
    Learned,
    PlannedPace,
    grounds_of,
    judged,
    learn,
    with_outcomes,
)
from kizashi_collector.store._fits import fit_at
from kizashi_collector.store._known_keys import bounded
from kizashi_collector.store._plans import plans_until, rules_changed_at
from kizashi_collector.store._protocol import SummaryReport
from kizashi_schemas import Exclusion, Funnel, Step
from kizashi_schemas.plan import Plan

__all__ = ["Snapshot", "in_columns"]


class Snapshot:
    """The log as `connection` sees it. `patience` is called now and then, and what it raises ends the work."""

    def __init__(self, connection: sqlite3.Connection, texts: Texts, patience: Callable[[], None]) -> None:
        self._connection, self._texts, self._patience = connection, texts, patience

    def review(self, plan: Plan, as_of: int) -> Review:
        texts, ladder = self._texts, Ladder.of(plan)
        if ladder is None:
            return review(plan, ReviewCounts.none(plan), None, as_of=as_of)
        journeys = journeys_until(self._connection, texts, plan, ladder, as_of, self._patience)
        stored = fit_at(self._connection, plan.learning_id, as_of)
        learned = None if stored is None else Learned(stored).whole
        since = as_of - max(ladder.lookback_ms + ladder.horizon_ms, HISTORY_MS)
        table = table_between(
            self._connection,
            texts,
            since,
            as_of,
            self._patience,
            names=set(plan.events),
            columns={"value", "currency", "source"},
        )
        counts = count_review(table, texts.codes, plan, journeys, as_of, self._patience)
        return review(plan, counts, learned, as_of=as_of)

    def summary(
        self,
        plan: Plan | None,
        interval: Interval,
        by: tuple[str, ...],
    ) -> SummaryReport:
        """The summary, counted from the log."""
        texts, as_of = self._texts, interval.as_of
        summary = self._counts(plan, interval, by)
        received_at, time = receipts(self._connection, texts, freshness_start(as_of), as_of, self._patience)
        last = last_receipt(self._connection, texts, as_of)
        complete_until = complete_until_of(received_at, time, last_receipt=last, as_of=as_of)
        ladder = Ladder.of(plan)
        if plan is not None and ladder is not None:
            summary = self._with_outcomes(plan, ladder, interval, by, summary, complete_until)
        return SummaryReport(summary, complete_until, interval)

    def completed(
        self,
        plan: Plan | None,
        by: tuple[str, ...],
        kept: KeptOutcomes,
    ) -> SummaryReport | None:
        """The summary, counted from the log as far as what is kept had counted it, and completed with that."""
        if not self._texts.sources_are_whole:  # they may have grown beyond the bound meanwhile
            return None
        summary = self._counts(plan, kept.interval, by, kept.last)
        completed = kept.complete(summary)
        return None if completed is None else SummaryReport(completed, kept.complete_until, kept.interval)

    def _counts(
        self,
        plan: Plan | None,
        interval: Interval,
        by: tuple[str, ...],
        last: int | None = None,
    ) -> Summary:
        """The counts alone, of the events up to the number `last`, or all."""
        texts, start, end = self._texts, interval.start, interval.end
        worth = Worth(plan, adjustments(self._connection, interval.as_of))
        if not self._are_numbered(by):
            events = events_between(self._connection, texts, start, end, self._patience)
            return summarize(events, plan=plan, worth=worth, interval=interval, by=by, check=self._patience)
        tables = tables_between(self._connection, texts, start, end, self._patience)
        if last is not None:
            tables = (table if table.seq.max() <= last else table.only(table.seq <= last) for table in tables)
        return summarize_table(
            tables,
            texts.codes,
            plan=plan,
            worth=worth,
            adjusted=adjusted_between(self._connection, texts, worth.adjusted, start, end, self._patience),
            interval=interval,
            by=by,
            check=self._patience,
        )

    def _are_numbered(self, by: tuple[str, ...]) -> bool:
        """Whether the numbers of sources tell all that is asked of them."""
        return set(by) <= set(DIMENSIONS) and self._texts.sources_are_whole

    def _with_outcomes(
        self,
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
        texts, as_of = self._texts, interval.as_of
        sources: Sequence[Mapping[str, str]]
        if self._are_numbered(by):
            journeys = journeys_until(self._connection, texts, plan, ladder, as_of, self._patience)
            sources = list(texts.codes.sources)
        else:
            worth = Worth(plan, adjustments(self._connection, as_of))
            events = events_between(self._connection, texts, -1, as_of, self._patience)
            journeys, sources = walked_journeys(events, ladder, worth, as_of=as_of, check=self._patience)
        stored = fit_at(self._connection, plan.learning_id, as_of)
        learned = None if stored is None else Learned(stored)
        if learned is None or learned.covering(by) is None:
            [grouping] = [one for one in fit_groupings(plan.summaries) if set(by) <= set(one)][:1] or [by]
            known = bounded(sources, grouping)
            learned = Learned(learn(journeys, known, plan, ladder, as_of, [grouping], self._patience))
        fields, fitted = learned.covering(by) or (by, None)
        keys = [tuple(source.get(field, "") for field in fields) for source in sources]
        cells = RowCells.of(journeys, keys, ladder, LagGrid.of(ladder.horizon_ms), interval)
        pace = PlannedPace(plan, texts.codes, as_of)
        for table in tables_between(self._connection, texts, as_of - HISTORY_MS, as_of, self._patience, columns=()):
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
            redefined=rules_changed_at(plans_until(self._connection, as_of), as_of - ladder.horizon_ms, as_of)
            is not None,
        )
        return with_outcomes(summary, cells, fields, by, fitted, judged(grounds, young=learned.young))

    def funnel(
        self,
        plan: Plan | None,
        funnel: Funnel,
        interval: Interval,
        by: tuple[str, ...],
        attribution: str,
    ) -> FunnelFigures:
        """The funnel, run over the log."""
        texts, as_of = self._texts, interval.as_of
        since = -1 if funnel.one_at_a_time else interval.start
        worth = Worth(plan, adjustments(self._connection, as_of))
        zone = plan.timezone if plan is not None else "UTC"
        if not (in_columns(funnel, by) and texts.sources_are_whole):
            events = events_between(self._connection, texts, since, as_of, self._patience)
            return evaluate_funnel(
                events, funnel, interval, worth=worth, zone=zone, by=by, attribution=attribution, check=self._patience
            )
        table = table_between(
            self._connection,
            texts,
            since,
            as_of,
            self._patience,
            names=_names(funnel),
            columns=_columns(funnel, by, plan),
        )
        return evaluate_table_funnel(
            table,
            texts.codes,
            funnel,
            interval,
            details=LogDetails(self._connection, texts, self._patience),
            worth=worth,
            adjusted=adjusted_among(self._connection, texts, worth.adjusted, table),
            zone=zone,
            by=by,
            attribution=attribution,
            check=self._patience,
        )


def in_columns(funnel: Funnel, by: tuple[str, ...]) -> bool:
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
