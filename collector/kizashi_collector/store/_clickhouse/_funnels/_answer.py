"""The door: a funnel over the rows of a view, equal to `analysis.evaluate_funnel` over its events."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import msgspec

from kizashi_collector.analysis import (
    Check,
    FunnelFigures,
    GroupFigures,
    Interval,
    StepFigures,
    TrendFigures,
)
from kizashi_collector.store._clickhouse._funnels._apart import Apart, Winner, run_apart
from kizashi_collector.store._clickhouse._funnels._counted import bins_of, counted
from kizashi_collector.store._clickhouse._funnels._found import NONE, Counted, Key, Ranked, StepCount
from kizashi_collector.store._clickhouse._funnels._question import Question
from kizashi_collector.store._clickhouse._funnels._trend import days_of
from kizashi_collector.store._clickhouse._funnels._usual import is_usual
from kizashi_collector.store._clickhouse._funnels._usual_counted import usual_bins, usual_counted
from kizashi_collector.store._clickhouse._sql import Ask, View
from kizashi_schemas import Funnel, FunnelError, Histogram
from kizashi_schemas.plan import Plan

__of_all_ = ["funnel_figures"]

# What each step takes depends on which ones were taken before: the time to make a plan of it grows with the cube.
_MOST_STEPS = 20


def funnel_figures(
    ask: Ask,
    view: View,
    funnel: Funnel,
    interval: Interval,
    plan: Plan | None,
    by: tuple[str, ...],
    attribution: str,
    adjusted: bool,
    check: Check,
) -> FunnelFigures:
    """Evaluate a checked funnel over a view, of which events up to as_of count.

    `adjusted` tells whether the view has any adjustment. One to three queries run, twice as many where the order of
    events of one instant matters for some actor; `check` is called between them. Raises FunnelError where that is so
    for too many, or steps overlap in more ways at one instant than can be tried, or there are too many to plan a query.
    """
    _check_size(funnel)
    zone = "UTC" if plan is None else plan.timezone
    whole = Question(view, funnel, interval, plan, adjusted, zone)
    keyed = msgspec.structs.replace(whole, by=by, attribution=attribution)
    once = attribution in ("first", "last")
    # Days and bins leave out those who are apart from the total: by the same question.
    of_all = keyed if once else whole
    total, apart = _run(ask, of_all, check)
    groups, of_groups = total, apart
    if by and not once:
        check()
        groups, of_groups = _run(ask, msgspec.structs.replace(keyed, funnel=_plain(funnel)), check)
    keys = sorted({key for key in (*groups.groups, *of_groups.winners) if key})
    return FunnelFigures(
        steps=_figures(whole, total, apart, ()),
        groups=[GroupFigures(key, _figures(keyed, groups, of_groups, key)) for key in keys] if by else None,
        trend=_trend(ask, of_all, apart, check) if funnel.trend else None,
        histogram=None if funnel.histogram is None else _histogram(ask, of_all, funnel.histogram, total, apart, check),
    )


def _check_size(funnel: Funnel) -> None:
    steps, most = len(funnel.steps), _MOST_STEPS
    if steps > most and (funnel.order == "unordered" or funnel.optional):
        kind = "an unordered funnel" if funnel.order == "unordered" else "a funnel with optional steps"
        raise FunnelError(f"steps: {steps} given; over ClickHouse {kind} may have {most}; name fewer")


def _plain(funnel: Funnel) -> Funnel:
    """A funnel as its groups need it: without what is told of all actors only."""
    return msgspec.structs.replace(funnel, trend=False, histogram=None)


def _run(ask: Ask, question: Question, check: Check) -> tuple[Counted, Apart]:
    count = usual_counted if is_usual(question) else counted
    found = count(ask, question, 0)
    if not found.apart:
        return found, Apart({}, {})
    check()
    apart = run_apart(ask, question, found.apart_events, check)
    if apart.margin():
        check()
        found = count(ask, question, apart.margin())
    return found, apart


def _figures(question: Question, found: Counted, apart: Apart, key: Key) -> list[StepFigures]:
    steps = found.groups.get(key) or [NONE] * (question.last + 1)
    winners = apart.winners.get(key, [])
    counts = [step.count + _reached(question, k, winners) for k, step in enumerate(steps)]
    return [_step(question, k, counts, step, winners) for k, step in enumerate(steps)]


def _reached(question: Question, k: int, winners: Sequence[Winner]) -> int:
    if k in question.funnel.optional:
        return sum(winner.steps[k] is not None for winner in winners)
    return sum(winner.depth >= k for winner in winners)


def _step(question: Question, k: int, counts: list[int], step: StepCount, winners: Sequence[Winner]) -> StepFigures:
    previous = question.previous_required(k)
    own = [] if previous is None else _between(winners, previous, k)
    times = step.times + len(own)
    middle = times // 2
    events = [event for winner in winners if (event := winner.steps[k]) is not None]
    known = question.plan is not None
    return StepFigures(
        count=counts[k],
        rate=_ratio(counts[k], counts[0]),
        step_rate=None if previous is None else _ratio(counts[k], counts[previous]),
        mean_ms=(step.total + sum(own)) / times if times else None,
        median_ms=(_at(step.median, own, middle) + _at(step.median, own, times - middle - 1)) / 2 if times else None,
        p90_ms=_at(step.p90, own, max(0, -(-900 * times // 1000) - 1)) if times else None,
        declared=_sum(step.declared, [declared for _, declared, _ in events]) if known else None,
        final=_sum(step.final, [final for _, _, final in events]) if known else None,
    )


def _at(ranked: Ranked, others: list[int], place: int) -> int:
    """The value at a place of a sorted list, once others are sorted in; `ranked` reaches far enough around it."""
    return sorted([*ranked.values, *others])[place - ranked.first] if others else ranked.values[place - ranked.first]


def _between(winners: Sequence[Winner], first: int, second: int) -> list[int]:
    return [
        end[0] - start[0]
        for winner in winners
        if (start := winner.steps[first]) is not None and (end := winner.steps[second]) is not None
    ]


def _sum(known: int | None, others: list[int | None]) -> int | None:
    if known is None:
        return None
    for other in others:
        if other is None:
            return None
        known += other
    return known


def _ratio(part: int, whole: int) -> float | None:
    return part / whole if whole else None


def _trend(ask: Ask, question: Question, apart: Apart, check: Check) -> list[TrendFigures]:
    check()
    found, zone = days_of(ask, question), ZoneInfo(question.zone)
    first, last = _day(question.interval.start + 1, zone), _day(question.interval.end, zone)
    figures = []
    for offset in range((last - first).days + 1):
        day = first + timedelta(days=offset)
        both = zip(found.get(day, (0, 0)), apart.days.get(day, (0, 0)), strict=True)
        entered, completed = (one + other for one, other in both)
        figures.append(TrendFigures(day, entered, completed, _ratio(completed, entered)))
    return figures


def _day(time: int, zone: ZoneInfo) -> date:
    return (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=time)).astimezone(zone).date()


def _histogram(
    ask: Ask, question: Question, histogram: Histogram, found: Counted, apart: Apart, check: Check
) -> list[tuple[float, int]]:
    others = _between(apart.winners.get((), []), histogram.from_, question.funnel.end_of(histogram))
    count, least, greatest = found.spans
    times = [*others, *((least, greatest) if count else ())]
    if not times:
        return []
    least, greatest, bins = min(times), max(times), histogram.bins
    if least == greatest:
        return [(least, count + len(others))]
    check()
    binned = usual_bins if is_usual(question) else bins_of
    counts = binned(ask, question, bins, least, greatest) if count else [0] * (bins + 1)
    for time in others:
        counts[(time - least) * bins // (greatest - least)] += 1
    return [(least + number * (greatest - least) / bins, count) for number, count in enumerate(counts)]
