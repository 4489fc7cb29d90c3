"""By how much days scatter, and how likely a count is in the light of it.

Counts of a day are quasi-Poisson (Wedderburn 1974; McCullagh & Nelder 1989, 6.2.3): their variance is φ times their
mean, φ ≥ 1, and Pearson's S = Σ(y − μ)²/μ over the history days says what φ may be. A few days say it badly, and an
alarm that must not be false more than twice in a million looks lives on just that doubt. So φ is no one number here:
each φ ≥ 1, in equal steps of its logarithm, gets the weight φ^(−ν/2) · exp(−S/2φ) (the scaled inverse χ² posterior,
Gelman et al., Bayesian Data Analysis, 2.6, cut off at 1, below which counts do not fall), and chances are averaged by
it. Given φ, the count to come is negative binomial with that mean and variance.
"""

from __future__ import annotations

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

__all__ = ["Floats", "Scatter", "chance_of_few", "chance_of_many", "chance_of_none", "scatter"]

Floats = NDArray[np.float64]

# What is believed before the days speak, and as firmly as two days would say it: days differ by a fifth. Of simulated
# sites whose days differ by up to three tenths, no more seem unlikely then than should.
_PRIOR_DAYS = 2.0
_PRIOR_VARIATION = 0.2
_POINTS = 64
# The grid ends where φ is this many times what the days say: little weight is left there even after seven days.
_REACH = 40.0


class Scatter(Struct, frozen=True):
    """Values of φ and their weights, names × points each, for counts whose mean is `typical`."""

    factor: Floats
    weight: Floats
    typical: Floats

    def shape(self, mean: Floats, doubt: Floats) -> Floats:
        """Shapes k of negative binomials of this mean, names × points: the variance is mean + mean²/k.

        Where more is expected than is typical, φ − 1 grows with it, as where whole days are better or worse by a
        share. `doubt` is the variance of the mean itself, in variances of a day.
        """
        mean = np.maximum(mean, _TINY)
        scale = np.maximum(1.0, mean / np.maximum(self.typical, _TINY))
        factor = (1 + (self.factor - 1) * scale[:, None]) * (1 + doubt[:, None])
        return np.asarray(mean[:, None] / np.maximum(factor - 1, _TINY))


_TINY = 1e-9


def scatter(pearson: Floats, freedom: Floats, typical: Floats) -> Scatter:
    """What Pearson's statistic of each name says, on so many degrees of freedom, of days of such a mean."""
    degrees = freedom + _PRIOR_DAYS
    total = pearson + _PRIOR_DAYS * (1 + _PRIOR_VARIATION**2 * typical)
    end = np.log(_REACH * np.maximum(1.0, total / degrees))
    logs = np.linspace(0.0, 1.0, _POINTS) * end[:, None]
    factor = np.exp(logs)
    weight = -degrees[:, None] / 2 * logs - total[:, None] / (2 * factor)
    weight = np.exp(weight - weight.max(axis=1, keepdims=True))
    return Scatter(factor, weight / weight.sum(axis=1, keepdims=True), typical)


def chance_of_none(mean: Floats, doubt: Floats, days: Scatter) -> Floats:
    """The chance that nothing comes at all where `mean` is expected."""
    k = days.shape(mean, doubt)
    return _averaged(np.exp(-k * np.log1p(mean[:, None] / k)), days)


def chance_of_few(seen: Floats, mean: Floats, doubt: Floats, days: Scatter) -> Floats:
    """The chance of so few or fewer; where 20 or more are expected, at least 0.45 of what it is exactly."""
    return _averaged(_tail(-_root(seen + 0.5, mean, days.shape(mean, doubt))), days)


def chance_of_many(seen: Floats, mean: Floats, doubt: Floats, days: Scatter) -> Floats:
    """The chance of so many or more; where 20 or more are expected, at most 2.5 times what it is exactly."""
    return _averaged(_tail(_root(np.maximum(seen - 0.5, 0), mean, days.shape(mean, doubt))), days)


def _averaged(chance: Floats, days: Scatter) -> Floats:
    return np.asarray((days.weight * chance).sum(axis=1))


def _root(count: Floats, mean: Floats, k: Floats) -> Floats:
    """The signed root of the deviance of a negative binomial, nearly a standard normal (McCullagh & Nelder, 2.4.3)."""
    y, mu = count[:, None], np.maximum(mean, _TINY)[:, None]
    ratio = np.log(np.maximum(y, _TINY) / mu)
    deviance = 2 * (y * ratio - (y + k) * np.log1p((y - mu) / (mu + k)))
    return np.asarray(np.sign(y - mu) * np.sqrt(np.maximum(deviance, 0)))


def _tail(z: Floats) -> Floats:
    """The chance that a standard normal exceeds z: Sampford's (1953) upper bound, 6 % above it at 0.6 and less beyond;
    1 below 0."""
    above = np.maximum(z, 0)
    density = np.exp(-above * above / 2) / np.sqrt(2 * np.pi)
    return np.where(z > 0, density * 4 / (3 * above + np.sqrt(above * above + 8)), 1.0)
