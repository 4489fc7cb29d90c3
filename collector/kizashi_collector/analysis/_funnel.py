"""The answer about a funnel: counts, times, money, breakdown, trend and histogram, from the plain attempts."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

from msgspec import Struct

from kizashi_collector.analysis._attempts import Attempt, attempts, best
from kizashi_collector.analysis._events import Interval, LoggedEvent, PropertyValue, by_actor
from kizashi_collector.analysis._matching import Check, Matcher, Rules
from kizashi_collector.analysis._percentiles import nearest_rank
from kizashi_collector.analysis._worth import Worth
from kizashi_schemas import Funnel, Histogram

__all__ = [
    "FunnelFigures",
    "GroupFigures",
    "StepFigures",
    "TrendFigures",
    "evaluate_funnel",
    "grouped_winners",
    "key_of",
    "trend_of",
    "winners_of",
]


class StepFigures(Struct, frozen=True):
    """One step. Times since the last step before that is not optional are milliseconds; money is micros."""

    count: int
    rate: float | None
    step_rate: float | None
    mean_ms: float | None
    median_ms: float | None
    p90_ms: int | None
    declared: int | None
    final: int | None


class GroupFigures(Struct, frozen=True):
    """The funnel of one breakdown key, its values in the order of the asked fields."""

    key: tuple[str, ...]
    steps: list[StepFigures]


class TrendFigures(Struct, frozen=True):
    """One day of entry in the plan's zone."""

    day: date
    entered: int
    completed: int
    rate: float | None


class FunnelFigures(Struct, frozen=True):
    """A funnel's figures. `groups`, `trend` and `histogram` are None where they were not asked for.

    `histogram` lists (lower edge in milliseconds, count).
    """

    steps: list[StepFigures]
    groups: list[GroupFigures] | None
    trend: list[TrendFigures] | None
    histogram: list[tuple[float, int]] | None


def evaluate_funnel(
    events: Iterable[LoggedEvent],
    funnel: Funnel,
    interval: Interval,
    *,
    worth: Worth,
    zone: str = "UTC",
    by: tuple[str, ...] = (),
    attribution: str = "first",
    check: Check = lambda: None,
) -> FunnelFigures:
    """Evaluate a checked funnel over events, of which those up to as_of count.

    The events must reach back to interval.start, or for `entry: "first"` and `count: "attempts"` to the log's begin.
    `check` is called throughout, and what it raises ends the work. Raises FunnelError where steps overlap in more ways
    at one instant than can be tried.
    """
    rules = Rules(funnel, check)
    actors = by_actor(event for event in events if event.time <= interval.as_of)
    runs = {actor: attempts(own, rules, interval) for actor, own in actors.items()}
    winners = [winner for own in runs.values() for winner in winners_of(own, rules)]
    groups: dict[tuple[str, ...], list[Attempt]] = {}
    if by:
        for actor, own in actors.items():
            for key, winner in grouped_winners(own, runs[actor], rules, interval, by, attribution):
                groups.setdefault(key, []).append(winner)
    return FunnelFigures(
        steps=_steps(winners, rules, worth),
        groups=[GroupFigures(key, _steps(groups[key], rules, worth)) for key in sorted(groups)] if by else None,
        trend=trend_of(runs.values(), rules, interval, ZoneInfo(zone)) if funnel.trend else None,
        histogram=None if funnel.histogram is None else _histogram(winners, funnel, funnel.histogram),
    )


def winners_of(own: Sequence[Attempt], rules: Rules) -> list[Attempt]:
    """The attempts that one actor counts with: the best, or with `count: "attempts"` every untainted one."""
    if rules.funnel.count == "attempts":
        return [attempt for attempt in own if not attempt.tainted]
    winner = best(own, rules)
    return [] if winner is None else [winner]


def _steps(winners: Sequence[Attempt], rules: Rules, worth: Worth) -> list[StepFigures]:
    counts = [
        sum(a.event(step) is not None if step in rules.optional else a.depth >= step for a in winners)
        for step in range(rules.last + 1)
    ]
    return [_step(step, counts, winners, rules, worth) for step in range(rules.last + 1)]


def _step(step: int, counts: list[int], winners: Sequence[Attempt], rules: Rules, worth: Worth) -> StepFigures:
    previous = rules.previous_required(step)
    taken = [event for winner in winners if (event := winner.event(step)) is not None]
    times = sorted(_between(winners, previous, step)) if previous is not None else []
    middle = len(times) // 2
    return StepFigures(
        count=counts[step],
        rate=_ratio(counts[step], counts[0]),
        step_rate=None if previous is None else _ratio(counts[step], counts[previous]),
        mean_ms=sum(times) / len(times) if times else None,
        median_ms=(times[middle] + times[-middle - 1]) / 2 if times else None,
        p90_ms=nearest_rank(times, 900) if times else None,
        # Without a plan nothing is known of money, not even where nobody took the step.
        declared=None if worth.plan is None else _total(worth.declared(event) for event in taken),
        final=None if worth.plan is None else _total(worth.final(event) for event in taken),
    )


