"""Chances against brute force: gamma functions, Beta posteriors, roots."""

from __future__ import annotations

import math

import numpy as np
import pytest

from kizashi_collector.analysis._values._beta_binomial import (
    DEFAULT_CONCENTRATION,
    concentration,
    log_gamma,
    log_likelihood,
)
from kizashi_collector.analysis._values._chances import Trials, chances, common_shift, logit, sigmoid, weights
from kizashi_collector.analysis._values._curves import lag_curves
from kizashi_collector.analysis._values._forgetting import half_lives
from kizashi_collector.analysis._values._grid import DAY_MS, HOUR_MS
from kizashi_collector.analysis._values._statistics import Statistics
from values.small import BOUNDARY, Story, tables

OLD = BOUNDARY - 40 * DAY_MS


def test_log_gamma_is_that_of_the_standard_library() -> None:
    x = np.array([1e-8, 1e-3, 0.5, 1.0, 1.5, 2.0, 7.9, 100.0, 12345.6, 1e9])
    assert log_gamma(x) == pytest.approx([math.lgamma(v) for v in x], rel=1e-12, abs=1e-12)


@pytest.mark.parametrize(("k", "n"), [(0, 7), (3, 7), (7, 7)])
def test_the_marginal_likelihood_is_the_integral_over_the_chance(k: int, n: int) -> None:
    pi, kappa = 0.2, 10.0
    p = (np.arange(200_000) + 0.5) / 200_000
    prior = p ** (kappa * pi - 1) * (1 - p) ** (kappa * (1 - pi) - 1)
    integral = float((prior * p**k * (1 - p) ** (n - k)).sum() / prior.sum())
    found = log_likelihood(np.array([float(k)]), np.array([float(n)]), np.array([pi]), np.array([kappa]))[0]
    assert found == pytest.approx(math.log(integral), rel=1e-4)


@pytest.mark.parametrize("kappa", [10.0, 60.0, 600.0])
def test_it_finds_how_alike_keys_are(kappa: float) -> None:
    rng = np.random.default_rng(17)
    n = np.full(400, 500.0)
    k = rng.binomial(500, rng.beta(kappa * 0.1, kappa * 0.9, 400)).astype(np.float64)
    assert concentration(k, n, np.full(400, 0.1)) == pytest.approx(kappa, rel=0.3)


def test_one_key_alone_says_nothing_about_how_keys_differ() -> None:
    assert concentration(np.array([5.0]), np.array([9.0]), np.array([0.4])) == DEFAULT_CONCENTRATION


def seen(exits: int, stays: int, source: int = 0) -> list[Story]:
    return [(source, {2: OLD - n}, OLD - n + HOUR_MS if n < exits else None, 1) for n in range(exits + stays)]


def learned(statistics: Statistics) -> tuple[np.ndarray[tuple[int, int], np.dtype[np.float64]], float]:
    curves = lag_curves(statistics)
    found = chances(statistics, Trials.of(statistics, curves[-1]), math.inf, math.inf)
    return found.chance[-1:], float(found.kappa[-1, -1])


def test_a_key_is_the_mean_of_its_posterior_with_the_wider_level_as_its_prior() -> None:
    statistics = tables([*seen(30, 70), *seen(0, 10, source=1)])
    found, kappa = learned(statistics)
    pi = 30 / 110
    raw = np.array([(kappa * pi + 30) / (kappa + 100), kappa * pi / (kappa + 10)])
    # What is left of the common shift is small: shrunk keys together expect nearly what there was.
    shift, _ = common_shift(raw[:, None], np.array([[30.0], [0.0]]), np.array([[100.0], [10.0]]))
    assert found[0] == pytest.approx(sigmoid(logit(raw) + shift[0]))
    assert abs(shift[0]) < 0.05


