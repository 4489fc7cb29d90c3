"""Which runs to merge next: neighbours of about one size, so that there are few and each id is rewritten seldom."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import accumulate

from kizashi_collector.store._ids._runs import RunInfo

__all__ = ["due"]


def due(runs: Sequence[RunInfo], smallest: int, fanout: int, floor: int) -> slice | None:
    """Return the runs to rewrite as one, or None.

    A run of which more than half is below `floor` goes alone. Else `fanout` or more neighbours of one tier: tiers grow
    by the factor `fanout`, from `smallest` entries on, and no run's tier is lower than that of a newer one.
    """
    for at, run in enumerate(runs):
        if 2 * (floor - run.first) > run.last + 1 - run.first:
            return slice(at, at + 1)
    tiers = [max(0, round(math.log(run.count / smallest, fanout))) for run in runs]
    tiers = list(accumulate(reversed(tiers), max))
    for tier in sorted(set(tiers)):
        newest = tiers.index(tier)
        if (size := tiers.count(tier)) >= fanout:
            return slice(len(runs) - newest - size, len(runs) - newest)
    return None
