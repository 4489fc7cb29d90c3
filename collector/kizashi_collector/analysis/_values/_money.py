"""What a final brings, for each key: its own mean, as far as it can be trusted, and the wider level's for the rest.

The credibility of Bühlmann and Straub (1970): with squared coefficient of variation cv² inside keys and relative
variance τ² between them, n finals of a key weigh against K = cv²(1 + τ²)/τ² finals of what is wider.
"""

from __future__ import annotations

from fractions import Fraction

import numpy as np
from msgspec import Struct

from kizashi_collector.analysis._values._grid import Floats, summed
from kizashi_collector.analysis._values._keys import Level
from kizashi_collector.analysis._values._statistics import Statistics

__all__ = ["HEAVY_TAIL", "LEAST_VARIANCE", "Money", "money"]

LEAST_VARIANCE = 0.01
"""τ² is at least so much: no two campaigns sell quite the same."""

HEAVY_TAIL = 0.8
"""Above this cv², single amounts sway a mean, and are capped while keys are compared."""

_CAP_QUANTILE = 0.975


class Money(Struct, frozen=True, eq=False):
    """Means in micros by key, with the relative errors of each: `own`, a variance, of what is the key's; `family` and
    `borrowed`, deviations, of what it shares with the keys below the same wider one, and with all. `wider` has the
    means of each level but the last, `wider_deviation` their relative errors but for what all share, and `tau` the
    relative deviation between keys of each level."""

    mean: Floats
    own: Floats
    family: Floats
    borrowed: Floats
    variation: float
    wider: tuple[Floats, ...]
    wider_deviation: tuple[Floats, ...]
    tau: Floats


class _Sample(Struct, frozen=True, eq=False):
    count: Floats
    total: Floats
    squares: Floats
    """Σ(y − ȳ)² of each key, exact before it is rounded."""


def money(statistics: Statistics) -> Money:
    """Estimate it; 0 for every key while there was no final."""
    raw = _sample(statistics)
    levels = statistics.keys.levels()
    result = _credibility(raw, levels, _variation(raw, _means(raw)))
    variation = _variation(raw, result.mean)
    result = _credibility(raw, levels, variation)
    if variation > HEAVY_TAIL:
        for _ in range(2):
            capped = _capped(statistics, raw, result.mean)
            result = _credibility(capped, levels, _variation(capped, result.mean))
        # Capping must not lose money: on the whole the means bring what was brought.
        brought = float((raw.count * result.mean).sum())
        scale = float(raw.total.sum()) / brought if brought > 0 else 1.0
        result = Money(
            result.mean * scale,
            result.own,
            result.family,
            result.borrowed,
            variation,
            tuple(mean * scale for mean in result.wider),
            result.wider_deviation,
            result.tau,
        )
    return result


def _sample(statistics: Statistics) -> _Sample:
    keys = len(statistics.keys.leaves)
    counts, totals, squares = [0] * keys, [0] * keys, [0] * keys
    finals = statistics.finals
    for key, count, total, square in zip(
        finals.key.tolist(), finals.count.tolist(), finals.total, finals.squares, strict=True
    ):
        counts[key] += count
        totals[key] += total
        squares[key] += square
    # n·Σy² − (Σy)² in integers: no digits are lost where amounts hardly differ.
    spread = [
        float(Fraction(n * square - total * total, n)) if n else 0.0
        for n, total, square in zip(counts, totals, squares, strict=True)
    ]
    return _Sample(np.array(counts, np.float64), np.array([float(t) for t in totals]), np.array(spread))


def _means(sample: _Sample) -> Floats:
    return np.divide(sample.total, sample.count, out=np.zeros_like(sample.total), where=sample.count > 0)


def _variation(sample: _Sample, mean: Floats) -> float:
    """cv² inside keys, pooled: Σ(y − ȳ)²/μ² over n − 1 of each."""
    telling = (sample.count > 1) & (mean > 0)
    freedom = float((sample.count[telling] - 1).sum())
    return float((sample.squares[telling] / mean[telling] ** 2).sum()) / freedom if freedom else 0.0


def _credibility(sample: _Sample, levels: tuple[Level, ...], variation: float) -> Money:
    total = float(sample.total.sum())
    count = float(sample.count.sum())
    overall = total / count if count else 0.0
    means: list[Floats] = [np.array([overall])]
    own = np.array([variation / count if count else 0.0])
    family = common = np.zeros(1)
    errors: list[Floats] = []
    taus = [0.0]
    for level in levels[1:]:
        n = summed(level.of_leaf, sample.count, level.size)
        y = summed(level.of_leaf, sample.total, level.size)
        prior = means[-1][level.parent]
        ratio = np.divide(y, n * prior, out=np.ones(level.size), where=(n > 0) & (prior > 0))
        tau = _between(n, ratio, variation)
        against = variation * (1 + tau) / tau
        trust = np.divide(n, n + against, out=np.zeros_like(n), where=n + against > 0)
        if len(means) == 1 and trust.sum() > 0:
            # The mean of a key drawn at random, not of a final drawn at random: large keys must not rule small ones.
            means[0] = np.array([overall * float((trust * ratio).sum() / trust.sum())])
            ratio = np.where(n > 0, ratio * overall / means[0], ratio) if means[0][0] > 0 else ratio
            prior = means[0][level.parent]
            common = np.full(1, np.sqrt(tau / float(trust.sum())))
        means.append(prior * (trust * ratio + (1 - trust)))
        # What the level above is unsure of, all below it share as far as they lean on it. The error of the total itself
        # is what all share.
        errors.append(np.sqrt(own + family**2) if len(means) > 2 else np.zeros(1))
        family = errors[-1][level.parent] * (1 - trust)
        own = np.divide(variation, n + against, out=np.full_like(n, tau), where=n + against > 0)
        common = common[level.parent] * (1 - trust)
        taus.append(float(np.sqrt(tau)))
    return Money(means[-1], own, family, common, variation, tuple(means[:-1]), tuple(errors), np.array(taus))


def _between(count: Floats, ratio: Floats, variation: float) -> float:
    """τ² by moments: Σn(r − r̄)² beyond what cv² alone would make, over n − Σn²/n."""
    n = float(count.sum())
    groups = int((count > 0).sum())
    room = n - float((count**2).sum()) / n if n else 0.0
    if groups < 2 or room <= 0:
        return LEAST_VARIANCE
    middle = float((count * ratio).sum()) / n
    spread = float((count * (ratio - middle) ** 2).sum())
    return max((spread - (groups - 1) * variation) / room, LEAST_VARIANCE)


def _capped(statistics: Statistics, raw: _Sample, mean: Floats) -> _Sample:
    """The sample with y/μ capped at its 97.5 % quantile, each size of amount standing for its mean."""
    amounts = statistics.amounts
    size = np.array([float(t) for t in amounts.total]) / amounts.count
    ratio = np.divide(size, mean[amounts.key], out=np.zeros_like(size), where=mean[amounts.key] > 0)
    order = np.argsort(ratio, kind="stable")
    reached = np.cumsum(amounts.count[order])
    cap = ratio[order][int(np.searchsorted(reached, _CAP_QUANTILE * reached[-1]))]
    held = np.minimum(size, cap * mean[amounts.key])
    keys = len(raw.count)
    total = summed(amounts.key, amounts.count * held, keys)
    squares = summed(amounts.key, amounts.count * held**2, keys)
    spread = squares - np.divide(total**2, raw.count, out=np.zeros(keys), where=raw.count > 0)
    return _Sample(raw.count, total, np.maximum(spread, 0.0))
