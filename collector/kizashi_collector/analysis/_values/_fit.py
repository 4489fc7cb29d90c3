"""A fit: everything that was learned at a boundary, as plain numbers that can be written down and read again."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from kizashi_collector.analysis._values._back_tests import BackTest, Tested, back_tests
from kizashi_collector.analysis._values._chances import Chances, Trials, chances
from kizashi_collector.analysis._values._curves import lag_curves
from kizashi_collector.analysis._values._forgetting import half_lives
from kizashi_collector.analysis._values._grid import Floats, summed
from kizashi_collector.analysis._values._keys import Key
from kizashi_collector.analysis._values._money import Money, money
from kizashi_collector.analysis._values._statistics import Statistics
from kizashi_collector.analysis._values._transitions import transitions

__all__ = ["WHOLE", "Fit", "fit"]

WHOLE = 65_535
"""Curves are kept in 65,535ths: finer than anything that a curve knows, and two bytes a point."""


class Fit(Struct, frozen=True):
    """What was learned. Each list by key has one entry per place: the keys, then one unseen key below each wider level
    (`FittedKeys.place`); places of one `family` share an error. Lists by transition follow `transitions(steps)`. Money
    is in micros, half-lives in days (None: no forgetting), times in milliseconds. `recalibration` is what open journeys
    are multiplied by, and is not in `chance`."""

    boundary: int
    lookback: int
    steps: int
    edges: tuple[int, ...]
    keys: tuple[Key, ...]
    chance: tuple[tuple[float, ...], ...]
    deviation: tuple[tuple[float, ...], ...]
    family_deviation: tuple[tuple[float, ...], ...]
    family: tuple[int, ...]
    shift: tuple[float, ...]
    shift_deviation: tuple[float, ...]
    curves: tuple[bytes, ...]
    curve_of: tuple[tuple[int, ...], ...]
    mean: tuple[float, ...]
    mean_own: tuple[float, ...]
    mean_family: tuple[float, ...]
    mean_borrowed: tuple[float, ...]
    variation: float
    own: tuple[int, ...]
    borrowed: tuple[float, ...]
    kappa: tuple[tuple[float, ...], ...]
    half_life_own: float | None
    half_life_common: float | None
    inflation: float
    common_inflation: float
    recalibration: float
    back_tests: tuple[BackTest, ...]


def fit(statistics: Statistics, check: Callable[[], None] = lambda: None) -> Fit:
    """Learn from the tables. The same tables give the same fit, to the last bit.

    `check` is called now and then, some tenths of a second apart with a thousand keys: what it raises ends the work.
    """
    curves = lag_curves(statistics)
    check()
    trials = Trials.of(statistics, curves[-1])
    own, common = half_lives(trials, check)
    found = chances(statistics, trials, own, common)
    paid = money(statistics)
    tested = back_tests(statistics, own, common, check)
    return _written(statistics, curves, found, paid, (own, common), tested)


def _written(
    statistics: Statistics,
    curves: tuple[Floats, ...],
    found: Chances,
    paid: Money,
    lives: tuple[float, float],
    tested: Tested,
) -> Fit:
    levels = statistics.keys.levels()
    # An unseen key below a wider level: its mean chance, and all the spread that keys there have.
    chance, deviation, family_deviation = [found.chance], [found.deviation], [found.family_deviation]
    mean, mean_own, mean_family, mean_borrowed = [paid.mean], [paid.own], [paid.family], [paid.borrowed]
    family = [levels[-2].of_leaf if len(levels) > 1 else np.zeros(len(statistics.keys.leaves), np.int64)]
    shares = [np.rint(curves[-1] * WHOLE).astype("<u2")]
    family_count = levels[-2].size if len(levels) > 1 else 1
    for depth, level in enumerate(levels[:-1]):
        p = found.wider[depth]
        below = found.kappa[:, depth + 1 :]
        spread = np.sqrt(p * (1 - p) * (1 / (below + 1)).sum(axis=1)[:, None])
        chance.append(p)
        deviation.append(spread)
        mean.append(paid.wider[depth])
        mean_own.append(np.full(level.size, float((paid.tau[depth + 1 :] ** 2).sum())))
        family_deviation.append(found.wider_deviation[depth])
        mean_family.append(paid.wider_deviation[depth])
        mean_borrowed.append(np.zeros(level.size))
        # Below the nearest level they are of the family of their relatives there; further up, of one for themselves.
        nearest = depth == len(levels) - 2
        family.append(np.arange(level.size) if nearest else np.arange(level.size) + family_count)
        family_count += 0 if nearest else level.size
        shares.append(np.rint(curves[depth] * WHOLE).astype("<u2"))
    distinct, curve_of = _distinct(np.concatenate(shares, axis=1))
    own, borrowed = _evidence(statistics, found)
    wider = len(curve_of[0]) - len(own)
    return Fit(
        boundary=statistics.boundary,
        lookback=statistics.lookback,
        steps=statistics.steps,
        edges=statistics.grid.edges,
        keys=statistics.keys.leaves,
        chance=_plain(np.concatenate(chance, axis=1)),
        deviation=_plain(np.concatenate(deviation, axis=1)),
        family_deviation=_plain(np.concatenate(family_deviation, axis=1)),
        family=tuple(np.concatenate(family).tolist()),
        shift=tuple(found.shift.tolist()),
        shift_deviation=tuple(found.shift_deviation.tolist()),
        curves=distinct,
        curve_of=curve_of,
        mean=tuple(np.concatenate(mean).tolist()),
        mean_own=tuple(np.concatenate(mean_own).tolist()),
        mean_family=tuple(np.concatenate(mean_family).tolist()),
        mean_borrowed=tuple(np.concatenate(mean_borrowed).tolist()),
        variation=paid.variation,
        own=(*own, *[0] * wider),
        borrowed=(*borrowed, *[0.0] * wider),
        kappa=_plain(found.kappa),
        half_life_own=None if np.isinf(lives[0]) else lives[0],
        half_life_common=None if np.isinf(lives[1]) else lives[1],
        inflation=tested.inflation,
        common_inflation=tested.common_inflation,
        recalibration=tested.recalibration,
        back_tests=tested.tests,
    )


def _evidence(statistics: Statistics, found: Chances) -> tuple[list[int], list[float]]:
    """The finals of each key, and how many those are worth that its chances of a final were shrunk towards: κπ summed
    over the states, and no more than the wider level has beyond the key's own."""
    keys = len(statistics.keys.leaves)
    finals = statistics.finals
    own = summed(finals.key, finals.converted, keys)
    to_final = [n for n, (_, j) in enumerate(transitions(statistics.steps)) if j == statistics.steps + 1]
    levels = statistics.keys.levels()
    if len(levels) == 1:
        return own.astype(np.int64).tolist(), [0.0] * keys
    above = levels[-2].of_leaf
    lent = (found.kappa[to_final, -1, None] * found.wider[-1][to_final][:, above]).sum(axis=0)
    there = summed(above, own, levels[-2].size)[above] - own
    return own.astype(np.int64).tolist(), np.minimum(lent, there).tolist()


def _distinct(shares: NDArray[np.uint16]) -> tuple[tuple[bytes, ...], tuple[tuple[int, ...], ...]]:
    """Each curve once, and which one each transition and place has: thin keys share that of a wider level."""
    known: dict[bytes, int] = {}
    curve_of = tuple(tuple(known.setdefault(row.tobytes(), len(known)) for row in rows) for rows in shares)
    return tuple(known), curve_of


def _plain(numbers: Floats) -> tuple[tuple[float, ...], ...]:
    return tuple(tuple(row) for row in numbers.tolist())
