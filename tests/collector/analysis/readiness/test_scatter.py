"""Chances of counts: against exact sums, and against counts that were drawn."""

from __future__ import annotations

import math

import numpy as np
import pytest

from kizashi_collector.analysis._readiness._history import expected_of_day
from kizashi_collector.analysis._readiness._scatter import (
    Floats,
    Scatter,
    chance_of_few,
    chance_of_many,
    chance_of_none,
    scatter,
)

NO_DOUBT = np.zeros(1)


def certain(factor: float, mean: float) -> Scatter:
    """Days of which φ is known."""
    return Scatter(np.array([[factor]]), np.ones((1, 1)), np.array([mean]))


def exact(mean: float, factor: float, count: int) -> float:
    """The chance of just so many: Poisson where φ is 1, else negative binomial."""
    if factor == 1:
        return math.exp(count * math.log(mean) - mean - math.lgamma(count + 1))
    k = mean / (factor - 1)
    ways = math.lgamma(count + k) - math.lgamma(k) - math.lgamma(count + 1)
    return math.exp(ways - k * math.log1p(mean / k) + count * math.log(mean / (mean + k)))


@pytest.mark.parametrize(
    ("factor", "least", "most"), [(1.0, 0.65, 1.2), (1.3, 0.6, 1.3), (3.0, 0.5, 1.7), (9.0, 0.45, 2.5)]
)
@pytest.mark.parametrize("mean", [20.0, 100.0, 400.0])
def test_chances_down_to_one_in_a_million_are_near_the_exact_ones(
    mean: float, factor: float, least: float, most: float
) -> None:
    counts = np.arange(round(800 + 4 * mean))
    chances = np.array([exact(mean, factor, count) for count in counts.tolist()])
    few, many = chances.cumsum(), chances[::-1].cumsum()[::-1]
    for found, right, low, high in (
        (chance_of_few, few, least, 1.0),
        (chance_of_many, many, 1.0, most),
    ):
        compared = counts[(right > 1e-7) & (right < 0.1)]
        assert len(compared) >= 6
        for count in compared.tolist():
            chance = found(np.array([float(count)]), np.array([mean]), NO_DOUBT, certain(factor, mean))
            assert low <= float(chance[0]) / right[count] <= high


@pytest.mark.parametrize(("factor", "mean"), [(1.0, 14.0), (2.0, 14.0), (30.0, 300.0)])
def test_the_chance_of_none_is_exact(factor: float, mean: float) -> None:
    found = chance_of_none(np.array([mean]), NO_DOUBT, certain(factor, mean))
    assert found == pytest.approx(exact(mean, factor, 0), rel=1e-6)


def test_where_nothing_is_expected_none_is_certain() -> None:
    days = scatter(np.zeros(1), np.array([27.0]), np.zeros(1))
    assert chance_of_none(np.zeros(1), NO_DOUBT, days) == pytest.approx(1)


def test_fewer_days_leave_more_doubt() -> None:
    chances = [
        float(
            chance_of_few(np.array([30.0]), np.array([100.0]), NO_DOUBT, scatter(freedom, freedom, np.array([100.0])))[
                0
            ]
        )
        for freedom in (np.array([6.0]), np.array([13.0]), np.array([27.0]))
    ]
    assert chances == sorted(chances, reverse=True)
    assert chances[0] > 10 * chances[-1]


@pytest.mark.parametrize("days", [7, 14, 28])
@pytest.mark.parametrize("variation", [0.0, 0.1, 0.3])
@pytest.mark.parametrize("mean", [10, 100, 2_000])
def test_of_healthy_days_no_more_seem_unlikely_than_should(mean: int, variation: float, days: int) -> None:
    rng = np.random.default_rng(3)
    sites = 2_000

    def drawn(shape: tuple[int, ...]) -> Floats:
        rate = mean * (rng.gamma(variation**-2, variation**2, shape) if variation else np.ones(shape))
        return rng.poisson(rate).astype(np.float64)

    day = expected_of_day(drawn((sites, 28)), np.full(sites, days))
    seen = drawn((sites,))
    for chance in (chance_of_few, chance_of_many):
        found = chance(seen, day.mean, day.doubt, day.scatter())
        for level in (0.01, 0.001):
            # Up to half as many again, and chance: where days differ by 0.3, more than was believed of them at first.
            assert (found < level).sum() <= 1.5 * sites * level + 3 * math.sqrt(sites * level)
