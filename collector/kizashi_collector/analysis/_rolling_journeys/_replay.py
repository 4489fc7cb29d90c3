"""Finding an actor's journeys anew from some instant on: as far back as a change reaches, and no further."""

from __future__ import annotations

import numpy as np
from msgspec import Struct

from kizashi_collector.analysis._journeys import UNENDED, ActorJourney, Ladder, actor_journeys
from kizashi_collector.analysis._rolling import NONE
from kizashi_collector.analysis._rolling_journeys._kept import NEVER, UNKNOWN, Kept

__all__ = ["Prefix", "Replayed", "Rewound", "replay", "rewind"]

_SOME = -1
"""Stands for the source of an event that is there and was not told."""


class Prefix(Struct, frozen=True):
    """A journey as it stood at an instant: when it reached which depths, and the source credited then.

    That is `_SOME`, and `guess` may be it, where what is kept does not tell.
    """

    times: list[int]
    depths: list[int]
    source: int
    credit: int
    guess: int


class Rewound(Struct, frozen=True):
    """What is to be found anew of an actor: the journeys at `gone`, from their prefix and the events after `after`."""

    after: int
    gone: list[int]
    prefix: Prefix | None


class Replayed(Struct):
    """A journey found anew; `last` is the place of its last event among those after the prefix."""

    begin: int
    deepest: int
    reached: list[int]
    source: int
    credit: int
    final: bool
    last: int
    is_guess: bool


def rewind(kept: Kept, actor: int, time: int, floor: int, ladder: Ladder) -> Rewound:
    """Go back before a change at `time`, to where no journey is under way; at most to `floor`, after which every event
    is known."""
    after = max(time - 1, floor)
    gone: list[int] = []
    prefix: Prefix | None = None
    at = int(kept.current[actor])
    while at != NONE and _until(kept, at, ladder) > after:
        begin = int(kept.begin[at])
        if begin <= after:
            after = max(begin - 1, floor)
        gone.append(at)
        if begin <= after:
            prefix = _prefix(kept, at, after, ladder)
        at = int(kept.before[at])
    return Rewound(after, gone, prefix)


def _until(kept: Kept, at: int, ladder: Ladder) -> int:
    """How far the events of a journey may go."""
    if kept.ended[at] != UNENDED:
        return int(kept.end[at])
    return kept.clock(at) + ladder.horizon_ms


def _prefix(kept: Kept, at: int, until: int, ladder: Ladder) -> Prefix:
    (times,) = kept.reached(np.array([at], np.int32)).tolist()
    reached = [(time, depth) for depth, time in enumerate(times) if NEVER < time <= until]
    source, credit = int(kept.source[at]), int(kept.credit[at])
    told = source, credit
    if credit > until and ladder.credit == "first":
        told = 0, NEVER
    elif source and not NEVER < credit <= until:
        told = _SOME, UNKNOWN
    return Prefix([time for time, _ in reached], [depth for _, depth in reached], *told, source)


def replay(
    prefix: Prefix | None, times: list[int], depths: list[int], sources: list[int], ladder: Ladder
) -> list[Replayed]:
    """The journeys of one actor's events in order, on top of what was under way before."""
    before = 0
    if prefix is not None:
        before = len(prefix.times)
        times, depths = prefix.times + times, prefix.depths + depths
        sources = [prefix.source, *(0 for _ in prefix.times[1:]), *sources]
    found = []
    for journey in actor_journeys(times, depths, sources, ladder):
        source, guessed = journey.source, journey.source == _SOME
        if prefix is not None and guessed:
            source = prefix.guess
        credit = NEVER
        if source:
            at = _credited_at(journey, sources, ladder)
            credit = times[at] if prefix is None or at else prefix.credit
        found.append(
            Replayed(
                begin=times[journey.first],
                deepest=journey.deepest,
                reached=journey.reached,
                source=source,
                credit=credit,
                final=journey.final,
                last=journey.last - before,
                is_guess=guessed,
            )
        )
    return found


def _credited_at(journey: ActorJourney, sources: list[int], ladder: Ladder) -> int:
    if ladder.credit == "last":
        return next(at for at in range(journey.last, journey.first - 1, -1) if sources[at])
    return next(at for at in range(journey.first, journey.last + 1) if sources[at])
