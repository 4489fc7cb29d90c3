"""Verdicts, rule by rule, and that more of the same evidence never undoes one."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from kizashi_collector.analysis._review import Judged, judge


def judged(converted: int, journeys: int, others: tuple[int, int], **told: Any) -> tuple[str, str]:
    given_: dict[str, Any] = {"waiting": 0, "marginal_gain": None, "enough": 15.0}
    has_final = told.pop("has_final", True)
    counts = Judged(
        journeys=journeys,
        converted=converted,
        other_journeys=others[1],
        other_converted=others[0],
        **(given_ | told),
    )
    return judge(counts, has_final=has_final)


def test_what_goes_with_conversions_beyond_doubt_is_kept() -> None:
    assert judged(60, 200, (40, 400)) == ("keep", "lifts")


def test_what_goes_with_no_more_conversions_than_its_absence_is_pruned() -> None:
    assert judged(40, 400, (60, 300)) == ("prune", "no_lift")


def test_a_lift_that_much_evidence_leaves_small_is_pruned() -> None:
    assert judged(500, 5000, (500, 5000)) == ("prune", "weak_lift")
    assert judged(520, 5000, (480, 5000)) == ("prune", "weak_lift")


def test_a_small_lift_beyond_doubt_is_kept() -> None:
    assert judged(65_000, 500_000, (50_000, 500_000)) == ("keep", "lifts")


def test_what_nearly_every_journey_has_is_pruned() -> None:
    assert judged(90, 960, (2, 40)) == ("prune", "everywhere")
    assert judged(90, 1000, (0, 0)) == ("prune", "everywhere")
    assert judged(90, 949, (2, 51)) != ("prune", "everywhere")
    # Of a few journeys that says nothing.
    assert judged(20, 50, (0, 0)) == ("unknown", "thin")


def test_a_step_that_tells_what_the_next_one_tells_is_pruned() -> None:
    assert judged(60, 200, (40, 400), marginal_gain=0.01) == ("prune", "no_gain")
    assert judged(60, 200, (40, 400), marginal_gain=-0.01) == ("prune", "no_gain")
    assert judged(60, 200, (40, 400), marginal_gain=0.03) == ("keep", "lifts")
    # Below the least evidence, equal chances are chance.
    assert judged(14, 50, (40, 400), marginal_gain=0.01) == ("unknown", "thin")


@pytest.mark.parametrize(
    ("counts", "told", "reason"),
    [
        ((60, 200, (40, 400)), {"has_final": False}, "no_final"),
        ((0, 0, (40, 400)), {}, "unseen"),
        ((0, 0, (40, 400)), {"waiting": 3}, "too_early"),
        ((0, 200, (0, 400)), {}, "no_conversions"),
        ((10, 20, (4, 400)), {}, "thin"),
        ((14, 20, (40, 400)), {}, "thin"),
        ((15, 150, (7, 100)), {}, "unclear"),
        ((60, 600, (2, 40)), {}, "unclear"),
    ],
)
def test_what_cannot_be_told_is_unknown(counts: Any, told: dict[str, Any], reason: str) -> None:
    assert judged(*counts, **told) == ("unknown", reason)


def test_the_plan_says_how_many_conversions_are_enough() -> None:
    assert judged(60, 200, (40, 400), enough=61) == ("unknown", "thin")
    assert judged(5, 20, (1, 400), enough=5) == ("keep", "lifts")


sides = st.integers(0, 400).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n)))


@given(sides, sides, st.integers(2, 200), st.sampled_from([None, 0.0, 0.5]), st.sampled_from([1.0, 15.0]))
@settings(max_examples=250, derandomize=True)
@example((15, 150), (7, 100), 100, None, 15.0)
@example((20, 40), (0, 400), 2, None, 15.0)
def test_more_of_the_same_evidence_never_undoes_a_verdict(
    with_it: tuple[int, int], without: tuple[int, int], times: int, gain: float | None, enough: float
) -> None:
    (converted, journeys), (k, n) = with_it, without
    told = {"marginal_gain": gain, "enough": enough}
    before, why = judged(converted, journeys, without, **told)
    after, _ = judged(converted * times, journeys * times, (k * times, n * times), **told)
    if before != "unknown":
        assert after != "unknown"
    if before == "keep":
        # But for what so few journeys had nothing to say of: that all of them have it.
        assert after == "keep" or journeys > 0.95 * (journeys + n)
    if why == "no_lift":
        assert after == "prune"
