"""Which attempts count: those that begin when the last one is over, those not tainted, and of an actor's the best."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from kizashi_collector.analysis._column_funnel._kind import Kind
from kizashi_collector.analysis._column_funnel._running import Attempts
from kizashi_collector.analysis._column_funnel._timelines import Timelines
from kizashi_collector.analysis._matching import Check
from kizashi_collector.analysis._table import Column

__all__ = ["counting", "successive", "tainted"]

_LOOKED = 1 << 16


def successive(lines: Timelines, kind: Kind, attempts: Attempts, check: Check) -> Attempts:
    """Of the attempts from every first event, those that begin when the last one was completed, broken or has
    expired."""
    completed = attempts.depth == kind.steps - 1
    # What completed an attempt may begin the next one, unless it began this one too; so may what broke it.
    free = np.where(completed & (attempts.came != attempts.start), attempts.came, attempts.came + 1)
    if not kind.strict:
        (open_,) = np.nonzero(~completed)
        free[open_] = np.searchsorted(lines.moment[:-1], attempts.limit.take(open_), "right")
    # An attempt that nothing follows is followed by the first of the next owner.
    follower = np.searchsorted(attempts.start, free).tolist()
    chosen = []
    at, many = 0, len(attempts)
    while at < many:
        chosen.append(at)
        at = follower[at]
        if len(chosen) % _LOOKED == 0:
            check()
    return attempts.only(np.array(chosen, np.int64))


def tainted(lines: Timelines, kind: Kind, attempts: Attempts, check: Check) -> NDArray[np.bool_] | None:
    """Which attempts are spoilt by an excluded event; None where nothing is excluded."""
    if lines.excluded is None:
        return None
    spoilt = np.zeros(len(attempts), np.bool_)
    for number, (first, second) in enumerate(kind.exclusions):
        check()
        (places,) = np.nonzero(lines.excluded & lines.excluded.dtype.type(1 << number))
        if not len(places):
            continue
        # One more than the excluded, beyond all.
        moments = lines.moment.take(np.append(places, len(lines)))
        after, before = attempts.reached(first), attempts.reached(second)
        (came,) = np.nonzero(after >= 0)
        before = before.take(came)
        end = np.where(before >= 0, lines.moment.take(before), attempts.limit.take(came) + 1)
        # Steps win at their own instant.
        out = moments.take(np.searchsorted(moments, lines.moment.take(after.take(came)), "right"), mode="clip")
        spoilt[came[out < end]] = True
    return spoilt


def counting(owner: Column, attempts: Attempts, spoilt: NDArray[np.bool_] | None, kind: Kind) -> Column:
    """The numbers of the attempts that count, for attempts in order of these owners and of their first events.

    The attempt of an owner that counts is the deepest, of those the first to come there, then the last to begin.
    """
    if kind.attempts:
        return np.arange(len(attempts)) if spoilt is None else np.flatnonzero(~spoilt)
    if not len(attempts):
        return np.zeros(0, np.int64)
    groups = np.flatnonzero(np.append(True, owner[1:] != owner[:-1]))
    top = int(attempts.came.max()) + 1
    score = attempts.depth.astype(np.int64)
    score *= top
    # Places of one owner that take the same step are in the order of time.
    score += top - 1 - attempts.came
    if spoilt is not None:
        score[spoilt] = -1
    score *= len(attempts)
    score += np.arange(len(attempts))
    best = np.maximum.reduceat(score, groups)
    chosen: Column = best % len(attempts)
    if spoilt is None:
        return chosen
    stays = best >= 0
    if kind.actor_leaves:
        stays &= attempts.depth.take(chosen) == np.maximum.reduceat(attempts.depth, groups)
    return chosen[stays]
