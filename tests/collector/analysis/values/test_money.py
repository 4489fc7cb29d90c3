"""What finals bring: shrunk means, exact spreads, heavy tails."""

from __future__ import annotations

import numpy as np
import pytest

from kizashi_collector.analysis._values import Key, Statistics
from kizashi_collector.analysis._values._grid import DAY_MS
from kizashi_collector.analysis._values._money import LEAST_VARIANCE, money
from values.small import BOUNDARY, Story, tables

YEN = 1_000_000


def sold(amounts: list[list[int]], keys: list[Key] | None = None) -> Statistics:
    begun = BOUNDARY - 20 * DAY_MS
    stories: list[Story] = [
        (source, {1: begun}, begun + 5, amount) for source, own in enumerate(amounts) for amount in own
    ]
    return tables(stories, keys or [(f"c{n:02}",) for n in range(len(amounts))])


def test_a_mean_is_credible_by_its_finals() -> None:
    rng = np.random.default_rng(3)
    true = np.exp(rng.normal(9, 0.5, 60))
    amounts = [(true[n] * rng.gamma(4, 0.25, 5 if n % 2 else 400) * YEN).astype(int).tolist() for n in range(60)]
    found = money(sold(amounts))
    raw = np.array([np.mean(own) for own in amounts])
    assert found.variation == pytest.approx(0.25, rel=0.1)
    assert found.tau[1] == pytest.approx(np.std(np.exp(rng.normal(0, 0.5, 10_000))) / np.exp(0.125), rel=0.4)
    # A fat key is its own mean, nearly; thin ones lie between theirs and the whole's, and nearer to the truth.
    assert found.mean[0::2] == pytest.approx(raw[0::2], rel=0.02)
    thin = slice(1, None, 2)
    assert np.abs(found.mean / YEN - true)[thin].sum() < np.abs(raw / YEN - true)[thin].sum()
    assert (found.own[0::2] < 0.001).all()
    assert (found.own[1::2] > 0.02).all()


def test_amounts_that_never_vary_are_known_at_once() -> None:
    found = money(sold([[500 * YEN] * 3, [500 * YEN] * 90, []]))
    assert found.mean == pytest.approx([500 * YEN] * 3)
    assert found.variation == 0
    assert (found.own[:2] == 0).all()


def test_amounts_that_hardly_vary_lose_no_digit() -> None:
    large = 10**16
    found = money(sold([[large - 10**9, large + 10**9] * 50]))
    assert found.variation == pytest.approx(1e-14 * 100 / 99, rel=1e-6)


def test_one_key_is_its_own_mean() -> None:
    assert money(sold([[100 * YEN, 300 * YEN]])).mean == pytest.approx([200 * YEN])


def test_a_grouping_of_all_in_one_is_the_plain_mean() -> None:
    found = money(sold([[100 * YEN, 300 * YEN]], keys=[()]))
    assert found.mean == pytest.approx([200 * YEN])
    assert found.own[0] == pytest.approx(found.variation / 2)


def test_with_no_final_nothing_is_known_and_nothing_divides_by_zero() -> None:
    found = money(sold([[], []]))
    assert found.mean.tolist() == [0, 0]
    assert found.own == pytest.approx([LEAST_VARIANCE] * 2)


def test_finals_that_brought_nothing_are_worth_nothing() -> None:
    assert money(sold([[0] * 30, [0]])).mean.tolist() == [0, 0]


def test_refunds_lower_the_mean_by_their_share() -> None:
    assert money(sold([[0, 200 * YEN] * 40])).mean == pytest.approx([100 * YEN])


def test_one_huge_sale_does_not_rule_its_key_and_money_is_not_lost() -> None:
    rng = np.random.default_rng(9)
    amounts = [(np.exp(rng.normal(8, 1.5, 60)) * YEN).astype(int).tolist() for _ in range(30)]
    calm = np.mean(amounts[0]) / np.mean([np.mean(own) for own in amounts])
    amounts[0].append(10**7 * YEN)
    found = money(sold(amounts))
    counts = np.array([len(own) for own in amounts])
    assert float((counts * found.mean).sum()) == pytest.approx(sum(sum(own) for own in amounts))
    assert found.mean[0] / np.mean(found.mean) < 4 * calm
    assert np.mean(amounts[0]) / np.mean([np.mean(own) for own in amounts]) > 10 * calm


def test_a_device_borrows_from_its_campaign_before_it_borrows_from_all() -> None:
    keys: list[Key] = [("a", "d"), ("a", "m"), ("b", "d"), ("b", "m"), ("c", "d"), ("d", "d")]
    rng = np.random.default_rng(1)

    def some(mean: int, count: int) -> list[int]:
        return [int(mean * share * YEN) for share in rng.gamma(4, 0.25, count).tolist()]

    found = money(sold([some(9_000, 300), [], some(1_000, 300), [], some(3_000, 300), some(2_000, 300)], keys))
    assert found.mean[1] > 3 * found.mean[3]


@pytest.mark.parametrize("unit", [1, 150])
def test_the_unit_of_money_changes_nothing_but_the_unit(unit: int) -> None:
    base = [[3 * YEN, 5 * YEN, 11 * YEN], [4 * YEN], [9 * YEN, 2 * YEN]]
    found, plain = money(sold([[y * unit for y in own] for own in base])), money(sold(base))
    assert found.mean == pytest.approx(plain.mean * unit)
    assert found.own == pytest.approx(plain.own)
