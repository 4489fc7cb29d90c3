"""Funnels by brute force: the rules of docs/funnels.md, read word for word.

Nothing here is meant to be fast. The events of one instant are tried in every order there is; every attempt is run
from its first event through the whole log. Steps and exclusions count from 0. Times are milliseconds, money micros.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from fractions import Fraction
from itertools import groupby, pairwise, permutations
from typing import Any
from zoneinfo import ZoneInfo

from kizashi_collector.analysis import Interval, LoggedEvent
from kizashi_schemas import Funnel, parse_duration
from kizashi_schemas.plan import Plan
from oracle.worth import total, worth_declared, worth_final

__all__ = ["funnel_answer"]

Fits = Callable[[int, LoggedEvent], bool]
Key = tuple[str, ...]


def funnel_answer(
    log: Iterable[LoggedEvent],
    funnel: Funnel,
    interval: Interval,
    *,
    plan: Plan | None = None,
    zone: str = "UTC",
    by: Key = (),
    attribution: str = "first",
) -> dict[str, Any]:
    """The whole answer as plain data: `steps`, `groups` by key, `trend` and `histogram` (None where not asked)."""
    log = list(log)
    run = _Run(funnel, interval)
    actors = _actors(log, interval.as_of)
    everyone = [attempt for events in actors.values() for attempt in run.counted(run.attempts(events))]

    def steps(attempts: Sequence[_Attempt]) -> list[dict[str, Any]]:
        return _steps(funnel, attempts, log, plan, interval.as_of)

    groups: dict[Key, list[_Attempt]] = {}
    for events in actors.values():
        for key, attempts in _grouped(run, events, by, attribution):
            groups.setdefault(key, []).extend(attempts)
    return {
        "steps": steps(everyone),
        "groups": {key: steps(attempts) for key, attempts in groups.items() if attempts} if by else None,
        "trend": _trend(run, actors.values(), zone) if funnel.trend else None,
        "histogram": _histogram(funnel, everyone) if funnel.histogram else None,
    }


def _actors(log: Sequence[LoggedEvent], as_of: int) -> dict[str, list[LoggedEvent]]:
    """Each actor's events up to as_of, by (time, id). Adjustments are no step."""
    actors: dict[str, list[LoggedEvent]] = {}
    for event in sorted(log, key=lambda e: (e.time, e.id)):
        if event.adjust is None and event.actor is not None and event.time <= as_of:
            actors.setdefault(event.actor, []).append(event)
    return actors


# What fits a step


def _fits(event: LoggedEvent, name: str, where: dict[str, Any]) -> bool:
    return name in ("*", event.name) and all(_holds(event, path, wanted) for path, wanted in where.items())


def _holds(event: LoggedEvent, path: str, wanted: Any) -> bool:
    kind, _, field_name = path.partition(".")
    if kind == "source":
        value: Any = event.source.get(field_name, "")
    elif field_name in event.properties:
        value = event.properties[field_name]
    else:
        return False
    choices = wanted if isinstance(wanted, list) else [wanted]
    # In JSON true is not 1, while 2 and 2.0 are the same number.
    return any(isinstance(value, bool) == isinstance(choice, bool) and value == choice for choice in choices)


# One attempt


@dataclass
class _Attempt:
    """One run: the events that took its steps, in the order of taking."""

    first: LoggedEvent
    taken: dict[int, LoggedEvent]
    """By step of the funnel's definition."""
    at: dict[int, LoggedEvent] = field(default_factory=dict)
    """By step number of the answer: the same, but for unordered the k-th step taken is step k."""
    tainted: bool = False

    @property
    def depth(self) -> int:
        return max(self.at)

    def reached(self, step: int) -> int | None:
        """When the attempt first stood at the step or beyond it."""
        return min((event.time for k, event in self.at.items() if k >= step), default=None)


