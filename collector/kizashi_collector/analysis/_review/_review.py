"""The review of a plan: for each micro-conversion, what it was declared to be worth beside what it turned out to be."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
from msgspec import Struct
from msgspec.structs import replace
from numpy.typing import NDArray

from kizashi_collector.analysis._journeys import CONVERTED, Journeys, Ladder
from kizashi_collector.analysis._matching import Check
from kizashi_collector.analysis._percentiles import nearest_rank
from kizashi_collector.analysis._review._double_counts import Primary, double_counts
from kizashi_collector.analysis._review._figures import EventReview, Lag, Learned, NumberedFit, Overdue, Period, Review
from kizashi_collector.analysis._review._learned import Brought, fitted_steps, simply
from kizashi_collector.analysis._review._occurrences import Belonging, Occurrences
from kizashi_collector.analysis._review._sentences import event_sentence, whole_sentence
from kizashi_collector.analysis._review._trend import PERIODS, trend_of
from kizashi_collector.analysis._review._verdicts import Judged, judge
from kizashi_collector.analysis._table import Codes, Column, EventTable
from kizashi_schemas import DAY_MS
from kizashi_schemas.plan import Plan

__all__ = ["RECENT_MS", "review"]

RECENT_MS = 28 * DAY_MS
"""How far back events are counted that tell whether a micro-conversion is still sent."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def review(
    table: EventTable,
    codes: Codes,
    plan: Plan,
    journeys: Journeys | None,
    fit: NumberedFit | None,
    *,
    as_of: int,
    check: Check = lambda: None,
) -> Review:
    """Review each micro-conversion of the plan, in the plan's order.

    `table` holds the planned events with time in (as_of − lookback − horizon, as_of], in any order, and may hold
    others; of their columns name, time and actor are looked at, and 28 days of events are needed for `recent`.
    `journeys` are those of the plan's ladder as they stand at as_of, from where no journey was open; None where the
    plan has no final. `fit` is of the whole site, or of keys; where it is None or was no final yet, steps of the ladder
    are valued as simply as all else. Every event and journey counted is known at as_of, and the order of events changes
    nothing. `check` is called between events' names, and what it raises ends the work.

    Raises ValueError where the fit is of a ladder with another number of steps.
    """
    ladder = Ladder.of(plan)
    if fit is not None and ladder is not None and fit.fit.steps != ladder.steps:
        raise ValueError(f"fit {fit.number} is of {fit.fit.steps} steps; the plan's ladder has {ladder.steps}")
    cohort = _Cohort.of(journeys, ladder, as_of)
    by_fit = None if fit is None or ladder is None else fitted_steps(fit.fit)
    today = (_EPOCH + timedelta(milliseconds=as_of)).astimezone(ZoneInfo(plan.timezone)).date()
    reviewer = _Reviewer(table, codes, plan, cohort, by_fit, as_of, today)
    events = []
    for name, rule in plan.events.items():
        if not rule.final:
            events.append(reviewer.reviewed(name))
            check()
    doubles = double_counts(reviewer.primaries, cohort.journeys, cohort.rows, codes, plan)
    found = Review(
        as_of=as_of,
        start=cohort.start,
        end=cohort.end,
        plan=plan.id,
        currency=plan.currency,
        journeys=len(cohort.rows),
        converted=int(cohort.converted[cohort.rows].sum()),
        fit=fit,
        events=tuple(events),
        double_counts=doubles,
        overdue=_overdue(events),
        sentence="",
    )
    return replace(found, sentence=whole_sentence(found))


class _Cohort(Struct, frozen=True, eq=False):
    """The journeys that are counted: begun in (start, end], with a micro-conversion, and with an outcome.

    They end a horizon before as_of: of younger ones, only those that converted soon would have an outcome.
    """

    journeys: Journeys
    start: int
    end: int
    horizon: int
    rows: Column
    finals: Column
    converted: NDArray[np.bool_]
    young: NDArray[np.bool_]
    """Those that are not counted because their outcome is not known yet, or not known of all of their age."""

    @classmethod
    def of(cls, journeys: Journeys | None, ladder: Ladder | None, as_of: int) -> _Cohort:
        if journeys is None or ladder is None:
            return cls(_no_journeys(), as_of, as_of, 0, *(np.zeros(0, np.int64),) * 2, *(np.zeros(0, np.bool_),) * 2)
        end = as_of - ladder.horizon_ms
        start = end - ladder.lookback_ms
        is_open = journeys.open_at(as_of, ladder.horizon_ms)
        within = (journeys.begin > start) & (journeys.begin <= end) & ~is_open
        led = journeys.deepest < ladder.final
        return cls(
            journeys=journeys,
            start=start,
            end=end,
            horizon=ladder.horizon_ms,
            rows=np.flatnonzero(within & led),
            finals=np.flatnonzero(within),
            converted=journeys.ended == CONVERTED,
            young=(journeys.begin > start) & (is_open | (journeys.begin > end)),
        )


