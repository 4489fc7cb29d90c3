"""Back-tests: what the model of past instants foretold for the journeys then open, beside what came of them."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from msgspec import Struct

from kizashi_collector.analysis._values._chances import Trials, chances
from kizashi_collector.analysis._values._curves import lag_curves
from kizashi_collector.analysis._values._grid import DAY_MS, HOUR_MS, Floats, summed
from kizashi_collector.analysis._values._inflation import inflation
from kizashi_collector.analysis._values._recalibration import recalibration
from kizashi_collector.analysis._values._statistics import Statistics
from kizashi_collector.analysis._values._worth import worth

__all__ = ["BackTest", "Tested", "back_tests"]


class BackTest(Struct, frozen=True):
    """How many finals the model of `days` before the boundary foretold for the journeys then open, in all, and how
    many came. It foretells with the recalibration that earlier back-tests, of known outcome then, gave it. `error` is
    the standard error of the difference by the model's own reckoning, chance of the outcomes included."""

    days: int
    foretold: float
    happened: int
    error: float


class Tested(NamedTuple):
    """ψ of single keys, ψ of the whole site, the factor by which the model of now is recalibrated, the tests."""

    inflation: float
    common_inflation: float
    recalibration: float
    tests: tuple[BackTest, ...]


def back_tests(statistics: Statistics, own: float, common: float, check: Callable[[], None] = lambda: None) -> Tested:
    """Test the models of past instants."""
    then = statistics.open_then
    keys = len(statistics.keys.leaves)
    rows: list[tuple[Floats, Floats, Floats]] = []
    wholes: list[tuple[float, float, float]] = []
    tests: list[BackTest] = []
    levels = statistics.keys.levels()
    family = levels[-2].of_leaf if len(levels) > 1 else np.zeros(keys, np.int64)
    # What the models said by themselves: days back, finals foretold, finals that came.
    said: list[tuple[int, float, float]] = []
    first = -(-statistics.grid.horizon // DAY_MS)
    overlap = max(statistics.grid.horizon / (7 * DAY_MS), 1.0)
    for days in sorted(set(then.days[then.days > 0].tolist()), reverse=True):
        check()
        past = statistics.back(days)
        # The model of a time that had not seen a whole horizon yet says nothing of one that has.
        if past.entries.hour.max(initial=-1) * HOUR_MS < statistics.grid.horizon:
            continue
        curves = lag_curves(past)[-1]
        found = chances(past, Trials.of(past, curves), own, common)
        value = worth(found.chance, curves, statistics.steps)
        chosen = np.flatnonzero(then.days == days)
        key, step, age, count = then.key[chosen], then.step[chosen], then.bin[chosen], then.count[chosen]
        happened = summed(key, then.finals[chosen], keys)
        known = [(f, h) for before, f, h in said if before >= days + first]
        factor = recalibration([f for f, _ in known], [h for _, h in known], overlap)
        said.append((days, float((count * value.open[step, key, age]).sum()), float(happened.sum())))
        value = value.times(factor)
        q = value.open[step, key, age]
        mean = summed(key, count * q, keys)
        spread = mean - summed(key, count * q * q, keys)
        each, together = np.zeros(keys), 0.0
        for t in range(len(found.chance)):
            slope = summed(key, count * value.slope[t, step, key, age], keys)
            spread += (slope * found.deviation[t]) ** 2
            shifted = slope * found.chance[t] * (1 - found.chance[t]) * found.shift_deviation[t]
            each += shifted**2
            together += float(shifted.sum()) ** 2
            leaning = slope * found.family_deviation[t]
            each += leaning**2
            together += float((summed(family, leaning, keys) ** 2).sum())
        rows.append((mean, spread + each, happened))
        variance = max(float(spread.sum()), 0.0) + together
        wholes.append((float(mean.sum()), variance, float(happened.sum())))
        tests.append(BackTest(days, float(mean.sum()), int(happened.sum()), math.sqrt(variance)))
    if not rows:
        return Tested(0.0, 0.0, 1.0, ())
    psi = inflation(*(np.concatenate(column) for column in zip(*rows, strict=True)))
    whole = inflation(*(np.array(column) for column in zip(*wholes, strict=True)))
    factor = recalibration([f for _, f, _ in said], [h for _, _, h in said], overlap)
    return Tested(psi, min(whole, psi), factor, tuple(reversed(tests)))