def test_a_device_borrows_from_its_campaign_before_it_borrows_from_all() -> None:
    keys = [("a", "d"), ("a", "m"), ("b", "d"), ("b", "m"), ("c", "d"), ("d", "d")]
    stories = [*seen(80, 120), *seen(0, 2, 1), *seen(4, 196, 2), *seen(0, 2, 3), *seen(20, 180, 4), *seen(30, 170, 5)]
    statistics = tables(stories, keys)
    curves = lag_curves(statistics)
    found = chances(statistics, Trials.of(statistics, curves[-1]), math.inf, math.inf)
    assert found.chance[-1, 1] > 2 * found.chance[-1, 3]
    assert found.wider[1][-1, 0] > 2 * found.wider[1][-1, 1]
    assert (found.deviation[-1, [1, 3]] > 1.1 * found.deviation[-1, [0, 2]]).all()


@pytest.mark.parametrize(("exits", "stays"), [(0, 50), (50, 0), (0, 0)])
def test_none_all_and_nobody_are_chances_like_any_other(exits: int, stays: int) -> None:
    found, _ = learned(tables([*seen(20, 20), *seen(exits, stays, source=1)]))
    assert 0 < found[0, 1] < 1
    if exits or stays:
        assert (found[0, 1] > found[0, 0]) == (exits > 0)


def test_more_exits_than_trials_in_effect_are_no_chance_above_one() -> None:
    # All came within the last hours, when hardly anyone of those before had: F(age) is next to nothing.
    slow: list[Story] = [(0, {2: OLD - n}, OLD - n + 13 * DAY_MS, 1) for n in range(100)]
    quick: list[Story] = [(1, {2: BOUNDARY - 5 * HOUR_MS - n}, BOUNDARY - HOUR_MS - n, 1) for n in range(50)]
    statistics = tables([*slow, *quick])
    trials = Trials.of(statistics, lag_curves(statistics)[-1])
    assert trials.exits[-1, 1].sum() > trials.trials[-1, 1].sum()
    found, _ = learned(statistics)
    assert (found <= 1).all()
    assert found[0, 1] > 0.5


def test_the_shift_solves_its_equation() -> None:
    rng = np.random.default_rng(2)
    p, n = rng.uniform(0.01, 0.5, (20, 1)), rng.uniform(10, 500, (20, 1))
    k = n * sigmoid(logit(p) + 0.4)
    x, variance = common_shift(p, k, n)
    assert k.sum() == pytest.approx((n * sigmoid(logit(p) + x)).sum() + x[0] / 0.25, rel=1e-9)
    assert 0.3 < x[0] < 0.4
    assert 0 < variance[0] < 0.25


def test_with_nothing_seen_the_shift_is_its_prior() -> None:
    x, variance = common_shift(np.zeros((3, 1)), np.zeros((3, 1)), np.zeros((3, 1)))
    assert (x[0], variance[0]) == (0, 0.25)


def test_weights_halve_in_a_half_life() -> None:
    found = weights(30, 7.0)
    assert found[7] / found[0] == pytest.approx(0.5)
    assert (weights(30, math.inf) == 1).all()


def by_day(p: np.ndarray[tuple[int, ...], np.dtype[np.float64]], seed: int) -> Trials:
    rng = np.random.default_rng(seed)
    n = np.full(p.shape, 400.0)
    return Trials(rng.binomial(400, p)[None].astype(np.float64), n[None])


def test_nothing_is_forgotten_while_nothing_moves() -> None:
    chosen = [half_lives(by_day(np.full((20, 90), 0.1), seed)) for seed in range(8)]
    assert sum(pair == (math.inf, math.inf) for pair in chosen) >= 6


def test_what_moves_for_all_is_followed_by_the_common_memory_and_what_moves_for_each_by_its_own() -> None:
    rng = np.random.default_rng(23)
    together = np.cumsum(rng.normal(0, 0.1, 90))
    common = half_lives(by_day(sigmoid(np.broadcast_to(together - 2, (20, 90))), 1))
    assert common[1] < math.inf
    each = np.cumsum(rng.normal(0, 0.1, (20, 90)), axis=1)
    own = half_lives(by_day(sigmoid(each - each.mean(axis=0) - 2), 1))
    assert own[0] < 30


def test_a_week_of_data_forgets_nothing() -> None:
    assert half_lives(by_day(np.full((5, 7), 0.1), 1)) == (math.inf, math.inf)
