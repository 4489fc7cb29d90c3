"""Lags in bins up to the horizon."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from kizashi_collector.analysis._values._grid import DAY_MS, HOUR_MS, LagGrid


@pytest.mark.parametrize("horizon", [1, 60_000, 50 * 60_000, HOUR_MS, 36 * HOUR_MS, 14 * DAY_MS, 3_660 * DAY_MS])
def test_the_edges_rise_from_zero_to_the_horizon(horizon: int) -> None:
    edges = LagGrid.of(horizon).edges
    assert edges[0] == 0
    assert edges[-1] == horizon
    assert all(a < b for a, b in itertools.pairwise(edges))


@pytest.mark.parametrize("days", [1, 2, 3, 14, 30, 60])
def test_every_whole_day_is_an_edge(days: int) -> None:
    assert {n * DAY_MS for n in range(days + 1)} <= set(LagGrid.of(days * DAY_MS).edges)


def test_a_lag_at_an_edge_lies_above_it_and_the_horizon_in_the_last_bin() -> None:
    grid = LagGrid.of(DAY_MS)
    lags = np.array([0, 59_999, 60_000, 180_000, HOUR_MS - 1, HOUR_MS, DAY_MS - 1, DAY_MS])
    assert grid.bin_of(lags).tolist() == [0, 0, 1, 2, 6, 7, grid.bins - 1, grid.bins - 1]


def test_fourteen_days_have_a_few_dozen_bins() -> None:
    assert LagGrid.of(14 * DAY_MS).bins == 6 + 1 + 11 + 12 + 12 + 18
