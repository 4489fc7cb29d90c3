"""Beta-Binomial counts: how alike the chances of several keys are, told by the counts themselves."""

from __future__ import annotations

import numpy as np

from kizashi_collector.analysis._values._grid import Floats

__all__ = ["DEFAULT_CONCENTRATION", "concentration", "log_gamma", "log_likelihood"]

DEFAULT_CONCENTRATION = 100.0
"""Where fewer than two keys say anything about how much keys differ."""

_CANDIDATES = np.exp(np.linspace(np.log(2.0), np.log(3000.0), 40))
_LOG_PRIOR = -0.5 * ((np.log(_CANDIDATES) - np.log(60.0)) / 1.5) ** 2


def concentration(exits: Floats, trials: Floats, mean: Floats) -> float:
    """The κ under which exits of trials (one per key, fractions allowed) are likeliest, each key's chance being drawn
    from Beta(κ·mean, κ·(1 − mean)): marginal likelihood (Skellam 1948) times a prior log κ ~ N(log 60, 1.5²).

    `mean` is one per key, too: the chance at the wider level. Keys whose mean is 0 or 1 tell nothing.
    """
    telling = (trials > 0) & (mean > 0) & (mean < 1)
    if telling.sum() < 2:
        return DEFAULT_CONCENTRATION
    k, n, pi = exits[telling], trials[telling], mean[telling]
    scores = log_likelihood(k[None], n[None], pi[None], _CANDIDATES[:, None]).sum(axis=1) + _LOG_PRIOR
    return float(_CANDIDATES[int(np.argmax(scores))])


def log_likelihood(exits: Floats, trials: Floats, mean: Floats, kappa: Floats) -> Floats:
    """log of B(κπ + k, κ(1−π) + n − k) / B(κπ, κ(1−π)): the marginal likelihood of a sequence of k exits in n."""
    a, b = kappa * mean, kappa * (1 - mean)
    return (
        log_gamma(a + exits) - log_gamma(a) + log_gamma(b + trials - exits) - log_gamma(b) - log_gamma(kappa + trials)
    ) + log_gamma(kappa)


def log_gamma(x: Floats) -> Floats:
    """log Γ(x) for x > 0: Stirling's series (Abramowitz and Stegun 6.1.41) at x + 8, brought back by 6.1.15.

    numpy has none, and scipy would be 40 times this package for one function. Relative error below 1e-12.
    """
    product = x.copy()
    for n in range(1, 8):
        product = product * (x + n)
    z = x + 8
    inverse = 1 / z
    square = inverse * inverse
    series = inverse * (1 / 12 - square * (1 / 360 - square * (1 / 1260 - square * (1 / 1680 - square / 1188))))
    return np.asarray((z - 0.5) * np.log(z) - z + 0.5 * np.log(2 * np.pi) + series - np.log(product))
