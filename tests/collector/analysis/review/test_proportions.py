"""Shares with Jeffreys' interval, lifts with Katz's, and the direction of a trend."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kizashi_collector.analysis._review import Period, Proportion, lift
from kizashi_collector.analysis._review._trend import trend_of


def chance_below(x: float, k: int, n: int) -> float:
    """P(p ≤ x) under Beta(k + ½, n − k + ½): with p = sin²θ the density is sin²ᵏθ cos²⁽ⁿ⁻ᵏ⁾θ, and has no poles."""
    step = np.pi / 2 / 400_000
    angle = (np.arange(400_000) + 0.5) * step
    log = 2 * k * np.log(np.sin(angle)) + 2 * (n - k) * np.log(np.cos(angle))
    density = np.exp(log - log.max())
    return float(density[np.sin(angle) ** 2 <= x].sum() / density.sum())


@pytest.mark.parametrize(("k", "n"), [(1, 1_000), (3, 10), (59, 60), (40, 200), (70, 140), (500, 90_000)])
def test_one_time_in_twenty_the_chance_lies_below_the_interval_and_one_time_above(k: int, n: int) -> None:
    found = Proportion.of(k, n)
    assert chance_below(found.low, k, n) == pytest.approx(0.05, abs=0.001)
    assert chance_below(found.high, k, n) == pytest.approx(0.95, abs=0.001)


def test_an_interval_reaches_0_where_nobody_converted_and_1_where_everybody_did() -> None:
    nobody, everybody = Proportion.of(0, 20), Proportion.of(20, 20)
    assert (nobody.share, nobody.low) == (0.0, 0.0)
    assert chance_below(nobody.high, 0, 20) == pytest.approx(0.95, abs=0.001)
    assert (everybody.share, everybody.high) == (1.0, 1.0)
    assert everybody.low == pytest.approx(1 - nobody.high)


@given(st.integers(1, 10**7).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_a_share_lies_in_its_interval_and_that_between_0_and_1(counts: tuple[int, int]) -> None:
    found = Proportion.of(*counts)
    assert 0 <= found.low <= found.share == counts[0] / counts[1] <= found.high <= 1
    assert found.low < found.high


def test_a_lift_is_the_ratio_of_two_shares_with_katz_s_interval() -> None:
    # (60.5/200.5) / (40.5/400.5), and 1.6449·√(1/60.5 − 1/200.5 + 1/40.5 − 1/400.5) = 0.3023 on the log scale.
    found = lift(60, 200, 40, 400)
    assert found is not None
    assert [found.ratio, found.low, found.high] == pytest.approx([2.98394, 2.20607, 4.03610], rel=1e-3)
    assert found.ratio == pytest.approx((60.5 / 200.5) / (40.5 / 400.5))


def test_there_is_no_lift_where_nobody_is_on_one_side_or_nobody_converted() -> None:
    assert lift(5, 10, 0, 0) is None
    assert lift(0, 0, 5, 10) is None
    assert lift(0, 10, 0, 10) is None


def test_a_lift_is_finite_where_nobody_converted_on_one_side() -> None:
    none_without, none_with = lift(20, 100, 0, 100), lift(0, 100, 20, 100)
    assert none_without is not None
    assert none_with is not None
    assert none_without.low > 1 > none_with.high
    assert none_without.ratio == pytest.approx(1 / none_with.ratio)


def periods(*counts: tuple[int, int]) -> list[Period]:
    return [Period(at, at + 1, journeys, converted) for at, (converted, journeys) in enumerate(counts)]


@pytest.mark.parametrize(
    ("counts", "direction"),
    [
        ([(100, 1000), (150, 1000), (200, 1000)], "rising"),
        ([(200, 1000), (150, 1000), (100, 1000)], "falling"),
        ([(100, 1000), (110, 1000), (105, 1000)], "steady"),
        # The same shares from less are noise.
        ([(10, 100), (12, 100), (14, 100)], "steady"),
        # Too little to tell anything, in one of them or at all.
        ([(1, 10), (0, 10), (4, 10)], None),
        ([(100, 1000), (150, 1000), (2, 4)], None),
        ([(0, 1000), (0, 1000), (0, 1000)], None),
        ([(100, 100), (100, 100), (100, 100)], None),
        ([(100, 1000), (200, 1000)], None),
        ([], None),
    ],
)
def test_a_trend_has_a_direction_only_where_it_is_no_noise(
    counts: list[tuple[int, int]], direction: str | None
) -> None:
    found = trend_of(periods(*counts))
    assert found.direction == direction
    assert list(found.periods) == periods(*counts)
