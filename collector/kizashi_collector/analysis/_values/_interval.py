"""Where the money still to come will lie, in 90 of 100 cases.

N finals are to come, with mean λ and a variance that may lie below λ (chances add up), at it, or beyond (chances are
not known): a binomial, Poisson or negative binomial with those moments says how likely none is at all. What comes if
any does has the mean and second moment that are left; it is read as a gamma, by the cube root of Wilson and Hilferty
(1931), or as a lognormal where amounts vary so much that a gamma would be too light in the tail.

All of it takes numbers or arrays of them, one entry for each row.
"""

from __future__ import annotations

from statistics import NormalDist

import numpy as np

from kizashi_collector.analysis._values._grid import Floats

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
_POISSON = 1e-9

Numbers = Floats | float


def interval(
    mean_count: Numbers,
    count_variance: Numbers,
    mean: Numbers,
    variance: Numbers,
    heavy: bool,
    none: Numbers | None = None,
) -> tuple[Floats, Floats]:
    """The low and high end of a sum with mean and variance, of a count with mean λ and variance; both at least 0.

    `none` is the chance that there is none, where it is known already.
    """
    mean_count, mean = np.asarray(mean_count, np.float64), np.asarray(mean, np.float64)
    none = np.asarray(chance_of_none(mean_count, count_variance) if none is None else none)
    none = np.where((mean <= 0) | (mean_count <= 0), 1.0, none)
    low, high = BOUNDS
    beyond = np.where((none >= ATOM[0]) & (none < ATOM[1]), 1 - (low + 1 - high), high)
    return _mixed(np.full_like(beyond, low), none, mean, variance, heavy), _mixed(beyond, none, mean, variance, heavy)


def chance_of_none(mean: Numbers, variance: Numbers) -> Floats:
    """P(N = 0) of the binomial, Poisson or negative binomial with these moments (Panjer's class, 1981)."""
    mean, variance = np.asarray(mean, np.float64), np.asarray(variance, np.float64)
    some = np.where(mean > 0, mean, 1.0)
    excess = np.where(mean > 0, variance - mean, 0.0)
    poisson = np.abs(excess) <= _POISSON * some
    others = some * some / np.where(poisson, 1.0, excess) * np.log(np.maximum(variance / some, _TINY))
    return np.asarray(np.where(mean > 0, np.exp(-np.where(poisson, some, others)), 1.0))


def quantile_of_some(point: Numbers, mean: Numbers, variance: Numbers, heavy: bool) -> Floats:
    """The quantile of a positive sum: Wilson–Hilferty's gamma, or a lognormal."""
    points = np.clip(np.asarray(point, np.float64), _POISSON, 1 - _POISSON)
    z = np.array([_NORMAL.inv_cdf(one) for one in points.ravel().tolist()]).reshape(points.shape)
    relative = np.maximum(variance, 0.0) / np.multiply(mean, mean)
    if heavy:
        spread = np.log1p(relative)
        return np.asarray(mean * np.exp(z * np.sqrt(spread) - spread / 2))
    ninth = relative / 9
    return np.asarray(mean * np.maximum(1 - ninth + z * np.sqrt(ninth), 0.0) ** 3)


def _mixed(point: Floats, none: Floats, mean: Floats, variance: Numbers, heavy: bool) -> Floats:
    there = (point > none) & (none < 1)
    some = np.where(there, 1 - none, 1.0)
    middle = np.where(there, mean, 1.0) / some
    second = (variance + mean * mean) / some
    found = quantile_of_some(np.where(there, (point - none) / some, 0.5), middle, second - middle * middle, heavy)
    return np.where(there, found, 0.0)
