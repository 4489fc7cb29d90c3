"""The attempts of one actor at a funnel, found by the plain algorithm that every faster one must agree with.

The rules are those of docs/funnels.md. The plain algorithm runs each attempt from its first event onwards, instant by
instant; it looks at every event again for every attempt, which is slow and easy to check.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby

from msgspec import Struct

from kizashi_collector.analysis._events import Interval, LoggedEvent
from kizashi_collector.analysis._matching import Rules
from kizashi_schemas import FunnelError

__all__ = ["Attempt", "attempts", "best"]

Path = tuple[tuple[int, LoggedEvent], ...]
"""Steps taken, in the order taken, each with the event that took it."""

Instants = list[tuple[int, list[LoggedEvent]]]
_Known = dict[tuple[frozenset[int], tuple[str, ...]], Path]
_MAX_ORDERS = 20_000


class Attempt(Struct, frozen=True):
    """One run of an actor through a funnel.

    `path` lists (step, event) in the order taken. In an unordered funnel steps are numbered by that order, so that
    step k is the (k+1)-th one taken.
    """

    path: Path
    tainted: bool

    @property
    def start(self) -> LoggedEvent:
        """The event that began it."""
        return self.path[0][1]

    @property
    def depth(self) -> int:
        """The deepest step taken."""
        return self.path[-1][0]

    def event(self, step: int) -> LoggedEvent | None:
        """The event that took a step, or None where the attempt did not take it."""
        return next((event for taken, event in self.path if taken == step), None)

    def reached(self, step: int) -> int | None:
        """When the attempt came to a step or, where that one was skipped, beyond it; None if it did not."""
        return next((event.time for taken, event in self.path if taken >= step), None)


def attempts(events: Sequence[LoggedEvent], rules: Rules, interval: Interval) -> list[Attempt]:
    """All attempts of one actor that began in the interval, by their first event.

    `events` are all of the actor's up to as_of in the total order; with `entry: "first"` or `count: "attempts"` they
    must reach back to the beginning of the log, since an attempt from before the interval may still block.
    """
    instants = [(time, list(group)) for time, group in groupby(events, key=lambda event: event.time)]
    paths = _successive(instants, rules) if rules.funnel.one_at_a_time else _all(instants, rules, interval)
    begun = [_renumbered(path, rules) for path in paths if path[0][1].time in interval]
    return [Attempt(path, _tainted(path, events, rules)) for path in begun]


def best(candidates: Sequence[Attempt], rules: Rules) -> Attempt | None:
    """The attempt that stands for its actor: the first untainted one to reach the greatest depth, or None.

    With `exclusion: "actor"` tainted attempts count towards that depth, and an actor whose untainted attempts all stay
    short of it leaves the funnel; with `"attempt"` they do not exist.
    """
    clean = [attempt for attempt in candidates if not attempt.tainted]
    judged = candidates if rules.funnel.normal_exclusion == "actor" else clean
    if not judged:
        return None
    depth = max(attempt.depth for attempt in judged)
    return min(
        (attempt for attempt in clean if attempt.depth == depth),
        key=lambda attempt: (attempt.path[-1][1].time, -attempt.start.time, attempt.start.id),
        default=None,
    )


def _all(instants: Instants, rules: Rules, interval: Interval) -> Iterator[Path]:
    """`entry: "latest"`: every event that may begin an attempt begins one."""
    for index, (time, group) in enumerate(instants):
        if time in interval:
            for event in group:
                if rules.begins(event):
                    yield _run(event, instants[index:], rules).path


def _successive(instants: Instants, rules: Rules) -> Iterator[Path]:
    """`entry: "first"`: an attempt begins only when the last one was completed, broken or has expired.

    Where several events of one instant could begin it, it is the one from which that instant advances furthest.
    """
    index = 0
    free = list(instants[0][1]) if instants else []
    completing: list[LoggedEvent] = []
    while index < len(instants):
        ahead = [(instants[index][0], free), *instants[index + 1 :]]
        beginners = sorted((event for event in (*free, *completing) if rules.begins(event)), key=lambda e: e.id)
        if not beginners:
            index += 1
            free, completing = list(instants[index][1]) if index < len(instants) else [], []
            continue
        run = max((_run(event, ahead, rules) for event in beginners), key=lambda run: run.first_instant)
        yield run.path
        index += run.instants_passed
        # The event that completed the attempt may begin the next one, but it has been taken: it fills no later step
        # there. What filled an earlier step at that instant may do neither.
        free = run.free
        completing = [event for event in run.completing if event is not run.path[0][1]]


class _Run(Struct, frozen=True):
    """How one attempt went: its path, how many instants it lasted beyond its first, which events of the instant where
    it ended are unused, and which one completed it. `first_instant` ranks how far the first instant alone brought it.
    """

    path: Path
    first_instant: tuple[int, int]
    instants_passed: int
    free: list[LoggedEvent]
    completing: list[LoggedEvent]


def _run(first: LoggedEvent, instants: Instants, rules: Rules) -> _Run:
    """Run the attempt that begins with `first`, an event at the first of these instants, to its end."""
    path: Path = ((_opening_step(first, rules), first),)
    first_instant = (0, 0)
    for passed, (time, group) in enumerate(instants):
        rules.check()
        if time > first.time + rules.window:
            return _Run(path, first_instant, passed, list(group), [])
        rest = [event for event in group if event is not first] if passed == 0 else group
        gained = _advance(path, rest, rules)
        path += gained
        taken = {event.id for _, event in gained}
        unused = [event for event in rest if event.id not in taken]
        if passed == 0:
            first_instant = (path[-1][0] if rules.ordered else 0, len(path))
        if _complete(path, rules):
            return _Run(path, first_instant, passed, unused, [path[-1][1]])
        # What is left over at the first instant is taken to have come before the attempt; later it comes in between.
        if rules.strict and passed > 0 and unused:
            return _Run(path, first_instant, passed, unused, [])
    return _Run(path, first_instant, len(instants), [], [])


def _complete(path: Path, rules: Rules) -> bool:
    return path[-1][0] == rules.last if rules.ordered else len(path) == len(rules.steps)


def _advance(path: Path, group: Sequence[LoggedEvent], rules: Rules) -> Path:
    """Take the events of one instant in the order that advances the path furthest; return what that adds to it.

    Furthest is the deepest step, then the most steps (in an unordered funnel the most steps). Events that fit the same
    steps are interchangeable, and the one with the smaller id goes first.
    """
    state = frozenset((path[-1][0],)) if rules.ordered else frozenset(step for step, _ in path)
    return _search(state, [event for event in group if rules.fits(event)], rules, {})


def _search(state: frozenset[int], group: Sequence[LoggedEvent], rules: Rules, known: _Known) -> Path:
    """The best order of a group from a state: the last step taken, or in an unordered funnel all steps taken.

    What a step leads to depends on the state and the events left, not on the way there; so each such pair is searched
    once. Most groups are over long before that matters; one that is made to explode is refused.
    """
    last = max(state)
    fitting = [
        (event, fits)
        for event in group
        if (fits := tuple(s for s in rules.fits(event) if (s > last if rules.ordered else s not in state)))
    ]
    key = (state, tuple(event.id for event, _ in fitting))
    if key in known:
        return known[key]
    rules.check()
    if len(known) >= _MAX_ORDERS:
        raise FunnelError("steps: they overlap in too many ways for events of one instant; make them more distinct")
    best_path: Path = ()
    # No order of these events can take more steps of an unordered funnel than this.
    most = min(len(fitting), len({step for _, fits in fitting for step in fits}))
    tried: set[tuple[int, ...]] = set()
    for index, (event, fits) in enumerate(fitting):
        step = _furthest_open(last, fits, rules)
        if fits in tried or step is None:
            continue
        tried.add(fits)
        after = frozenset((step,)) if rules.ordered else state | {step}
        rest = [other for other, _ in (*fitting[:index], *fitting[index + 1 :])]
        found = ((step, event), *_search(after, rest, rules, known))
        if _rank(found, rules) > _rank(best_path, rules):
            best_path = found
        if not rules.ordered and len(best_path) == most:
            break
    known[key] = best_path
    return best_path


def _rank(gained: Path, rules: Rules) -> tuple[int, int]:
    deepest = gained[-1][0] if gained and rules.ordered else -1
    return (deepest, len(gained))


def _opening_step(first: LoggedEvent, rules: Rules) -> int:
    return 0 if rules.ordered else rules.fits(first)[-1]


def _furthest_open(last: int, fits: tuple[int, ...], rules: Rules) -> int | None:
    """The furthest open step among those that an event fits, all of them still to come, or None."""
    if not rules.ordered:
        return fits[-1]
    required = next((step for step in range(last + 1, rules.last) if step not in rules.optional), rules.last)
    return next((step for step in reversed(fits) if step <= required), None)


def _renumbered(path: Path, rules: Rules) -> Path:
    return path if rules.ordered else tuple((number, event) for number, (_, event) in enumerate(path))


def _tainted(path: Path, events: Sequence[LoggedEvent], rules: Rules) -> bool:
    """Tell whether an excluded event fell strictly between its two steps, or where the second was not reached, after
    the first and within the conversion window. At one instant steps win over exclusions."""
    attempt = Attempt(path, tainted=False)
    for excluded, first, second in rules.exclusions:
        after, before = attempt.reached(first), attempt.reached(second)
        if after is None:
            continue
        end = before if before is not None else attempt.start.time + rules.window + 1
        if any(after < event.time < end and excluded(event) for event in events):
            return True
    return False
