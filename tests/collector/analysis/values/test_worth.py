"""The worth of a step against every path, one by one, and against Bayes."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from kizashi_collector.analysis._values._transitions import transitions
from kizashi_collector.analysis._values._worth import worth

STEPS = 3
MOVES = transitions(STEPS)


def chances(seed: int = 1, keys: int = 4) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    return np.random.default_rng(seed).uniform(0.02, 0.2, (len(MOVES), keys))


def curves(seed: int = 1, keys: int = 4, bins: int = 6) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    rising = np.cumsum(np.random.default_rng(seed).uniform(0, 1, (len(MOVES), keys, bins)), axis=-1)
    return np.concatenate((np.zeros((len(MOVES), keys, 1)), rising / rising[..., -1:]), axis=-1)


def test_the_worth_of_a_step_is_the_sum_over_every_path_to_a_final() -> None:
    p = chances()
    found = worth(p, curves(), STEPS)
    for start in range(STEPS + 1):
        total = np.zeros(4)
        between = range(start + 1, STEPS + 1)
        for length in range(len(between) + 1):
            for stops in itertools.combinations(between, length):
                path = (start, *stops, STEPS + 1)
                total += np.prod([p[MOVES.index(move)] for move in itertools.pairwise(path)], axis=0)
        assert found.fresh[start] == pytest.approx(total)


def test_an_open_journey_is_worth_what_those_still_open_will_come_to() -> None:
    p, f = chances(), curves()
    found = worth(p, f, STEPS)
    gone = (f[..., 1:] + f[..., :-1]) / 2
    # A million journeys at step 2, sorted into what will become of them and whether they still stand there.
    to_3, to_final = MOVES.index((2, 3)), MOVES.index((2, 4))
    for age in range(6):
        crowd = 1e6
        still_3 = crowd * p[to_3] * (1 - gone[to_3, :, age])
        still_final = crowd * p[to_final] * (1 - gone[to_final, :, age])
        stay = crowd * (1 - p[to_3] - p[to_final])
        sold = still_3 * p[MOVES.index((3, 4))] + still_final
        assert found.open[2, :, age] == pytest.approx(sold / (still_3 + still_final + stay))


def test_a_bin_is_worth_what_its_journeys_are_on_average() -> None:
    # One step, one cause, gone linearly inside each bin: journeys of every age in a bin, against the bin's own number.
    gone = np.array([[[0.0, 0.5, 0.6, 1.0]], [[0.0, 0.5, 0.6, 1.0]], [[0.0, 0.5, 0.6, 1.0]]])
    p = np.full((3, 1), 0.3)
    found = worth(p, gone, 1)
    part = (np.arange(1_000) + 0.5) / 1_000
    for age in range(3):
        f = gone[0, 0, age] + part * (gone[0, 0, age + 1] - gone[0, 0, age])
        each = 0.3 * (1 - f) / (1 - 0.3 * f)
        assert found.open[1, 0, age] == pytest.approx(each.mean(), rel=0.03)
        assert found.open[1, 0, age] < each[0]


def test_slopes_are_what_a_small_change_of_a_chance_makes() -> None:
    p, f = chances(), curves()
    found = worth(p, f, STEPS)
    for t in range(len(MOVES)):
        up, down = p.copy(), p.copy()
        up[t] += 1e-6
        down[t] -= 1e-6
        change = (worth(up, f, STEPS).open - worth(down, f, STEPS).open) / 2e-6
        assert found.slope[t] == pytest.approx(change, rel=1e-6, abs=1e-9)


def test_with_final_lags_alone_an_older_journey_is_never_worth_more() -> None:
    p = chances()
    for t, (_, j) in enumerate(MOVES):
        if j <= STEPS:
            p[t] = 0
    assert (np.diff(worth(p, curves(), STEPS).open, axis=-1) <= 1e-15).all()


def test_a_better_chance_makes_no_step_worth_less() -> None:
    assert (worth(chances(), curves(), STEPS).slope[:, :, :, 0] >= -1e-15).all()


def test_where_nothing_leads_on_nothing_is_worth_anything() -> None:
    assert not worth(np.zeros((len(MOVES), 2)), curves(keys=2), STEPS).open.any()


def test_where_everything_leads_on_it_is_certain() -> None:
    p = np.zeros((len(MOVES), 1))
    p[[MOVES.index((m, m + 1)) for m in range(STEPS + 1)]] = 1
    found = worth(p, curves(keys=1), STEPS)
    assert found.fresh == pytest.approx(np.ones((STEPS + 2, 1)))
    assert found.open == pytest.approx(np.ones_like(found.open))


def test_a_factor_moves_what_stands_open_and_makes_nothing_more_than_certain() -> None:
    found = worth(chances(), curves(), STEPS)
    moved = found.times(1.25)
    assert moved.open == pytest.approx(np.minimum(1.25 * found.open, 1))
    assert moved.slope == pytest.approx(1.25 * found.slope)
    assert (moved.fresh == found.fresh).all()
    assert found.times(1e6).open.max() == 1