class _Run:
    """The rules of one funnel, applied to one actor's events at a time."""

    def __init__(self, funnel: Funnel, interval: Interval, fits: Fits | None = None) -> None:
        self.funnel = funnel
        self.interval = interval
        self.steps = funnel.normal_steps
        self.window = parse_duration(funnel.conversion_window)
        self.fits = fits or (lambda k, event: _fits(event, self.steps[k].event, self.steps[k].where))

    def restricted(self, fits: Fits) -> _Run:
        return _Run(self.funnel, self.interval, fits)

    def open_steps(self, taken: dict[int, LoggedEvent]) -> list[int]:
        """The steps that may come next: up to the first that is not optional; for unordered all that are left."""
        if self.funnel.order == "unordered":
            return [k for k in range(len(self.steps)) if k not in taken]
        steps = []
        for k in range(max(taken, default=-1) + 1, len(self.steps)):
            steps.append(k)
            if not taken or k not in self.funnel.optional:
                break
        return steps

    def play(self, taken: dict[int, LoggedEvent], order: Iterable[LoggedEvent]) -> dict[int, LoggedEvent]:
        """Each event in turn fills the furthest open step that it fits, if any."""
        for event in order:
            steps = [k for k in self.open_steps(taken) if self.fits(k, event)]
            if steps:
                taken = {**taken, max(steps): event}
        return taken

    def furthest(self, taken: dict[int, LoggedEvent], events: Sequence[LoggedEvent]) -> dict[int, LoggedEvent]:
        """Events of one instant are taken in whatever order advances furthest; of several, the first by ids."""
        ends = [self.play(taken, order) for order in permutations(events)]
        most = max(map(self.advance, ends))
        return min((end for end in ends if self.advance(end) == most), key=lambda end: [e.id for e in end.values()])

    def advance(self, taken: dict[int, LoggedEvent]) -> tuple[int, int]:
        return (0 if self.funnel.order == "unordered" else max(taken), len(taken))

    def is_complete(self, taken: dict[int, LoggedEvent]) -> bool:
        return not self.open_steps(taken)

    def may_begin(self, event: LoggedEvent) -> bool:
        return bool(self.play({}, [event]))

    def breaks(self, taken: dict[int, LoggedEvent], events: Sequence[LoggedEvent]) -> bool:
        """In a strict funnel an event that filled no step breaks the attempt, unless it is complete by then."""
        idle = [event for event in events if event not in taken.values()]
        return self.funnel.order == "strict" and bool(idle) and not self.is_complete(taken)

    # The attempts of one actor

    def attempts(self, events: Sequence[LoggedEvent]) -> list[_Attempt]:
        """All attempts that began in the interval, tainted or not."""
        if self.funnel.entry == "first" or self.funnel.count == "attempts":
            attempts = self.one_after_another(events)
        else:
            attempts = [self.attempt_from(event, events) for event in events if self.may_begin(event)]
        for attempt in attempts:
            taken = attempt.taken
            attempt.at = dict(enumerate(taken.values())) if self.funnel.order == "unordered" else taken
            attempt.tainted = self.is_tainted(attempt, events)
        return [a for a in attempts if self.interval.start < a.first.time <= self.interval.end]

    def attempt_from(self, first: LoggedEvent, events: Sequence[LoggedEvent]) -> _Attempt:
        taken = self.play({}, [first])
        for time, now in _instants(events):
            if first.time <= time <= first.time + self.window and not self.is_complete(taken):
                taken = self.furthest(taken, [event for event in now if event is not first])
                if time > first.time and self.breaks(taken, now):
                    break
        return _Attempt(first, taken)

    def one_after_another(self, events: Sequence[LoggedEvent]) -> list[_Attempt]:
        """`entry: "first"`: none starts until the last has been completed, broken or has expired."""
        attempts: list[_Attempt] = []
        current: _Attempt | None = None
        for time, now in _instants(events):
            idle = now  # events of this instant that have filled no step yet
            candidates = now  # events that may begin an attempt
            if current is not None and time > current.first.time + self.window:
                current = None
            if current is not None:
                current.taken = self.furthest(current.taken, now)
                if not self.is_complete(current.taken) and not self.breaks(current.taken, now):
                    continue
                idle, candidates = self.left_over(current, idle)
                current = None
            while current is None and any(self.may_begin(event) for event in candidates):
                current = self.best_begin([event for event in candidates if self.may_begin(event)], idle)
                attempts.append(current)
                if self.is_complete(current.taken):
                    idle, candidates = self.left_over(current, idle)
                    candidates = [event for event in candidates if event is not current.first]
                    current = None
        return attempts

    def left_over(self, ended: _Attempt, idle: Sequence[LoggedEvent]) -> tuple[list[LoggedEvent], list[LoggedEvent]]:
        """The events that filled no step of the ended attempt; and those, with the completing one, as candidates."""
        used = list(ended.taken.values())
        rest = [event for event in idle if event not in used]
        return rest, rest + ([used[-1]] if self.is_complete(ended.taken) else [])

    def best_begin(self, candidates: Sequence[LoggedEvent], idle: Sequence[LoggedEvent]) -> _Attempt:
        """Of several that may begin, the one from which the instant alone advances furthest, then the smaller id."""
        begun = [
            _Attempt(first, self.furthest(self.play({}, [first]), [event for event in idle if event is not first]))
            for first in sorted(candidates, key=lambda e: e.id)
        ]
        return max(begun, key=lambda attempt: self.advance(attempt.taken))

    # What they come to

    def is_tainted(self, attempt: _Attempt, events: Sequence[LoggedEvent]) -> bool:
        """An excluded event falls after its `from`, before its `to` (or that is not reached), and in the window."""
        for exclusion in self.funnel.exclude:
            begin = attempt.reached(exclusion.from_)
            end = attempt.reached(len(self.steps) - 1 if exclusion.to is None else exclusion.to)
            for event in events:
                if (
                    _fits(event, exclusion.event, exclusion.where)
                    and begin is not None
                    and begin < event.time <= attempt.first.time + self.window
                    and (end is None or event.time < end)
                ):
                    return True
        return False

    def counted(self, attempts: Sequence[_Attempt]) -> list[_Attempt]:
        """What counts of one actor's attempts: every untainted one, or the one that gives the actor's result."""
        clean = [attempt for attempt in attempts if not attempt.tainted]
        if self.funnel.count == "attempts":
            return clean
        depth = max((a.depth for a in (clean if self.funnel.normal_exclusion == "attempt" else attempts)), default=None)
        there = [attempt for attempt in clean if attempt.depth == depth]
        return sorted(there, key=lambda a: (a.at[a.depth].time, -a.first.time, a.first.id))[:1]


