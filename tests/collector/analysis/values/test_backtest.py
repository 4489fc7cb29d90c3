"""The nowcast beside what then happened in a real shop: a small version of `python -m values.backtest`."""

from __future__ import annotations

import numpy as np
import pytest

from values.backtest import DATA, Outcome, Shop, amount, as_ofs, outcomes, score

pytestmark = pytest.mark.skipif(not DATA.exists(), reason="the shared data folder is not beside the project")


@pytest.fixture(scope="module")
def shop() -> Shop:
    return Shop(horizon_days=14)


@pytest.fixture(scope="module")
def found(shop: Shop) -> list[Outcome]:
    return list(outcomes(shop, ("channel",)))


def rows(found: list[Outcome]) -> list[Outcome]:
    return [row for row in found if row.key]


def totals(found: list[Outcome]) -> list[Outcome]:
    return [row for row in found if not row.key]


@pytest.mark.parametrize("rival", ["lagged", "declared"])
def test_a_channel_is_foretold_better_than_by_any_rival(found: list[Outcome], rival: str) -> None:
    _, _, high = score(rows(found)).beyond[rival]
    assert high < 0


@pytest.mark.parametrize("rival", ["so_far", "lagged", "declared"])
def test_the_total_is_foretold_no_worse_than_by_any_rival_beyond_the_noise(found: list[Outcome], rival: str) -> None:
    difference, low, _ = score(totals(found)).beyond[rival]
    assert low <= 0
    assert difference < 0


def test_what_counts_twice_where_it_is_far_off_is_smaller_than_for_any_rival(found: list[Outcome]) -> None:
    assert max(score(rows(found)).squared.values()) < 1
    assert max(score(totals(found)).squared.values()) < 1


def test_nine_of_ten_outcomes_lie_inside_but_for_noise(found: list[Outcome]) -> None:
    scored = score(rows(found))
    assert scored.likely >= 50
    assert scored.covered > 0.8
    low, high = scored.covered_interval
    assert low <= 0.9 <= high


def test_what_is_to_come_is_not_foretold_off_by_more_than_a_tenth(found: list[Outcome]) -> None:
    assert abs(score(totals(found)).bias) < 0.1


def test_rows_add_up_to_their_total(found: list[Outcome]) -> None:
    for total in totals(found):
        week = [row for row in rows(found) if row.as_of == total.as_of]
        for name in ("truth", "so_far", "expected", "declared"):
            assert sum(getattr(row, name) for row in week) == pytest.approx(getattr(total, name))
        assert total.truth >= total.so_far


def test_what_comes_after_an_instant_does_not_change_what_is_said_then(shop: Shop, found: list[Outcome]) -> None:
    at = as_ofs(shop)[3]
    other = Shop(horizon_days=14)
    later = other.events.time > at
    other.events.value[later] *= 7
    other.events.source[later] = 1
    told = [row for row in found if row.as_of == at]
    again = list(outcomes(other, ("channel",), [at]))
    assert [row.truth for row in again] != [row.truth for row in told]
    unmoved = [field for field in Outcome._fields if field not in ("truth", "declared")]
    assert [[getattr(row, f) for f in unmoved] for row in again] == [[getattr(row, f) for f in unmoved] for row in told]


def test_amounts_are_what_shopper_and_time_make_of_them() -> None:
    drawn = np.array([amount(f"user_{n:04}", "2024-03-13 10:24:00") for n in range(2_000)])
    assert amount("user_0000", "2024-03-13 10:24:00") == drawn[0]
    assert drawn.min() >= 1_000
    assert drawn.max() == 20_000
    assert np.median(drawn) == pytest.approx(5_000, rel=0.05)


def test_a_forecast_that_is_always_right_beats_everything_and_one_that_is_off_is_told_so(found: list[Outcome]) -> None:
    right = [row._replace(expected=row.truth, low=row.truth, high=row.truth) for row in totals(found)]
    assert score(right).error == score(right).bias == 0
    assert score(right).covered_all == 1
    off = [row._replace(expected=1.5 * row.truth, low=1.4 * row.truth, high=1.6 * row.truth) for row in totals(found)]
    assert score(off).bias == pytest.approx(0.5)
    assert score(off).bias_interval == pytest.approx((0.5, 0.5))
    assert score(off).covered_all == 0
    assert score(off).beyond["declared"][1] > 0
