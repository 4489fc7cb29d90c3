"""Back-tests: what the model of past instants foretold for the journeys then open, beside what came of them."""

from __future__ import annotations

import numpy as np
from msgspec import Struct

from kizashi_collector.analysis._values._chances import Trials, chances
from kizashi_collector.analysis._values._curves import lag_curves
from kizashi_collector.analysis._values._grid import HOUR_MS, Floats, summed
from kizashi_collector.analysis._values._inflation import inflation
from kizashi_collector.analysis._values._statistics import Statistics
from kizashi_collector.analysis._values._worth import worth

__all__ = ["BackTest", "back_tests"]


class BackTest(Struct, frozen=True):
    """How many finals the model of `days` before the boundary foretold for the journeys then open, in all, and how
    many came."""

    days: int
    foretold: float
    happened: int


def back_tests(statistics: Statistics, own: float, common: float) -> tuple[float, float, tuple[BackTest, ...]]:
    """ψ of single keys, ψ of the whole site, and the tests themselves."""
    then = statistics.open_then
    keys = len(statistics.keys.leaves)
    rows: list[tuple[Floats, Floats, Floats]] = []
    wholes: list[tuple[float, float, float]] = []
    tests: list[BackTest] = []
    levels = statistics.keys.levels()
    family = levels[-2].of_leaf if len(levels) > 1 else np.zeros(keys, np.int64)
    for days in sorted(set(then.days[then.days > 0].tolist())):
        past = statistics.back(days)
        # The model of a time that had not seen a whole horizon yet says nothing of one that has.
        if past.entries.hour.max(initial=-1) * HOUR_MS < statistics.grid.horizon:
            continue
        curves = lag_curves(past)[-1]
        found = chances(past, Trials.of(past, curves), own, common)
        value = worth(found.chance, curves, statistics.steps)
        chosen = np.flatnonzero(then.days == days)
        key, step, age, count = then.key[chosen], then.step[chosen], then.bin[chosen], then.count[chosen]
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
        happened = summed(key, then.finals[chosen], keys)
        rows.append((mean, spread + each, happened))
        wholes.append((float(mean.sum()), float(spread.sum()) + together, float(happened.sum())))
        tests.append(BackTest(days, float(mean.sum()), int(happened.sum())))
    if not rows:
        return 0.0, 0.0, ()
    psi = inflation(*(np.concatenate(column) for column in zip(*rows, strict=True)))
    whole = inflation(*(np.array(column) for column in zip(*wholes, strict=True)))
    return psi, min(whole, psi), tuple(tests)
