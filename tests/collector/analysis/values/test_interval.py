"""Predictive intervals against draws, and at their edges."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kizashi_collector.analysis._values._inflation import inflation
from kizashi_collector.analysis._values._interval import chance_of_none, interval, quantile_of_some

DRAWS = 200_000


def draws(rng: np.random.Generator, mean: float, variance: float) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    """Counts with a mean and a variance."""
    if variance > mean:
        size = mean**2 / (variance - mean)
        return rng.negative_binomial(size, size / (size + mean), DRAWS)
    if variance < mean:
        p = 1 - variance / mean
        return rng.binomial(round(mean / p), p, DRAWS)
    return rng.poisson(mean, DRAWS)


@pytest.mark.parametrize(("mean", "variance"), [(0.5, 0.5), (2.0, 3.0), (2.0, 1.0), (8.0, 20.0)])
def test_the_chance_of_none_is_that_of_the_count(mean: float, variance: float) -> None:
    counted = draws(np.random.default_rng(4), mean, variance)
    assert chance_of_none(mean, variance) == pytest.approx(float((counted == 0).mean()), abs=0.005)


@pytest.mark.parametrize(("mean", "variance"), [(0.3, 0.3), (1.5, 1.8), (3.0, 3.0), (12.0, 20.0), (60.0, 100.0)])
@pytest.mark.parametrize("cv2", [0.2, 0.6, 3.0])
def test_of_sums_drawn_nine_in_ten_lie_inside(mean: float, variance: float, cv2: float) -> None:
    rng = np.random.default_rng(8)
    counts = draws(rng, mean, variance)
    if cv2 <= 1:
        # The sum of n gammas is a gamma.
        sums = np.where(counts > 0, rng.gamma(np.maximum(counts, 1) / cv2, cv2 * 100), 0)
    else:
        sigma = math.sqrt(math.log1p(cv2))
        amounts = 100 * np.exp(rng.normal(-(sigma**2) / 2, sigma, int(counts.sum())))
        sums = np.bincount(np.repeat(np.arange(DRAWS), counts), amounts, DRAWS)
    low, high = interval(mean, variance, 100 * mean, 100**2 * (mean * cv2 + variance), heavy=cv2 > 1)
    assert float(((sums >= low) & (sums <= high)).mean()) == pytest.approx(0.9, abs=0.03)


@pytest.mark.parametrize("point", [0.05, 0.5, 0.9, 0.95])
@pytest.mark.parametrize("relative", [0.05, 0.3, 1.0])
def test_the_cube_root_is_near_the_gamma(point: float, relative: float) -> None:
    drawn = np.random.default_rng(6).gamma(1 / relative, relative * 50, DRAWS)
    found = quantile_of_some(point, 50, relative * 2500, heavy=False)
    assert float((drawn <= found).mean()) == pytest.approx(point, abs=0.015)


def test_with_nothing_to_come_there_is_no_width() -> None:
    assert [float(end) for end in interval(0, 0, 0, 0, heavy=False)] == [0, 0]


def test_where_nothing_will_hardly_come_the_high_end_is_nothing_too() -> None:
    assert [float(end) for end in interval(0.02, 0.02, 2.0, 300.0, heavy=False)] == [0, 0]


def test_certain_finals_of_one_amount_have_hardly_any_width() -> None:
    low, high = interval(50, 1e-9, 5000, 1e-5, heavy=False)
    assert low == pytest.approx(5000, rel=1e-4)
    assert high == pytest.approx(5000, rel=1e-4)


@settings(deadline=None)
@given(st.floats(1e-6, 1e6), st.floats(0.01, 50), st.floats(0, 20), st.floats(1, 1e12), st.booleans())
def test_it_is_finite_and_in_order_whatever_comes(
    mean: float, dispersion: float, cv2: float, amount: float, heavy: bool
) -> None:
    variance = mean * dispersion
    low, high = interval(mean, variance, mean * amount, amount**2 * (mean * cv2 + variance), heavy)
    assert 0 <= low <= high
    assert math.isfinite(high)


@given(st.floats(0.5, 1e4), st.floats(1.0, 3.0))
def test_more_doubt_about_the_count_never_narrows_a_fat_row(mean: float, more: float) -> None:
    def width(variance: float) -> float:
        low, high = interval(mean, variance, mean, mean * 0.4 + variance, heavy=False)
        return float(high - low)

    if mean > 20:
        assert width(mean * more) >= width(mean) * (1 - 1e-9)


def test_where_back_tests_miss_by_chance_alone_nothing_is_added() -> None:
    rng = np.random.default_rng(5)
    mean = np.full(2_000, 40.0)
    assert inflation(mean, mean, rng.poisson(mean).astype(np.float64)) < 0.05


@pytest.mark.parametrize("psi", [0.1, 0.3])
def test_it_finds_by_how_much_they_miss(psi: float) -> None:
    rng = np.random.default_rng(5)
    mean = np.full(2_000, 400.0)
    rate = mean * rng.normal(1, psi, 2_000)
    assert inflation(mean, mean, rng.poisson(rate).astype(np.float64)) == pytest.approx(psi, rel=0.1)


def test_one_wild_miss_does_not_rule_the_rest() -> None:
    mean = np.full(100, 40.0)
    happened = mean + np.where(np.arange(100) % 2, 5.0, -5.0)
    happened[0] = 4_000
    assert inflation(mean, mean, happened) < 0.1


def test_without_back_tests_nothing_is_added() -> None:
    assert inflation(np.zeros(0), np.zeros(0), np.zeros(0)) == 0
