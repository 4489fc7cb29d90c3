"""How much is made of what back-tests missed in one direction."""

from __future__ import annotations

import pytest

from kizashi_collector.analysis._values._recalibration import LEAST_TESTS, PRIOR_FINALS, recalibration


def test_where_nothing_was_foretold_nothing_is_moved() -> None:
    assert recalibration([], [], 1) == 1
    assert recalibration([0.0] * 4, [0, 3, 0, 0], 1) == 1


def test_where_as_many_came_as_were_foretold_nothing_is_moved() -> None:
    assert recalibration([10.0, 20.0, 30.0], [10, 20, 30], 1) == pytest.approx(1)


def test_much_evidence_is_believed_and_little_is_not() -> None:
    assert recalibration([1_000.0] * 8, [1_300] * 8, 1) == pytest.approx(1.3, abs=0.002)
    assert recalibration([1.0] * 4, [2] * 4, 1) == pytest.approx((PRIOR_FINALS + 8) / (PRIOR_FINALS + 4))


def test_from_the_first_weeks_nothing_is_concluded() -> None:
    assert recalibration([100.0] * (LEAST_TESTS - 1), [200] * (LEAST_TESTS - 1), 1) == 1
    assert recalibration([0.0, *[100.0] * (LEAST_TESTS - 1)], [0, *[200] * (LEAST_TESTS - 1)], 1) == 1
    assert recalibration([100.0] * LEAST_TESTS, [200] * LEAST_TESTS, 1) > 1.8


def test_weeks_that_contradict_each_other_are_believed_less_than_weeks_that_agree() -> None:
    agreeing = recalibration([100.0] * 4, [120] * 4, 1)
    scattered = recalibration([100.0] * 4, [40, 200, 60, 180], 1)
    assert 1 < scattered < agreeing < 1.2


def test_what_counts_in_two_weeks_is_believed_as_if_it_were_in_one() -> None:
    assert recalibration([100.0] * 8, [120] * 8, 2) == pytest.approx(recalibration([100.0] * 4, [120] * 4, 1))


def test_that_nothing_came_at_all_leaves_something_to_come() -> None:
    assert 0 < recalibration([200.0] * 8, [0] * 8, 1) < 0.1