def _between(winners: Iterable[Attempt], first: int, second: int) -> Iterable[int]:
    """The milliseconds between two steps, for the attempts that took both."""
    for winner in winners:
        start, end = winner.event(first), winner.event(second)
        if start is not None and end is not None:
            yield end.time - start.time


def _ratio(part: int, whole: int) -> float | None:
    return part / whole if whole else None


def _total(amounts: Iterable[int | None]) -> int | None:
    total = 0
    for amount in amounts:
        if amount is None:
            return None
        total += amount
    return total


# -- breakdown ----------------------------------------------------------------------------------------------------


def grouped_winners(
    own: Sequence[LoggedEvent],
    run: Sequence[Attempt],
    rules: Rules,
    interval: Interval,
    by: tuple[str, ...],
    attribution: str,
) -> Iterable[tuple[tuple[str, ...], Attempt]]:
    """The attempts that one actor counts with, each under the key that it is attributed to.

    `own` are the actor's events, `run` the attempts of the funnel as it is.
    """
    if attribution == "all":
        for key in sorted({key_of(event, by) for event in own}):
            alone = [event for event in own if key_of(event, by) == key]
            for winner in winners_of(attempts(alone, rules, interval), rules):
                yield key, winner
    elif attribution.startswith("step:"):
        step = int(attribution.removeprefix("step:"))
        # Only events that an attempt of the interval could take name a value: what came before has no say.
        fitting = [event for event in own if event.time > interval.start and rules.steps[step](event)]
        for key in sorted({key for event in fitting if any(key := key_of(event, by))}):
            restricted = rules.restricted(step, _having(key, by))
            for winner in winners_of(attempts(own, restricted, interval), restricted):
                yield key, winner
    else:
        for winner in winners_of(run, rules):
            path = winner.path if attribution == "first" else winner.path[::-1]
            keys = (key_of(event, by) for _, event in path)
            yield next((key for key in keys if any(key)), ("",) * len(by)), winner


def _having(key: tuple[str, ...], by: tuple[str, ...]) -> Matcher:
    return lambda event: key_of(event, by) == key


def key_of(event: LoggedEvent, by: tuple[str, ...]) -> tuple[str, ...]:
    """The values of one event; what is missing or null is the empty string."""
    return tuple(
        _text(event.properties.get(field.removeprefix("properties.")))
        if field.startswith("properties.")
        else event.source.get(field, "")
        for field in by
    )


def _text(value: PropertyValue) -> str:
    """A property as a key: text as it is, numbers and booleans as JSON writes them (2.0 as 2, since they are equal)."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)


# -- trend and histogram --------------------------------------------------------------------------------------------


def trend_of(runs: Iterable[Sequence[Attempt]], rules: Rules, interval: Interval, zone: ZoneInfo) -> list[TrendFigures]:
    """Entries by day: an actor counts once a day, with the best attempt begun that day."""
    first, last = _day(interval.start + 1, zone), _day(interval.end, zone)
    days = [first + timedelta(days=offset) for offset in range((last - first).days + 1)]
    entered = dict.fromkeys(days, 0)
    completed = dict.fromkeys(days, 0)
    for own in runs:
        begun: dict[date, list[Attempt]] = {}
        for attempt in own:
            begun.setdefault(_day(attempt.start.time, zone), []).append(attempt)
        for day, candidates in begun.items():
            for winner in winners_of(candidates, rules):
                entered[day] += 1
                completed[day] += winner.depth == rules.last
    return [TrendFigures(day, entered[day], completed[day], _ratio(completed[day], entered[day])) for day in days]


def _day(time: int, zone: ZoneInfo) -> date:
    return (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=time)).astimezone(zone).date()


def _histogram(winners: Sequence[Attempt], funnel: Funnel, histogram: Histogram) -> list[tuple[float, int]]:
    """Bins of equal width from the least time to the greatest, and one more that begins at the greatest.

    The binning of PostHog's time-to-convert view. With one distinct time there is one bin; with none, none.
    """
    times = list(_between(winners, histogram.from_, funnel.end_of(histogram)))
    if not times:
        return []
    least, span, bins = min(times), max(times) - min(times), histogram.bins
    if span == 0:
        return [(least, len(times))]
    counts = [0] * (bins + 1)
    for time in times:
        counts[(time - least) * bins // span] += 1
    return [(least + number * span / bins, count) for number, count in enumerate(counts)]
