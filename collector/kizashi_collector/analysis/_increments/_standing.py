"""Journeys as they stand in the log beside what a feed was told of them: which is which, and which have changed.

Events are known by their numbers in the log, which are positive.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from msgspec import Struct

from kizashi_collector.analysis._journeys import Ladder, actor_journeys

__all__ = ["Emitted", "Standing", "free_of", "matched", "standing_journeys", "unchanged"]


class Emitted(Struct, frozen=True, kw_only=True):
    """What a feed was told of a journey so far, and how the journey stood then.

    `number` names it for good, `first` is its first event, `members` a digest of all of them; `until` says up to when,
    inclusive, it is open, or when its final happened. `final` is 0 without one, and `sold` says whether a feed was told
    what that brought. `source` is a digest of the source credited, `entry` the number of the last increment under it.
    """

    number: int
    actor: int
    first: int
    begin: int
    until: int
    members: int
    depth: int
    final: int
    sold: bool
    source: int
    emitted: int
    entry: int


class Standing(Struct, frozen=True, kw_only=True):
    """A journey as it stands in the log.

    `step` is the event that reached its deepest step, `final` the one that ended it, 0 where there is none. `clues`
    are the events that may say its source: the first of them that has one does.
    """

    events: Sequence[int]
    begin: int
    until: int
    members: int
    depth: int
    step: int
    final: int
    clues: Sequence[int]


def standing_journeys(
    times: Sequence[int],
    depths: Sequence[int],
    sourced: Sequence[bool],
    events: Sequence[int],
    ladder: Ladder,
    rules: int,
) -> list[Standing]:
    """The journeys of one actor's planned events, which come in the order of `walk_journeys`.

    `sourced` tells which events certainly have a source; another may have one that only reading it shows. `rules` is a
    number that stands for the plan.
    """
    codes = [at if known else 0 for at, known in enumerate(sourced, 1)]
    found = []
    for journey in actor_journeys(times, depths, codes, ladder):
        first, last, deepest = journey.first, journey.last, journey.deepest
        own = events[first : last + 1]
        if ladder.credit == "last":
            clues = events[max(journey.source - 1, first) : last + 1][::-1]
        else:
            clues = events[first : journey.source or last + 1]
        step = 0 if deepest == ladder.final else events[first + depths[first : last + 1].index(deepest)]
        found.append(
            Standing(
                events=own,
                begin=times[first],
                until=times[last] if journey.final else journey.reached[deepest] + ladder.horizon_ms,
                members=hash((rules, *own)),
                depth=deepest,
                step=step,
                final=events[last] if journey.final else 0,
                clues=clues,
            )
        )
    return found


def free_of(kept: Sequence[Emitted], times: Sequence[int], finals: Sequence[bool], events: Sequence[int]) -> list[int]:
    """The places of the events, of one actor, that come after all these journeys, and belong to none of them."""
    fence = max(kept, key=lambda one: one.until)

    def is_free(at: int) -> bool:
        if times[at] != fence.until:
            return times[at] > fence.until
        # Finals come last in an instant: those beside the one that ended the journey are journeys of their own.
        return bool(fence.final) and finals[at] and events[at] != fence.final

    return [at for at in range(len(times)) if is_free(at)]


def matched(
    emitted: Sequence[Emitted], standing: Sequence[Standing]
) -> tuple[list[tuple[Standing, Emitted | None]], list[Emitted]]:
    """Which journey each is that a feed was told of; and those that are none any more, as they were joined with others.

    One that ended is the journey that its final ends, any other the one that its first event is in.
    """
    by_event = {event: at for at, journey in enumerate(standing) for event in journey.events} if emitted else {}
    by_final = {journey.final: at for at, journey in enumerate(standing) if journey.final} if emitted else {}
    claims: dict[int, list[Emitted]] = {}
    gone: list[Emitted] = []
    for one in emitted:
        at = by_final.get(one.final, by_event.get(one.first))
        if at is None:
            gone.append(one)
        else:
            claims.setdefault(at, []).append(one)
    pairs: list[tuple[Standing, Emitted | None]] = []
    for at, journey in enumerate(standing):
        own = sorted(claims.get(at, []), key=partial(_rank, journey))
        pairs.append((journey, own[0] if own else None))
        gone += own[1:]
    return pairs, gone


def _rank(journey: Standing, one: Emitted) -> tuple[bool, bool, int]:
    """The least of several that are one journey now goes on as it: the one that its final, or first event, names."""
    return one.final != journey.final, one.first != journey.events[0], one.number


def unchanged(journey: Standing, before: Emitted | None, as_of: int) -> bool:
    """Whether nothing is to be told of a journey, adjustments of its final aside, as is seen without its events."""
    over = not journey.final and journey.until < as_of
    if before is None:
        return not journey.final and (over or journey.depth == 0)
    return before.members == journey.members and before.final == journey.final and not over
