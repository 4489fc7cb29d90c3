"""Where the money still to come will lie, in 90 of 100 cases.

N finals are to come, with mean λ and a variance that may lie below λ (chances add up), at it, or beyond (chances are
not known): a binomial, Poisson or negative binomial with those moments says how likely none is at all. What comes if
any does has the mean and second moment that are left; it is read as a gamma, by the cube root of Wilson and Hilferty
(1931), or as a lognormal where amounts vary so much that a gamma would be too light in the tail.
"""

from __future__ import annotations

import math
from statistics import NormalDist

__all__ = ["ATOM", "BOUNDS", "HEAVY", "chance_of_none", "interval", "quantile_of_some"]

BOUNDS = (0.05, 0.95)
"""The two points of an interval that misses one time in ten."""

ATOM = (0.05, 0.9)
"""While the chance of none lies here, the low end is nothing more, which cannot be missed: then the one miss in ten is
spent above, at the 90 % point."""

HEAVY = 1.0
"""Above this squared coefficient of variation of amounts, a sum of them is read as a lognormal."""

_NORMAL = NormalDist()
_TINY = 1e-12


def interval(
    mean_count: float, count_variance: float, mean: float, variance: float, heavy: bool, none: float | None = None
) -> tuple[float, float]:
    """The low and high end of a sum with mean and variance, of a count with mean λ and variance; both at least 0.

    `none` is the chance that there is none, where it is known already.
    """
    if mean <= 0 or mean_count <= 0:
        return 0.0, 0.0
    none = chance_of_none(mean_count, count_variance) if none is None else none
    low, high = BOUNDS
    if ATOM[0] <= none < ATOM[1]:
        high = 1 - (BOUNDS[0] + 1 - BOUNDS[1])
    return _mixed(low, none, mean, variance, heavy), _mixed(high, none, mean, variance, heavy)


def chance_of_none(mean: float, variance: float) -> float:
    """P(N = 0) of the binomial, Poisson or negative binomial with these moments (Panjer's class, 1981)."""
    if mean <= 0:
        return 1.0
    excess = variance - mean
    if abs(excess) <= 1e-9 * mean:
        return math.exp(-mean)
    if excess > 0:
        return math.exp(-(mean * mean / excess) * math.log(variance / mean))
    kept = max(variance / mean, _TINY)
    return math.exp(mean * mean / -excess * math.log(kept))


def quantile_of_some(point: float, mean: float, variance: float, heavy: bool) -> float:
    """The quantile of a positive sum: Wilson–Hilferty's gamma, or a lognormal."""
    z = _NORMAL.inv_cdf(min(max(point, 1e-9), 1 - 1e-9))
    relative = max(variance, 0.0) / (mean * mean)
    if heavy:
        spread = math.log1p(relative)
        return mean * math.exp(z * math.sqrt(spread) - spread / 2)
    ninth = relative / 9
    return mean * max(1 - ninth + z * math.sqrt(ninth), 0.0) ** 3


def _mixed(point: float, none: float, mean: float, variance: float, heavy: bool) -> float:
    if point <= none or none >= 1:
        return 0.0
    some = 1 - none
    middle = mean / some
    second = (variance + mean * mean) / some
    return quantile_of_some((point - none) / some, middle, second - middle * middle, heavy)
