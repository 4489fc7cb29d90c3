"""Calibration on simulated journeys of which everything is known: a small version of `python -m values.simulate`."""

from __future__ import annotations

import pytest

from values.simulate import Row, Verdict, judge, rows
from values.simulation import VARIANTS


def verdict(name: str, seeds: range) -> Verdict:
    print(f"{name}, seeds {seeds.start} to {seeds.stop - 1}")
    shorter = VARIANTS[name]._replace(days=125, as_ofs=(91.5, 99.5, 107.5))
    found: list[Row] = [row for seed in seeds for row, _ in rows(shorter, seed)]
    return judge(found)


@pytest.mark.parametrize(("name", "seeds"), [("stationary", range(1, 3)), ("leads", range(3, 4))])
def test_where_nothing_moves_nine_of_ten_outcomes_lie_inside(name: str, seeds: range) -> None:
    found = verdict(name, seeds)
    assert found.likely > 80
    # Some four times the noise of a share of so few rows, which share their days: the table is run on more.
    assert 0.84 < found.covered < 0.97
    assert found.width < 1.4
    assert found.error < 1.15
    assert abs(found.bias) < max(0.02, found.noise)
    assert min(found.rivals) > found.error


def test_thin_campaigns_alone_are_calibrated_too() -> None:
    found = verdict("thin-200", range(3, 4))
    assert found.likely > 500
    assert 0.86 < found.covered < 0.95
    assert found.error < 1.15
    assert found.width < 1.4


def test_a_drift_is_followed() -> None:
    found = verdict("strong-drift", range(1, 2))
    assert found.covered > 0.8
    assert found.error < 1.5
    assert min(found.rivals) > found.error