class _Reviewer:
    """Reviews one event after the other, and keeps what is to be known of the primary ones."""

    def __init__(
        self,
        table: EventTable,
        codes: Codes,
        plan: Plan,
        cohort: _Cohort,
        by_fit: list[Learned] | None,
        as_of: int,
        today: date,
    ) -> None:
        self.primaries: list[Primary] = []
        self._table = table
        self._plan = plan
        self._cohort = cohort
        self._by_fit = by_fit
        self._as_of = as_of
        self._today = today
        self._codes = {name: code for code, name in enumerate(codes.names) if code}
        self._belonging = Belonging(cohort.journeys, cohort.horizon)
        self._brought = Brought.of(cohort.journeys, cohort.finals)
        self._steps: dict[int, Learned] = {}

    def reviewed(self, name: str) -> EventReview:
        """The review of one micro-conversion."""
        plan, cohort, rule = self._plan, self._cohort, self._plan.events[name]
        rows = np.flatnonzero(self._table.name == self._codes.get(name, -1))
        rows = rows[self._table.time[rows] <= self._as_of]
        time = self._table.time[rows]
        found = self._belonging.occurrences(self._table.actor[rows], time)
        if rule.action == "primary":
            self.primaries.append(Primary(name, found))
        had = cohort.rows[found.there[cohort.rows]]
        converted = had[cohort.converted[had]]
        every = int(cohort.converted[cohort.rows].sum())
        step = self._step(name)
        learned = self._learned(step, len(had), len(converted))
        counts = Judged(
            journeys=len(had),
            converted=len(converted),
            other_journeys=len(cohort.rows) - len(had),
            other_converted=every - len(converted),
            waiting=int((cohort.young & found.there).sum()),
            marginal_gain=self._gain(step),
            enough=plan.values.min_effective_conversions,
        )
        verdict, reason = judge(counts, has_final=bool(plan.finals))
        reviewed = EventReview(
            event=name,
            step=step,
            next_step=self._next(step),
            action=rule.action,
            declared=rule.value,
            learned=learned,
            journeys=counts.journeys,
            converted=counts.converted,
            share=counts.journeys / len(cohort.rows) if len(cohort.rows) else None,
            waiting=counts.waiting,
            lift=counts.lift,
            marginal_gain=counts.marginal_gain,
            lag=self._lag(found, converted),
            trend=trend_of(self._periods(had)),
            recent=int((time > self._as_of - RECENT_MS).sum()),
            owner=rule.owner,
            review_by=rule.review_by,
            overdue=rule.review_by is not None and rule.review_by < self._today,
            verdict=verdict,
            reason=reason,
            sentence="",
        )
        return replace(reviewed, sentence=event_sentence(reviewed, plan))

    def _step(self, name: str) -> int | None:
        ladder = self._plan.values.ladder
        return ladder.index(name) + 1 if name in ladder else None

    def _next(self, step: int | None) -> str | None:
        if step is None:
            return None
        ladder = self._plan.values.ladder
        return ladder[step] if step < len(ladder) else ", ".join(self._plan.finals)

    def _learned(self, step: int | None, journeys: int, converted: int) -> Learned | None:
        if step is not None and self._by_fit is not None and self._by_fit[step - 1].chance.share > 0:
            return self._by_fit[step - 1]
        return simply(converted, journeys, self._brought)

    def _gain(self, step: int | None) -> float | None:
        """How much of the next step's chance is still open at this one, where a fit knows both."""
        if step is None or self._by_fit is None:
            return None
        following = self._by_fit[step].chance.share if step < len(self._by_fit) else 1.0
        return 1 - self._by_fit[step - 1].chance.share / following if following else None

    def _lag(self, found: Occurrences, converted: Column) -> Lag | None:
        lags = np.sort(self._cohort.journeys.end[converted] - found.first[converted]).tolist()
        return Lag(nearest_rank(lags, 500), nearest_rank(lags, 900)) if lags else None

    def _periods(self, had: Column) -> list[Period]:
        """Those of one horizon each that lie in the lookback, the oldest first."""
        cohort = self._cohort
        begin = cohort.journeys.begin[had]
        periods = []
        for back in reversed(range(PERIODS)):
            end = cohort.end - back * cohort.horizon
            start = end - cohort.horizon
            if cohort.start <= start < end:
                within = had[(begin > start) & (begin <= end)]
                periods.append(Period(start, end, len(within), int(cohort.converted[within].sum())))
        return periods


def _overdue(events: list[EventReview]) -> tuple[Overdue, ...]:
    owners: dict[str | None, list[str]] = {}
    for event in events:
        if event.overdue:
            owners.setdefault(event.owner, []).append(event.event)
    return tuple(Overdue(owner, tuple(names)) for owner, names in owners.items())


def _no_journeys() -> Journeys:
    none = np.zeros(0, np.int64)
    few = none.astype(np.int8)
    return Journeys(
        actor=none,
        begin=none,
        source=none,
        deepest=none.astype(np.int16),
        reached=np.zeros((0, 1), np.int64),
        ended=few,
        end=none,
        final=none,
        brought=none,
        apart={},
    )
