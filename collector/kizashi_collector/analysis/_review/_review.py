"""The review of a plan: for each micro-conversion, what it was declared to be worth beside what it turned out to be."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

from msgspec.structs import replace

from kizashi_collector.analysis._journeys import Ladder
from kizashi_collector.analysis._review._counts import Cohort, ReviewCounts
from kizashi_collector.analysis._review._double_counts import double_counts
from kizashi_collector.analysis._review._figures import EventReview, Learned, NumberedFit, Overdue, Period, Review
from kizashi_collector.analysis._review._learned import Brought, fitted_steps, simply
from kizashi_collector.analysis._review._sentences import event_sentence, whole_sentence
from kizashi_collector.analysis._review._trend import trend_of
from kizashi_collector.analysis._review._verdicts import Judged, judge
from kizashi_schemas.plan import Plan

__all__ = ["review"]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def review(plan: Plan, counts: ReviewCounts, fit: NumberedFit | None, *, as_of: int) -> Review:
    """Review each micro-conversion of the plan, in the plan's order, from what was counted under it at as_of.

    `fit` is of the whole site, or of keys; where it is None or was no final yet, steps of
    the ladder are valued as simply as all else.

    Raises ValueError where the fit is of a ladder with another number of steps.
    """
    ladder = Ladder.of(plan)
    cohort = Cohort.of(ladder, as_of)
    if fit is not None and ladder is not None and fit.fit.steps != ladder.steps:
        raise ValueError(f"fit {fit.number} is of {fit.fit.steps} steps; the plan's ladder has {ladder.steps}")
    by_fit = None if fit is None or ladder is None else fitted_steps(fit.fit)
    today = (_EPOCH + timedelta(milliseconds=as_of)).astimezone(ZoneInfo(plan.timezone)).date()
    reviewer = _Reviewer(plan, counts, cohort, by_fit, today)
    events = [reviewer.reviewed(name) for name, rule in plan.events.items() if not rule.final]
    found = Review(
        as_of=as_of,
        start=cohort.start,
        end=cohort.end,
        plan=plan.id,
        currency=plan.currency,
        journeys=counts.journeys,
        converted=counts.converted,
        fit=fit,
        events=tuple(events),
        double_counts=double_counts(counts.events, plan),
        overdue=_overdue(events),
        sentence="",
    )
    return replace(found, sentence=whole_sentence(found))


class _Reviewer:
    """Reviews one event after the other."""

    def __init__(
        self, plan: Plan, counts: ReviewCounts, cohort: Cohort, by_fit: list[Learned] | None, today: date
    ) -> None:
        self._plan = plan
        self._counts = counts
        self._cohort = cohort
        self._by_fit = by_fit
        self._today = today
        self._brought = Brought.of(counts.brought)

    def reviewed(self, name: str) -> EventReview:
        """The review of one micro-conversion."""
        plan, every, rule = self._plan, self._counts, self._plan.events[name]
        own = every.events[name]
        step = self._step(name)
        judged = Judged(
            journeys=own.journeys,
            converted=own.converted,
            other_journeys=every.journeys - own.journeys,
            other_converted=every.converted - own.converted,
            waiting=own.waiting,
            marginal_gain=self._gain(step),
            enough=plan.values.min_effective_conversions,
        )
        verdict, reason = judge(judged, has_final=bool(plan.finals))
        reviewed = EventReview(
            event=name,
            step=step,
            next_step=self._next(step),
            action=rule.action,
            declared=rule.value,
            learned=self._learned(step, own.journeys, own.converted),
            journeys=own.journeys,
            converted=own.converted,
            share=own.journeys / every.journeys if every.journeys else None,
            waiting=own.waiting,
            lift=judged.lift,
            marginal_gain=judged.marginal_gain,
            lag=own.lag,
            trend=trend_of(self._periods(own.periods)),
            recent=own.recent,
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

    def _periods(self, counted: Sequence[tuple[int, int]]) -> list[Period]:
        ends = zip(self._cohort.periods, counted, strict=True)
        return [Period(start, end, journeys, converted) for (start, end), (journeys, converted) in ends]


def _overdue(events: list[EventReview]) -> tuple[Overdue, ...]:
    owners: dict[str | None, list[str]] = {}
    for event in events:
        if event.overdue:
            owners.setdefault(event.owner, []).append(event.event)
    return tuple(Overdue(owner, tuple(names)) for owner, names in owners.items())
