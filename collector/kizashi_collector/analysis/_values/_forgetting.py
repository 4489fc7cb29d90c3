"""How quickly the past goes stale: half-lives chosen by how well each would have foretold the days that followed.

The prequential likelihood (Dawid 1984): blocks of three days are foretold, one after the other, from what lay before
them. A gap of four days keeps a block's own late exits out of what foretells it.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from kizashi_collector.analysis._values._beta_binomial import concentration
from kizashi_collector.analysis._values._chances import Trials, common_shift, logit, sigmoid, weights
from kizashi_collector.analysis._values._grid import Floats

__all__ = ["half_lives"]

OWN = (math.inf, 60.0, 30.0, 15.0, 7.0)
COMMON = (math.inf, 14.0, 7.0, 4.0, 2.0)
_BLOCK, _SPAN, _GAP, _MARGIN = 3, 42, 4, 4.0


def half_lives(trials: Trials, check: Callable[[], None] = lambda: None) -> tuple[float, float]:
    """The half-lives in days of what is a key's own and of what is common. No forgetting at all unless another pair is
    better by 4 in log-likelihood, which the best of 24 seldom is by chance; the longer one where two are equal."""
    days = trials.exits.shape[2]
    starts = np.array([b for b in range(0, _SPAN, _BLOCK) if b + _BLOCK + _GAP + 1 < days], np.int64)
    if not len(starts):
        return math.inf, math.inf
    scores = dict.fromkeys(((own, common) for own in OWN for common in COMMON), 0.0)
    block = _windows(days, starts, _BLOCK)
    for k, n in zip(trials.exits, trials.trials, strict=True):
        if not k.sum():
            continue
        trial = np.maximum(n, k)
        happened, tried = _sums(k, block), _sums(trial, block)
        for own in OWN:
            check()
            p = _foretold(k, trial, starts, own)
            for common in COMMON:
                before = _fading(days, starts, common)
                shift, _ = common_shift(p, _sums(k, before), _sums(trial, before))
                moved = np.clip(sigmoid(logit(p) + shift), 1e-12, 1 - 1e-12)
                gained = happened * np.log(moved) + (tried - happened) * np.log1p(-moved)
                scores[own, common] += float(np.where(p > 0, gained, 0.0).sum())
    best = max(scores, key=lambda pair: scores[pair])
    plain = (math.inf, math.inf)
    return best if scores[best] > scores[plain] + _MARGIN else plain


def _foretold(k: Floats, n: Floats, starts: np.ndarray[tuple[int], np.dtype[np.int64]], own: float) -> Floats:
    """The chance of each key for each block, from the days before it."""
    days = k.shape[1]
    overall = weights(days, own)
    all_k, all_n = np.einsum("kd,d->k", k, overall), np.einsum("kd,d->k", n, overall)
    mean = all_k.sum() / max(all_n.sum(), 1e-300)
    kappa = concentration(all_k, all_n, np.full(len(all_k), mean))
    before = _fading(days, starts, own)
    exits, tried = _sums(k, before), _sums(n, before)
    total = tried.sum(axis=0)
    prior = np.divide(exits.sum(axis=0), total, out=np.zeros_like(total), where=total > 0)
    return np.asarray((kappa * prior + exits) / (kappa + np.maximum(tried, exits)))


def _windows(days: int, starts: np.ndarray[tuple[int], np.dtype[np.int64]], length: int) -> Floats:
    day = np.arange(days)
    return ((day >= starts[:, None]) & (day < starts[:, None] + length)).astype(np.float64)


def _fading(days: int, starts: np.ndarray[tuple[int], np.dtype[np.int64]], half_life: float) -> Floats:
    """For each block, the weights of the days before it and before the gap."""
    since = np.arange(days) - (starts[:, None] + _BLOCK)
    return np.where(since >= _GAP, 0.5 ** ((np.maximum(since, 0) + 0.5) / half_life), 0.0)


def _sums(by_day: Floats, weight: Floats) -> Floats:
    return np.asarray(np.einsum("kd,bd->kb", by_day, weight))