def _instants(events: Sequence[LoggedEvent]) -> list[tuple[int, list[LoggedEvent]]]:
    return [(time, list(now)) for time, now in groupby(events, key=lambda event: event.time)]


# Breakdown


def _value(event: LoggedEvent, key: str) -> str:
    if not key.startswith("properties."):
        return event.source.get(key, "")
    value = event.properties.get(key.removeprefix("properties."))
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)


def _grouped(run: _Run, events: Sequence[LoggedEvent], by: Key, attribution: str) -> list[tuple[Key, list[_Attempt]]]:
    """One actor's counted attempts by breakdown key."""

    def key_of(event: LoggedEvent) -> Key:
        return tuple(_value(event, name) for name in by)

    if attribution in ("first", "last"):
        groups = []
        for attempt in run.counted(run.attempts(events)):
            keys = [key_of(event) for event in attempt.at.values() if any(key_of(event))]
            keys = keys or [("",) * len(by)]
            groups.append((keys[0 if attribution == "first" else -1], [attempt]))
        return groups
    if attribution == "all":
        return [
            (key, run.counted(run.attempts([event for event in events if key_of(event) == key])))
            for key in {key_of(event) for event in events}
        ]
    k = int(attribution.removeprefix("step:"))
    # No attempt that counts can have taken an event from before the interval.
    reachable = [event for event in events if event.time > run.interval.start]
    keys_of_k = {key_of(event) for event in reachable if run.fits(k, event) and any(key_of(event))}

    def only(key: Key) -> Fits:
        return lambda step, event: run.fits(step, event) and (step != k or key_of(event) == key)

    runs = [(key, run.restricted(only(key))) for key in keys_of_k]
    return [(key, other.counted(other.attempts(events))) for key, other in runs]


