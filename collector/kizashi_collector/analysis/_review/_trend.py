"""Whether the chance of a final after an event rises or falls, from one horizon to the next."""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import NormalDist
from typing import Literal

from kizashi_collector.analysis._review._counts import PERIODS
from kizashi_collector.analysis._review._figures import Period, Trend

__all__ = ["trend_of"]

_LEAST_EXPECTED = 5
_BEYOND_NOISE = NormalDist().inv_cdf(0.995)


def trend_of(periods: Sequence[Period]) -> Trend:
    """The periods, the oldest first, with a direction where the test of Cochran (1954) and Armitage (1955) finds one.

    It is told where all periods are there and each may expect 5 conversions and 5 misses; noise alone would have one
    told in one case of 100.
    """
    return Trend(tuple(periods), _direction(periods) if len(periods) == PERIODS else None)


def _direction(periods: Sequence[Period]) -> Literal["rising", "falling", "steady"] | None:
    n = sum(period.journeys for period in periods)
    k = sum(period.converted for period in periods)
    rarer = min(k, n - k)
    if not n or any(period.journeys * rarer < _LEAST_EXPECTED * n for period in periods):
        return None
    share = k / n
    middle = sum(at * period.journeys for at, period in enumerate(periods)) / n
    above = sum((at - middle) * (period.converted - period.journeys * share) for at, period in enumerate(periods))
    spread = sum(period.journeys * (at - middle) ** 2 for at, period in enumerate(periods))
    z = above / math.sqrt(share * (1 - share) * spread)
    return "steady" if abs(z) <= _BEYOND_NOISE else "rising" if z > 0 else "falling"
