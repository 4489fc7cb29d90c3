"""Answers counted from one moment of the store, by the cluster."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct

from kizashi_collector.analysis import (
    Break,
    FunnelFigures,
    Interval,
    Ladder,
    LagGrid,
    Review,
    Summary,
    breaks,
    fit_groupings,
    review,
)
from kizashi_collector.store._clickhouse._completeness import complete_until, hour_counts
from kizashi_collector.store._clickhouse._engine import Engine
from kizashi_collector.store._clickhouse._funnels import funnel_figures
from kizashi_collector.store._clickhouse._journeys import KeptJourneys, Walks, learn, row_cells
from kizashi_collector.store._clickhouse._kept import Kept
from kizashi_collector.store._clickhouse._question import Question
from kizashi_collector.store._clickhouse._review import review_counts
from kizashi_collector.store._clickhouse._settled import read_settled
from kizashi_collector.store._clickhouse._summary import counted
from kizashi_collector.store._current import Learned, breaks_until, grounds_of, judged, with_outcomes
from kizashi_collector.store._fits import StoredFit
from kizashi_collector.store._known_keys import MOST_KEYS
from kizashi_collector.store._plans import rules_changed_at
from kizashi_collector.store._protocol import SummaryReport
from kizashi_schemas import Funnel
from kizashi_schemas.plan import Plan

__all__ = ["FoundBreaks", "Snapshot"]

_ANY_ADJUSTMENT = "SELECT count() FROM (SELECT 1 FROM {table} WHERE {where} AND adjust != 0 LIMIT 1)"


class FoundBreaks(Struct, frozen=True):
    """The breaks in the tracking of the events of the plan with this id, as of a time; None where unknown."""

    plan: str
    as_of: int
    breaks: Sequence[Break] | None


class Snapshot:
    """What counts at the moment when it is made; whatever is asked of it is counted from the same rows."""

    def __init__(self, engine: Engine, kept: Kept, question: Question) -> None:
        self._kept, self._ask, self._check = kept, question.ask, question.check
        self._walks = Walks(engine)
        self._settled = read_settled(engine)
        self.view = self._settled.view()
        ((any_adjustment,),) = self._ask(_ANY_ADJUSTMENT.format(table=self.view.table, where=self.view.where))
        self.adjusted = bool(any_adjustment)
        self.looked_for_breaks: FoundBreaks | None = None
        """Those that were found on the way to what was asked."""

    def summary(self, plan: Plan | None, interval: Interval, by: tuple[str, ...]) -> SummaryReport:
        """The summary."""
        summary = counted(self._ask, self.view, plan, interval, by, adjusted=self.adjusted)
        until = complete_until(self._ask, self.view, interval.as_of)
        ladder = Ladder.of(plan)
        if plan is not None and ladder is not None:
            summary = self._with_outcomes(plan, ladder, interval, by, summary, until)
        return SummaryReport(summary, until, interval)

    def breaks(self, plan: Plan, as_of: int) -> Sequence[Break] | None:
        """The breaks in the tracking of the plan's events, as a summary is judged by them; None where all that arrived
        is long ago, or nothing ever did."""
        return self._breaks(plan, as_of, complete_until(self._ask, self.view, as_of))

    def funnel(
        self, plan: Plan | None, funnel: Funnel, interval: Interval, by: tuple[str, ...], attribution: str
    ) -> FunnelFigures:
        """The funnel."""
        return funnel_figures(self._ask, self.view, funnel, interval, plan, by, attribution, self.adjusted, self._check)

    def review(self, plan: Plan, as_of: int) -> Review:
        """The review of the plan."""
        counts = review_counts(self._ask, self.view, plan, as_of, self.adjusted, self._check)
        stored = self._kept.fit_at(plan.learning_id, as_of) if plan.finals else None
        return review(plan, counts, None if stored is None else Learned(stored).whole, as_of=as_of)

    def learn(
        self,
        plan: Plan,
        ladder: Ladder,
        now: int,
        groupings: Sequence[tuple[str, ...]] | None = None,
        *,
        most: int | None = None,
    ) -> StoredFit:
        """What can be learned from the journeys that there are, up to the last whole hour before `now`."""
        return learn(
            self._ask,
            self.view,
            plan,
            ladder,
            now,
            groupings,
            adjusted=self.adjusted,
            most=most,
            check=self._check,
            kept=self._journeys(plan, ladder, now),
        )

    def walk(self, plan: Plan, ladder: Ladder, until: int, number: int) -> None:
        """Keep the journeys of what happened by a time, under a number that nobody else has, for answers to come."""
        self._walks.make(
            self._ask, self._settled, plan, ladder, until, number, adjusted=self.adjusted, check=self._check
        )

    def _journeys(self, plan: Plan, ladder: Ladder, as_of: int) -> KeptJourneys | None:
        return self._walks.kept(self._ask, self._settled, plan, ladder, as_of)

    def _with_outcomes(
        self,
        plan: Plan,
        ladder: Ladder,
        interval: Interval,
        by: tuple[str, ...],
        summary: Summary,
        until: int | None,
    ) -> Summary:
        """What journeys came to, and will come to, as what was learned by then says.

        What was not learned under this plan by then, or not for what is asked, is learned from what the log held then.
        """
        as_of = interval.as_of
        stored = self._kept.fit_at(plan.learning_id, as_of)
        learned = None if stored is None else Learned(stored)
        if learned is None or learned.covering(by) is None:
            [grouping] = [one for one in fit_groupings(plan.summaries) if set(by) <= set(one)][:1] or [by]
            learned = Learned(self.learn(plan, ladder, as_of, [grouping], most=MOST_KEYS))
        fields, fitted = learned.covering(by) or (by, None)
        grid = LagGrid.of(ladder.horizon_ms)
        kept = self._journeys(plan, ladder, as_of)
        cells = row_cells(self._ask, self.view, plan, ladder, interval, fields, grid, self.adjusted, kept=kept)
        grounds = grounds_of(
            plan,
            ladder,
            fitted,
            self._breaks(plan, as_of, until) or (),
            as_of=as_of,
            length=interval.end - interval.start,
            complete_until=until,
            mending=False,
            redefined=rules_changed_at(self._kept.plans(as_of), as_of - ladder.horizon_ms, as_of) is not None,
        )
        return with_outcomes(summary, cells, fields, by, fitted, judged(grounds, young=learned.young))

    def _breaks(self, plan: Plan, as_of: int, complete: int | None) -> Sequence[Break] | None:
        until = breaks_until(as_of, complete)
        if until is None:
            found = None
        else:
            names = list(plan.events)
            found = breaks(hour_counts(self._ask, self.view, names, until, as_of), until, names)
        self.looked_for_breaks = FoundBreaks(plan.id, as_of, found)
        return found