# Figures


def _steps(
    funnel: Funnel, attempts: Sequence[_Attempt], log: Sequence[LoggedEvent], plan: Plan | None, as_of: int
) -> list[dict[str, Any]]:
    figures = []
    counts: list[int] = []
    for k in range(len(funnel.steps)):
        took = [attempt for attempt in attempts if k in attempt.at]
        if k in funnel.optional:
            counts.append(len(took))
        else:
            counts.append(sum(attempt.depth >= k for attempt in attempts))
        before = max((j for j in range(k) if j not in funnel.optional), default=None)
        spans = [] if before is None else sorted(a.at[k].time - a.at[before].time for a in took if before in a.at)
        events = [attempt.at[k] for attempt in took]
        figures.append(
            {
                "count": counts[k],
                "rate": _ratio(counts[k], counts[0]),
                "step_rate": None if before is None else _ratio(counts[k], counts[before]),
                "mean_ms": _ratio(sum(spans), len(spans)),
                "median_ms": _median(spans),
                "p90_ms": next((s for i, s in enumerate(spans, 1) if Fraction(i, len(spans)) >= Fraction(9, 10)), None),
                "declared": None if plan is None else total([worth_declared(e, log, plan, as_of) for e in events]),
                "final": None if plan is None else total([worth_final(e, log, plan, as_of) for e in events]),
            }
        )
    return figures


def _ratio(part: int, whole: int) -> float | None:
    return part / whole if whole else None


def _median(spans: Sequence[int]) -> float | None:
    middle = [spans[(len(spans) - 1) // 2], spans[len(spans) // 2]] if spans else []
    return _ratio(sum(middle), len(middle))


def _trend(run: _Run, actors: Iterable[Sequence[LoggedEvent]], zone: str) -> list[dict[str, Any]]:
    """By calendar day of entry; an actor counts once a day, with the deepest attempt begun that day."""

    def day_of(time: int) -> date:
        return (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=time)).astimezone(ZoneInfo(zone)).date()

    days = []
    day = day_of(run.interval.start + 1)
    while day <= day_of(run.interval.end):
        that_day = [
            attempt
            for events in actors
            for attempt in run.counted([a for a in run.attempts(events) if day_of(a.first.time) == day])
        ]
        completed = sum(attempt.depth == len(run.steps) - 1 for attempt in that_day)
        days.append(
            {"day": day, "entered": len(that_day), "completed": completed, "rate": _ratio(completed, len(that_day))}
        )
        day += timedelta(days=1)
    return days


def _histogram(funnel: Funnel, attempts: Sequence[_Attempt]) -> list[tuple[float, int]]:
    """`bins` bins of width (greatest − least)/bins, and one more that begins at the greatest, by their lower edges."""
    assert funnel.histogram is not None
    begin, bins = funnel.histogram.from_, funnel.histogram.bins
    end = len(funnel.steps) - 1 if funnel.histogram.to is None else funnel.histogram.to
    spans = [a.at[end].time - a.at[begin].time for a in attempts if begin in a.at and end in a.at]
    if not spans:
        return []
    if min(spans) == max(spans):  # bins without a width hold nothing
        return [(float(max(spans)), len(spans))]
    edges = [min(spans) + Fraction(i * (max(spans) - min(spans)), bins) for i in range(bins + 1)]
    counts = [sum(low <= span < high for span in spans) for low, high in pairwise(edges)]
    return [
        *zip(map(float, edges), counts, strict=False),
        (float(max(spans)), sum(span == max(spans) for span in spans)),
    ]
