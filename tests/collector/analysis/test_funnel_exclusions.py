"""The rules of docs/funnels.md, sentence by sentence: exclusions."""

from __future__ import annotations

from typing import Any

import pytest

from kizashi_schemas import Exclusion, FunnelError, Step
from oracle.timelines import ask, counts, span, timeline

X = [Exclusion(event="x", from_=0, to=1)]


@pytest.mark.parametrize(
    ("seconds", "left"),
    [(0.999, True), (1, True), (1.001, False), (4.999, False), (5, True), (5.001, True)],
)
def test_an_exclusion_falls_after_its_from_and_before_its_to(seconds: float, left: bool) -> None:
    # At 1 and at 5 step and exclusion share an instant, and the step wins.
    log = timeline(f"a@1 b@5 x@{seconds}")
    assert counts(ask(log, "a b", exclude=X)) == ([1, 1] if left else [0, 0])


@pytest.mark.parametrize(("seconds", "left"), [(5, False), (10, False), (10.001, True)])
def test_where_to_is_not_reached_it_falls_within_the_conversion_window(seconds: float, left: bool) -> None:
    log = timeline(f"a@0 x@{seconds}")
    assert counts(ask(log, "a b", exclude=X, conversion_window="10s")) == ([1, 0] if left else [0, 0])


def test_where_from_is_not_reached_nothing_is_excluded() -> None:
    log = timeline("a@0 x@1")
    assert counts(ask(log, "a b c", exclude=[Exclusion(event="x", from_=1, to=2)])) == [1, 0, 0]


def test_an_exclusion_after_as_of_is_not_known() -> None:
    log = timeline("a@0 x@5")
    assert counts(ask(log, "a b", exclude=X, interval=span(-1, 4.999))) == [1, 0]
    assert counts(ask(log, "a b", exclude=X, interval=span(-1, 5))) == [0, 0]


def test_to_left_out_is_the_last_step() -> None:
    log = timeline("a@0 b@1 x@2 c@3")
    assert counts(ask(log, "a b c", exclude=[Exclusion(event="x")])) == [0, 0, 0]
    assert counts(ask(log, "a b c", exclude=X)) == [1, 1, 1]


def test_a_skipped_optional_step_is_reached_with_the_step_after_it() -> None:
    log = timeline("a@0 c@5 x@6")
    assert counts(ask(log, "a b c", optional=[1], exclude=X)) == [1, 0, 1]
    log = timeline("a@0 x@4 c@5")
    assert counts(ask(log, "a b c", optional=[1], exclude=X)) == [0, 0, 0]


def test_an_exclusion_may_have_conditions() -> None:
    bad = [Exclusion(event="x", where={"properties.code": [500, 502]}, to=1)]
    assert counts(ask(timeline("a@0 x@1[p.code=502] b@2"), "a b", exclude=bad)) == [0, 0]
    assert counts(ask(timeline("a@0 x@1[p.code=404] b@2"), "a b", exclude=bad)) == [1, 1]


def test_actor_the_result_is_the_deepest_step_of_any_attempt_tainted_or_not() -> None:
    # The tainted attempt got to b, the clean one only to a.
    log = timeline("a@0 x@1 b@2 a@100")
    assert counts(ask(log, "a b", exclude=X, conversion_window="10s")) == [0, 0]


def test_actor_stays_where_an_untainted_attempt_reaches_that_depth() -> None:
    log = timeline("a@0 x@1 b@2 a@100 b@104")
    figures = ask(log, "a b", exclude=X, conversion_window="10s")
    assert counts(figures) == [1, 1]
    assert figures.steps[1].mean_ms == 4000


def test_attempt_tainted_attempts_do_not_exist() -> None:
    log = timeline("a@0 x@1 b@2 a@100")
    assert counts(ask(log, "a b", exclude=X, exclusion="attempt", conversion_window="10s")) == [1, 0]
    assert counts(ask(log[:3], "a b", exclude=X, exclusion="attempt")) == [0, 0]


@pytest.mark.parametrize(("order", "stays"), [("ordered", [0, 0]), ("strict", [0, 0]), ("unordered", [1, 0])])
def test_actor_is_the_default_but_for_unordered(order: str, stays: list[int]) -> None:
    log = timeline("a@0 x@1 b@2")
    assert counts(ask(log, "a b", order=order, exclude=X)) == stays


def test_unordered_step_numbers_of_exclusions_mean_the_kth_step_taken() -> None:
    rule = [Exclusion(event="x", from_=1, to=2)]
    assert counts(ask(timeline("c@0 x@1 b@2 a@4"), "a b c", order="unordered", exclude=rule)) == [1, 1, 1]
    # The attempt from c is tainted; the one from b takes two steps, and x came before the second of them.
    assert counts(ask(timeline("c@0 b@2 x@3 a@4"), "a b c", order="unordered", exclude=rule)) == [1, 1, 0]


def test_attempts_counts_no_tainted_ones_though_they_block_until_they_expire() -> None:
    log = timeline("a@0 x@1 a@5 b@6 a@20 b@21")
    assert counts(ask(log, "a b", count="attempts", exclude=X, conversion_window="10s")) == [1, 1]
    # The attempt of 0 is tainted and open until 10, so that the a at 5 begins none.
    assert counts(ask(log[:3], "a b", count="attempts", exclude=X, conversion_window="10s")) == [0, 0]
    late = timeline("a@0 x@1 a@10.001")
    assert counts(ask(late, "a b", count="attempts", exclude=X, conversion_window="10s")) == [1, 0]


def test_a_repeated_step_may_be_excluded() -> None:
    again = [Exclusion(event="a", to=1)]
    figures = ask(timeline("a@0 a@1 b@2"), "a b", exclude=again)
    assert counts(figures) == [1, 1]
    assert figures.steps[1].mean_ms == 1000
    assert counts(ask(timeline("a@0 a@1 b@2"), "a b", exclude=again, entry="first")) == [0, 0]


@pytest.mark.parametrize("span_of_steps", [(1, 1), (1, 0), (0, 3), (-1, 1), (2, 2), (2, None)])
def test_an_impossible_range_is_refused(span_of_steps: tuple[int, int | None]) -> None:
    begin, end = span_of_steps
    with pytest.raises(FunnelError, match=r"exclude\[0\]"):
        ask([], "a b c", exclude=[Exclusion(event="x", from_=begin, to=end)])


@pytest.mark.parametrize(
    ("rules", "named"),
    [
        ({"optional": [0]}, "optional"),
        ({"optional": [2]}, "optional"),
        ({"optional": [1], "order": "unordered"}, "optional"),
        ({"conversion_window": "14 days"}, "conversion_window"),
    ],
)
def test_an_impossible_funnel_is_refused(rules: dict[str, Any], named: str) -> None:
    with pytest.raises(FunnelError, match=named):
        ask([], "a b c", **rules)


def test_a_condition_names_source_or_properties() -> None:
    with pytest.raises(FunnelError, match=r"steps\[0\]\.where"):
        ask([], [Step(event="a", where={"sku": "A-1"})])
