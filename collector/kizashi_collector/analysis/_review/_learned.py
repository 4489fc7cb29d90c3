"""What an event is worth: by the fit of the whole site, or simply counted."""

from __future__ import annotations

import math

import numpy as np
from msgspec import Struct

from kizashi_collector.analysis._review._counts import AmountSums
from kizashi_collector.analysis._review._figures import Learned
from kizashi_collector.analysis._review._proportion import Z90, Proportion
from kizashi_collector.analysis._values import Fit, FittedKeys

__all__ = ["Brought", "fitted_steps", "simply"]


class Brought(Struct, frozen=True):
    """What a conversion brings: the mean in micros, and the relative standard error of that mean."""

    mean: float
    error: float

    @classmethod
    def of(cls, amounts: AmountSums) -> Brought | None:
        """Of amounts ≥ 0; None where there is none. The spread is that of a sample: Σ(y − mean)² / (n − 1)."""
        n, total = amounts.count, amounts.total
        if not n:
            return None
        if not total:
            return cls(0.0, 0.0)
        # n·Σ(y − mean)² is a whole number, so that nothing is rounded before the one division.
        apart = n * amounts.squares - total * total
        return cls(total / n, math.sqrt(apart / (max(n - 1, 1) * total * total)))


def simply(converted: int, journeys: int, brought: Brought | None) -> Learned | None:
    """Share that converted × mean that conversions bring, nothing borrowed; None where one of them is not known."""
    if brought is None or not journeys:
        return None
    chance = Proportion.of(converted, journeys)
    low, high = _bounds(chance, brought)
    return Learned(round(chance.share * brought.mean), low, high, chance, "simple")


def fitted_steps(fit: Fit) -> list[Learned] | None:
    """What each step of the ladder is worth for the whole site, the first step first; None while there was no final.

    The error of a chance is what its transitions pass on to it, those of the common shift and of the family (the delta
    method). What back-tests missed beyond that is left out: it is of what will happen, not of what is known now.
    """
    fitted = FittedKeys(fit)
    finals = float(fitted.own.sum())
    if not finals:
        return None
    # The mean of all finals, not of all keys.
    mean = float((fitted.own * fitted.mean).sum()) / finals
    brought = Brought(mean, math.sqrt(fit.variation / finals))
    place = fitted.place(())
    states = fit.steps + 1
    chances = np.zeros((states, states + 1))
    errors = np.zeros((states, states + 1))
    moves = [(m, j) for m in range(states) for j in range(m + 1, states + 1)]
    for t, (m, j) in enumerate(moves):
        p = float(fitted.chance[t, place])
        chances[m, j] = p
        errors[m, j] = (p * (1 - p) * fit.shift_deviation[t]) ** 2 + float(fitted.family_deviation[t, place]) ** 2
    q = np.ones(states + 1)
    for m in reversed(range(states)):
        q[m] = min(float((chances[m, m + 1 :] * q[m + 1 :]).sum()), 1.0)
    learned = []
    for step in range(1, states):
        visits = np.zeros(states)
        visits[step] = 1.0
        for m in range(step, states):
            visits[m + 1 :] += visits[m] * chances[m, m + 1 : states]
        variance = float((errors * (visits[:, None] * q[None, :]) ** 2).sum())
        chance = _on_logit(float(q[step]), math.sqrt(variance))
        low, high = _bounds(chance, brought)
        learned.append(Learned(round(float(q[step]) * mean), low, high, chance, "fit"))
    return learned


def _on_logit(chance: float, deviation: float) -> Proportion:
    """A chance with its interval, symmetric on the logit, so that it stays between 0 and 1."""
    if not 0 < chance < 1:
        return Proportion(chance, chance, chance)
    odds = chance / (1 - chance)
    factor = math.exp(min(Z90 * deviation / (chance * (1 - chance)), 700.0))
    return Proportion(chance, odds / factor / (1 + odds / factor), odds * factor / (1 + odds * factor))


def _bounds(chance: Proportion, brought: Brought) -> tuple[int, int]:
    """The interval of a product from those of its factors, on the log scale (Zou and Donner 2008)."""
    of_mean = Z90 * brought.error
    if not chance.share:
        return 0, round(chance.high * brought.mean * math.exp(of_mean))
    value = chance.share * brought.mean
    down = math.hypot(math.log(chance.share / chance.low), of_mean) if chance.low else math.inf
    up = math.hypot(math.log(chance.high / chance.share), of_mean)
    return round(value * math.exp(-down)), round(value * math.exp(up))
