"""Lag curves against life tables done by hand."""

from __future__ import annotations

import numpy as np
import pytest

from kizashi_collector.analysis._values._curves import BORROWED_EXITS, at_age, incidence, lag_curves
from kizashi_collector.analysis._values._grid import DAY_MS, HOUR_MS, LagGrid
from values.small import BOUNDARY, Story, tables

LONG_AGO = BOUNDARY - 30 * DAY_MS


def test_with_one_cause_it_is_the_estimator_of_kaplan_and_meier() -> None:
    # Of ten, 2 leave in the first bin; 3 are watched no longer; of the 5 left 2 leave, then 1 of 3.
    found = incidence(np.array([[[2.0, 2.0, 1.0]]]), np.array([[10.0, 5.0, 3.0]]))[0, 0]
    assert found == pytest.approx([0, 1 - 0.8, 1 - 0.8 * 0.6, 1 - 0.8 * 0.6 * 2 / 3])


def test_causes_share_what_leaves_by_their_counts() -> None:
    # Of ten, 2 leave for one and 3 for the other; of the 5 left, 1 and 1.
    found = incidence(np.array([[[2.0, 1.0]], [[3.0, 1.0]]]), np.array([[10.0, 5.0]]))
    assert found[:, 0] == pytest.approx(np.array([[0, 0.2, 0.3], [0, 0.3, 0.4]]))


def test_the_table_at_risk_is_the_one_done_by_hand() -> None:
    # Two long ago, of whom one leaves after 10 minutes; one 25 hours ago, watched for a day, who leaves after that.
    late = BOUNDARY - 25 * HOUR_MS
    statistics = tables(
        [
            (0, {1: LONG_AGO}, LONG_AGO + 600_000, 1),
            (0, {1: LONG_AGO}, LONG_AGO + 3 * DAY_MS, 1),
            (0, {1: late}, late + 24 * HOUR_MS + 1, 1),
        ],
        keys=[("a",)],
    )
    curve = lag_curves(statistics)[0][4, 0]
    edges = statistics.grid.edges
    assert curve[edges.index(15 * 60_000)] == pytest.approx(1 / 3)
    assert curve[edges.index(DAY_MS)] == pytest.approx(1 / 3)
    assert curve[edges.index(3 * DAY_MS)] == pytest.approx(1 / 3)
    assert curve[-1] == 1


def test_censoring_does_not_bend_the_curve() -> None:
    # Half leave after 30 minutes, half after three days. Those of the last day can only show the quick half.
    old: list[Story] = [
        (0, {1: LONG_AGO - n}, LONG_AGO - n + (30 * 60_000 if n % 2 else 3 * DAY_MS), 1) for n in range(400)
    ]
    young: list[Story] = [
        (0, {1: BOUNDARY - 25 * HOUR_MS - n}, BOUNDARY - 25 * HOUR_MS - n + 30 * 60_000 if n % 2 else None, 1)
        for n in range(400)
    ]
    statistics = tables([*old, *young], keys=[("a",)])
    curve = lag_curves(statistics)[0][4, 0]
    hour = statistics.grid.edges.index(HOUR_MS)
    assert curve[hour] == pytest.approx(0.5, abs=0.02)


def test_what_no_key_has_seen_is_spread_over_the_horizon() -> None:
    statistics = tables([(0, {1: LONG_AGO}, None, 0)])
    edges = np.array(statistics.grid.edges)
    for level in lag_curves(statistics):
        assert level == pytest.approx(np.broadcast_to(edges / edges[-1], level.shape))


def test_every_curve_rises_from_0_to_1() -> None:
    rng = np.random.default_rng(5)
    stories: list[Story] = []
    for _ in range(300):
        begun = BOUNDARY - int(rng.integers(0, 40 * DAY_MS))
        end = begun + int(rng.exponential(DAY_MS))
        stories.append(
            (int(rng.integers(0, 2)), {1: begun}, end if end <= BOUNDARY and end - begun < DAY_MS else None, 1)
        )
    for level in lag_curves(tables(stories)):
        assert (level[..., 0] == 0).all()
        assert (level[..., -1] == 1).all()
        assert (np.diff(level) >= -1e-12).all()


def test_a_thin_key_takes_the_wider_curve_and_a_fatter_one_part_of_it() -> None:
    quick: list[Story] = [(0, {1: LONG_AGO - n}, LONG_AGO - n + 30_000, 1) for n in range(70)]
    for slow, weight in ((4, 0.0), (60, 60 / (60 + BORROWED_EXITS))):
        late: list[Story] = [(1, {1: LONG_AGO - n}, LONG_AGO - n + 12 * DAY_MS + 1, 1) for n in range(slow)]
        wide, keys = lag_curves(tables([*quick, *late]))
        minute = 1
        assert keys[4, 1, minute] == pytest.approx((1 - weight) * wide[4, 0, minute])


def test_of_a_key_that_is_new_the_wider_curve_tells_what_is_still_to_come() -> None:
    # Elsewhere half leave at once and half after ten days. The new key has been watched for three, all leave at once.
    old: list[Story] = [
        (0, {1: LONG_AGO - n}, LONG_AGO - n + (30_000 if n % 2 else 10 * DAY_MS), 1) for n in range(2_000)
    ]
    new: list[Story] = [(1, {1: BOUNDARY - 3 * DAY_MS - n}, BOUNDARY - 3 * DAY_MS - n + 30_000, 1) for n in range(50)]
    total, keys = lag_curves(tables([*old, *new]))
    assert keys[4, 1] == pytest.approx(total[4, 0], abs=1e-9)


def test_between_edges_it_is_linear_and_beyond_the_horizon_whole() -> None:
    grid = LagGrid.of(DAY_MS)
    curve = np.array(grid.edges) / DAY_MS
    ages = np.array([0.0, 30_000.0, 90_000.0, DAY_MS / 2 + 5, DAY_MS, 2.0 * DAY_MS])
    assert at_age(curve[None], grid, ages)[0] == pytest.approx([*(ages[:4] / DAY_MS), 1, 1])
