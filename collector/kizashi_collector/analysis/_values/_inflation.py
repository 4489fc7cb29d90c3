"""What the model misses: back-tests, and how much wider intervals must be for it.

At several past instants the model of that instant foretells how many finals the journeys then open will have. Where it
misses by more than its own variance allows, ψ makes up for it: the variance of a count with mean λ gains (ψλ)², and ψ
is such that squared errors, weighted by λ and each capped at 16 variances, are what they should be on average.
"""

from __future__ import annotations

import numpy as np

from kizashi_collector.analysis._values._grid import Floats

__all__ = ["inflation"]

_CAP = 16.0
_HALVINGS = 30


def inflation(foretold: Floats, variance: Floats, happened: Floats) -> float:
    """ψ in [0, 1], from finals foretold for groups of journeys, the variance of each, and those that came."""
    telling = foretold > 0
    mean, spread, error = foretold[telling], variance[telling], (happened[telling] - foretold[telling]) ** 2
    if not len(mean):
        return 0.0

    def excess(psi: float) -> float:
        allowed = np.maximum(spread + (psi * mean) ** 2, 1e-300)
        return float((mean * (np.minimum(error / allowed, _CAP) - 1)).sum())

    if excess(0.0) <= 0:
        return 0.0
    low, high = 0.0, 1.0
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        low, high = (middle, high) if excess(middle) > 0 else (low, middle)
    return high
