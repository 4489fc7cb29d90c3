"""A share that was counted, with the interval of Jeffreys: Beta(k + ½, n − k + ½) between its 5 % and 95 % points.

Brown, Cai and DasGupta (2001) found that it covers what it says for shares near 0 and 1, too.
"""

from __future__ import annotations

import math
from statistics import NormalDist

from msgspec import Struct

__all__ = ["Z90", "Proportion"]

Z90 = NormalDist().inv_cdf(0.95)
"""A normal variable lies within so many deviations of its mean in 90 of 100 cases."""

_LARGE = 60.0
_MOST_TERMS = 20_000
_BISECTIONS = 60
_TINY = 1e-300


class Proportion(Struct, frozen=True):
    """k of n, and the 90 % credible interval of the chance behind it; 0 ≤ low ≤ k/n ≤ high ≤ 1."""

    share: float
    low: float
    high: float

    @classmethod
    def of(cls, k: int, n: int) -> Proportion:
        """Of counts 0 ≤ k ≤ n, n ≥ 1. Where k is 0 the interval begins at 0, where it is n it ends at 1."""
        a, b = k + 0.5, n - k + 0.5
        low = _quantile(0.05, a, b) if k else 0.0
        high = _quantile(0.95, a, b) if k < n else 1.0
        return cls(k / n, min(low, k / n), max(high, k / n))


def _quantile(point: float, a: float, b: float) -> float:
    """The quantile of Beta(a, b)."""
    if min(a, b) > _LARGE:
        return _of_many(point, a, b)
    low, high = 0.0, 1.0
    for _ in range(_BISECTIONS):
        middle = (low + high) / 2
        if _below(middle, a, b) < point:
            low = middle
        else:
            high = middle
    return (low + high) / 2


def _of_many(point: float, a: float, b: float) -> float:
    """Abramowitz and Stegun 26.5.22, after Cochran and Fisher: wrong by less than 1 in 10,000 where both are large."""
    y = NormalDist().inv_cdf(1 - point)
    h = 2 / (1 / (2 * a - 1) + 1 / (2 * b - 1))
    curve = (y * y - 3) / 6
    lean = (1 / (2 * b - 1) - 1 / (2 * a - 1)) * (curve + 5 / 6 - 2 / (3 * h))
    return a / (a + b * math.exp(2 * (y * math.sqrt(h + curve) / h - lean)))


def _below(x: float, a: float, b: float) -> float:
    """The regularized incomplete beta function I_x(a, b), by its continued fraction (DLMF 8.17.22)."""
    if x > (a + 1) / (a + b + 2):
        return 1 - _below(1 - x, b, a)
    front = a * math.log(x) + b * math.log1p(-x) + math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b)
    return math.exp(front) / a / _fraction(x, a, b)


def _fraction(x: float, a: float, b: float) -> float:
    """1 + d₁/(1 + d₂/(1 + …)), from the front (Lentz 1976)."""
    value = above = 1.0
    below = 0.0
    for term in range(1, _MOST_TERMS):
        m = term // 2
        if term % 2:
            d = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))
        else:
            d = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m))
        below = 1 / ((1 + d * below) or _TINY)
        above = (1 + d / above) or _TINY
        step = above * below
        value *= step
        if abs(step - 1) < 1e-13:
            break
    return value
