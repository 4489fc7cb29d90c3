"""The worth of an open journey by counting alone, with no model: a landmark analysis (Anderson, Cain and Gelber 1983).

Of the journeys that still stood at a step so long after they came to it, how many had a final in the end. It needs far
more journeys than the estimator, has no answer where none stood, and goes stale when chances move; where there are many
and nothing moves, it is right whatever the lags are and however a journey came to its step.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from kizashi_collector.analysis._values._grid import Integers
from values.simulation import Journeys

__all__ = ["landmark"]

_NEVER = np.iinfo(np.int64).max


def landmark(journeys: Journeys, step: int, ages: Integers) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """How many journeys stood at a step at each age in milliseconds, and how many of those had a final in the end.
    The journeys are such whose outcome is known."""
    there = np.flatnonzero(journeys.reached[:, step] >= 0)
    came = journeys.reached[there, step]
    deeper = journeys.reached[there, step + 1 :]
    left = np.where(deeper >= 0, deeper, _NEVER).min(axis=1, initial=_NEVER)
    left = np.minimum(left, np.where(journeys.ended[there] > 0, journeys.end[there], _NEVER))
    standing = (left - came)[:, None] > np.asarray(ages)
    sold = standing & (journeys.ended[there] == 1)[:, None]
    return standing.sum(axis=0), sold.sum(axis=0)
