"""Where journeys begin among events in order.

An actor's first event begins one, so does what follows a final, and what comes more than a horizon after the event
before. These *certain* starts are seen by comparing neighbours. What lies between two of them is one journey where it
spans no more than a horizon, since the clock starts at the first event at the earliest. Only longer stretches can
expire in between: their journeys are found in rounds, the first of every stretch in each.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from kizashi_collector.analysis._journeys._actor import actor_journeys
from kizashi_collector.analysis._journeys._ladder import Depths, Ladder
from kizashi_collector.analysis._table import Column

__all__ = ["journey_starts"]

_LEAST_SETTLED = 8
"""A round must settle one event in so many; so all rounds together look at so many times the events at most."""


def journey_starts(moments: Column, depths: Depths, ladder: Ladder, reach: int) -> Column:
    """The places of the first events of journeys; there is one event at least."""
    final = depths == ladder.final
    begins = np.empty(len(moments), np.bool_)
    begins[0] = True
    np.greater(moments[1:] - moments[:-1], reach, out=begins[1:])
    begins[1:] |= final[:-1]
    first = np.flatnonzero(begins)
    until = np.append(first[1:], len(moments))
    long = moments[until - 1] - moments[first] > reach
    if long.any():
        steps = np.where(final, 0, depths)
        begins[_later_starts(first[long], until[long], moments, steps, ladder, reach)] = True
        first = np.flatnonzero(begins)
    return first


def _later_starts(
    first: Column, until: Column, moments: Column, steps: NDArray[np.int16], ladder: Ladder, reach: int
) -> Column:
    """The starts inside the stretches [first, until), each of which spans more than a horizon."""
    found = []
    while len(first):
        lengths = until - first
        size = int(lengths.sum())
        ends = np.cumsum(lengths)
        stretch = np.repeat(np.arange(len(first)), lengths)
        places = np.arange(size) + np.repeat(first - (ends - lengths), lengths)
        moment = moments.take(places)
        expired = _expired(moment, stretch, steps.take(places), ladder.final, reach)
        at = np.flatnonzero(expired)
        own = stretch.take(at)
        at = at[np.append(True, own[1:] != own[:-1])[: len(at)]]
        begun = places.take(at)
        found.append(begun)
        until = until.take(stretch.take(at))
        long = moments.take(until - 1) - moments.take(begun) > reach
        first, until = begun[long], until[long]
        left = int((until - first).sum())
        if (size - left) * _LEAST_SETTLED < size:
            found += [
                _plainly(a, b, moments, steps, ladder) for a, b in zip(first.tolist(), until.tolist(), strict=True)
            ]
            break
    return np.concatenate(found)


def _expired(moment: Column, stretch: Column, step: NDArray[np.int16], width: int, reach: int) -> NDArray[np.bool_]:
    """Which events come too late for the journey that begins with their stretch, if nothing before did."""
    peak = stretch * width
    peak += step
    np.maximum.accumulate(peak, out=peak)
    deeper = np.append(True, peak[1:] > peak[:-1])
    clock = np.where(deeper, moment, 0)
    np.maximum.accumulate(clock, out=clock)
    expired = np.zeros(len(moment), np.bool_)
    np.greater(moment[1:] - clock[:-1], reach, out=expired[1:])
    expired[1:] &= stretch[1:] == stretch[:-1]
    return expired


def _plainly(first: int, until: int, moments: Column, steps: NDArray[np.int16], ladder: Ladder) -> Column:
    """The starts inside one stretch, event by event."""
    times, depths = moments[first:until].tolist(), steps[first:until].tolist()
    journeys = actor_journeys(times, depths, [0] * len(times), ladder)
    return np.array([first + journey.first for journey in journeys], np.int64)
