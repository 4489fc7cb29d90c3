"""The chance of each transition for each key: what was counted, shrunk to wider levels, and moved by what is common.

k exits came of n trials, a trial of age a counting as F(a) of one (the share of exits that come by then). Older days
weigh less, by half-lives that the data choose (`_forgetting`). At each level p = (κπ + K)/(κ + N), the mean of a Beta
posterior with the wider level's chance as its prior mean. A shift x on the logit, common to all keys, follows what
moves the whole site; it has a shorter memory and a prior N(0, 0.25).
"""

from __future__ import annotations

import numpy as np
from msgspec import Struct

from kizashi_collector.analysis._values._beta_binomial import concentration
from kizashi_collector.analysis._values._curves import at_age
from kizashi_collector.analysis._values._grid import DAY_MS, HOUR_MS, Floats, summed
from kizashi_collector.analysis._values._statistics import Statistics
from kizashi_collector.analysis._values._transitions import transitions

__all__ = ["SHIFT_VARIANCE", "Chances", "Trials", "chances", "common_shift", "logit", "sigmoid", "weights"]

SHIFT_VARIANCE = 0.25
"""Prior variance of the common shift, on the logit."""

_NEWTON_STEPS = 6
_LEAST = 1e-9


class Trials(Struct, frozen=True, eq=False):
    """Exits and trials of each transition and key, by entry day back from the boundary: (transition, key, day)."""

    exits: Floats
    trials: Floats

    @classmethod
    def of(cls, statistics: Statistics, curves: Floats) -> Trials:
        """Count them; a trial that is younger than the horizon counts as the share of exits that come by its age."""
        grid, entries, exits = statistics.grid, statistics.entries, statistics.exits
        keys = len(statistics.keys.leaves)
        days = -(-statistics.lookback // DAY_MS)
        size, shape = keys * days, (keys, days)
        place = entries.key * days + np.minimum(entries.hour // 24, days - 1)
        left = exits.key * days + np.minimum(exits.entry_day, days - 1)
        young = (entries.hour + 0.5) * HOUR_MS < grid.horizon
        k, n = [], []
        for number, (step, following) in enumerate(transitions(statistics.steps)):
            taken = np.flatnonzero((exits.step == step) & (exits.next == following))
            k.append(summed(left[taken], exits.count[taken], size).reshape(shape))
            old = np.flatnonzero((entries.step == step) & ~young)
            new = np.flatnonzero((entries.step == step) & young)
            hours = np.arange(-(-grid.horizon // HOUR_MS), dtype=np.float64)
            gone = at_age(curves[number], grid, (hours + 0.5) * HOUR_MS)
            share = entries.count[new] * gone[entries.key[new], entries.hour[new]]
            whole = summed(place[old], entries.count[old], size)
            n.append((whole + summed(place[new], share, size)).reshape(shape))
        return cls(np.array(k), np.array(n))


class Chances(Struct, frozen=True, eq=False):
    """Chances by transition and key: (transition, key), with one standard deviation of the error that is the key's
    own, one of that which it shares with its family (the keys below the same wider one, the total not counted), and
    one, on the logit and per transition, of what is common to all. `wider` holds the chances of each level but the
    last, `wider_deviation` their errors, and `kappa` the concentration of each level about the one above."""

    chance: Floats
    deviation: Floats
    family_deviation: Floats
    shift: Floats
    shift_deviation: Floats
    kappa: Floats
    wider: tuple[Floats, ...]
    wider_deviation: tuple[Floats, ...]


def chances(statistics: Statistics, trials: Trials, own: float, common: float) -> Chances:
    """Estimate them with half-lives in days for what is a key's own and for what is common; infinite: none."""
    moves = range(trials.exits.shape[0])
    days = trials.exits.shape[2]
    k = _weighted(trials.exits, weights(days, own))
    n = np.maximum(_weighted(trials.trials, weights(days, own)), k)
    recent = weights(days, common)
    k_recent, n_recent = _weighted(trials.exits, recent), _weighted(trials.trials, recent)
    levels = statistics.keys.levels()
    kappa = np.zeros((len(moves), len(levels)))
    by_level: list[Floats] = []
    own_error, family_error = [np.zeros((len(moves), 1))], [np.zeros((len(moves), 1))]
    for depth, level in enumerate(levels):
        exits = np.array([summed(level.of_leaf, row, level.size) for row in k])
        tried = np.maximum(np.array([summed(level.of_leaf, row, level.size) for row in n]), exits)
        if not depth:
            p = np.divide(exits, tried, out=np.zeros_like(exits), where=tried > 0)
        else:
            mean = by_level[-1][:, level.parent]
            kappa[:, depth] = [concentration(exits[t], tried[t], mean[t]) for t in moves]
            strength = kappa[:, depth, None]
            p = (strength * mean + exits) / (strength + tried)
            own_error.append(np.sqrt(p * (1 - p) / (strength + tried + 1)))
            above = np.hypot(own_error[-2], family_error[-1])[:, level.parent]
            family_error.append(above * strength / (strength + tried))
        by_level.append(p)
    leaf = by_level[-1]
    shift, variance = common_shift(leaf[:, :, None], k_recent[:, :, None], n_recent[:, :, None])
    return Chances(
        chance=_possible(_moved(leaf, shift), statistics.steps),
        deviation=own_error[-1],
        family_deviation=family_error[-1],
        shift=shift[:, 0],
        shift_deviation=np.sqrt(variance[:, 0]),
        kappa=kappa,
        wider=tuple(_possible(_moved(p, shift[:, :1]), statistics.steps) for p in by_level[:-1]),
        wider_deviation=tuple(np.hypot(*pair) for pair in zip(own_error[:-1], family_error[:-1], strict=True)),
    )


def weights(days: int, half_life: float) -> Floats:
    """0.5^((d + ½)/h) for each day d back; 1 for an infinite half-life."""
    return np.asarray(0.5 ** ((np.arange(days) + 0.5) / half_life))


def common_shift(p: Floats, exits: Floats, trials: Floats) -> tuple[Floats, Floats]:
    """The shift x, and its variance, at which Σk = Σn·σ(logit p + x) + x/0.25, sums over the keys: (…, key, block) to
    (…, block). Newton's method on the log posterior of a logit-normal shift, each step bounded to ±1."""
    base = logit(p)
    telling = (p > 0) & (p < 1)
    k = np.where(telling, exits, 0.0).sum(axis=-2)
    n = np.where(telling, np.maximum(trials, exits), 0.0)
    x = np.zeros_like(k)
    for _ in range(_NEWTON_STEPS):
        moved = sigmoid(base + x[..., None, :])
        slope = (n * moved * (1 - moved)).sum(axis=-2) + 1 / SHIFT_VARIANCE
        x = x + np.clip((k - (n * moved).sum(axis=-2) - x / SHIFT_VARIANCE) / slope, -1, 1)
    moved = sigmoid(base + x[..., None, :])
    return x, 1 / ((n * moved * (1 - moved)).sum(axis=-2) + 1 / SHIFT_VARIANCE)


def logit(p: Floats) -> Floats:
    """log(p/(1 − p)), p held away from 0 and 1."""
    inside = np.clip(p, _LEAST, 1 - _LEAST)
    return np.asarray(np.log(inside) - np.log1p(-inside))


def sigmoid(x: Floats) -> Floats:
    """1/(1 + e^(−x))."""
    return np.asarray(1 / (1 + np.exp(-x)))


def _moved(p: Floats, shift: Floats) -> Floats:
    return np.where(p > 0, sigmoid(logit(p) + shift), 0.0)


def _weighted(by_day: Floats, weight: Floats) -> Floats:
    # einsum without BLAS: the order of summation must not depend on threads.
    return np.asarray(np.einsum("tkd,d->tk", by_day, weight))


def _possible(p: Floats, steps: int) -> Floats:
    """Scale the chances out of each step down where, estimated one by one, they add up to more than 1."""
    out = p.copy()
    moves = transitions(steps)
    for step in range(steps + 1):
        numbers = [n for n, (m, _) in enumerate(moves) if m == step]
        out[numbers] = p[numbers] / np.maximum(p[numbers].sum(axis=0), 1.0)
    return out
