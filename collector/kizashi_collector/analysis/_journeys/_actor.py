"""Few events, quickly: the journeys of one actor from plain numbers, without a detour through columns."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct

from kizashi_collector.analysis._journeys._ladder import Ladder

__all__ = ["ActorJourney", "actor_journeys"]

_NEVER = -1


class ActorJourney(Struct):
    """A journey over the events from place `first` to place `last`, both included.

    `reached` tells for depths 0, 1, … when each was reached as a deeper step, -1 where it was not. `source` is the code
    credited, 0 if there is none. `final` says whether its last event is a final conversion.
    """

    first: int
    last: int
    deepest: int
    reached: list[int]
    source: int
    final: bool


def actor_journeys(
    times: Sequence[int], depths: Sequence[int], sources: Sequence[int], ladder: Ladder
) -> list[ActorJourney]:
    """The journeys of one actor's planned events; a list of Python's ints is far quicker than an array.

    Events are in the order of `walk_journeys`. Sources are codes, 0 is none.
    """
    final, horizon, latest = ladder.final, ladder.horizon_ms, ladder.credit == "last"
    found: list[ActorJourney] = []
    journey: ActorJourney | None = None
    deadline = 0
    for at, (time, depth, source) in enumerate(zip(times, depths, sources, strict=True)):
        if journey is None or time > deadline:
            journey = ActorJourney(at, at, depth, [_NEVER] * final, source, False)
            found.append(journey)
            if depth != final:
                journey.reached[depth] = time
                deadline = time + horizon
                continue
        else:
            journey.last = at
            if source and (latest or not journey.source):
                journey.source = source
            if depth <= journey.deepest:
                continue
            if depth != final:
                journey.deepest = depth
                journey.reached[depth] = time
                deadline = time + horizon
                continue
        journey.final = True
        journey = None
    return found
