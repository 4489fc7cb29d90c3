"""The rules of docs/funnels.md, sentence by sentence: which events take which steps, and which attempt counts."""

from __future__ import annotations

import pytest

from kizashi_schemas import Step
from oracle.timelines import DAY, ask, counts, span, timeline


def test_a_step_is_taken_at_or_after_the_step_before_it() -> None:
    assert counts(ask(timeline("b@0 a@1"), "a b")) == [1, 0]
    assert counts(ask(timeline("a@1 b@1"), "a b")) == [1, 1]
    assert counts(ask(timeline("a@1 b@1.001"), "a b")) == [1, 1]


@pytest.mark.parametrize(("seconds", "taken"), [(9.999, 1), (10, 1), (10.001, 0)])
def test_a_step_at_exactly_start_plus_window_counts(seconds: float, taken: int) -> None:
    log = timeline(f"a@0 b@{seconds}")
    assert counts(ask(log, "a b", conversion_window="10s")) == [1, taken]


def test_the_window_runs_from_the_first_step_not_from_the_step_before() -> None:
    assert counts(ask(timeline("a@0 b@6 c@12"), "a b c", conversion_window="10s")) == [1, 1, 0]


def test_the_window_is_fourteen_days_by_default() -> None:
    assert counts(ask(timeline(f"a@0 b@{14 * DAY}"), "a b")) == [1, 1]
    assert counts(ask(timeline(f"a@0 b@{14 * DAY + 0.001}"), "a b")) == [1, 0]


@pytest.mark.parametrize("log", ["c@5 b@5 a@5", "a@5 c@5 b@5", "b@5 a@5 c@5"])
def test_events_of_one_instant_are_taken_in_whatever_order_advances_furthest(log: str) -> None:
    assert counts(ask(timeline(log), "a b c")) == [1, 1, 1]


def test_events_of_one_instant_are_taken_each_once() -> None:
    assert counts(ask(timeline("a@5"), "a a")) == [1, 0]
    assert counts(ask(timeline("a@5 a@5"), "a a")) == [1, 1]
    assert counts(ask(timeline("a@5 a@5"), "a a a")) == [1, 1, 0]


def test_of_one_instant_the_smaller_id_takes_the_step() -> None:
    log = timeline("a@0 b@1[campaign=left] b@1[campaign=right]")
    figures = ask(log[::-1], "a b", by=("campaign",))
    assert figures.groups is not None
    assert [group.key for group in figures.groups] == [("left",)]


def test_one_event_fills_one_step_of_an_attempt() -> None:
    assert counts(ask(timeline("a@0 b@1"), "a b b")) == [1, 1, 0]


def test_an_event_fills_the_furthest_open_step_that_it_fits() -> None:
    log = timeline("a@0 b@1")
    figures = ask(log, "a * b", optional=[1])
    assert counts(figures) == [1, 0, 1]


def test_an_event_may_also_begin_an_attempt_of_its_own() -> None:
    # The second a is step 1 of the first attempt, and begins the one that reaches step 2 within the window.
    assert counts(ask(timeline("a@0 a@5 a@9 a@12"), "a a a", conversion_window="10s")) == [1, 1, 1]
    assert counts(ask(timeline("a@0 a@9 a@12"), "a a", conversion_window="5s")) == [1, 1]


def test_only_the_first_step_must_lie_in_the_interval() -> None:
    log = timeline("a@0 b@5")
    assert counts(ask(log, "a b", interval=span(-1, 2, as_of=9))) == [1, 1]
    assert counts(ask(log, "a b", interval=span(2, 9))) == [0, 0]


@pytest.mark.parametrize(("start", "end", "entered"), [(10, 20, 0), (9.999, 20, 1), (0, 10, 1), (0, 9.999, 0)])
def test_the_interval_leaves_its_start_out_and_takes_its_end_in(start: float, end: float, entered: int) -> None:
    assert counts(ask(timeline("a@10"), "a", interval=span(start, end))) == [entered]


@pytest.mark.parametrize(("as_of", "taken"), [(5, 1), (4.999, 0)])
def test_later_steps_count_up_to_as_of(as_of: float, taken: int) -> None:
    assert counts(ask(timeline("a@0 b@5"), "a b", interval=span(-1, 2, as_of=as_of))) == [1, taken]


def test_a_step_star_is_any_event() -> None:
    assert counts(ask(timeline("whatever@0 b@1"), "* b")) == [1, 1]


# order


def test_ordered_other_events_may_come_in_between() -> None:
    assert counts(ask(timeline("a@0 x@1 b@2"), "a b")) == [1, 1]


def test_strict_no_other_event_of_that_actor_comes_in_between() -> None:
    assert counts(ask(timeline("a@0 x@1 b@2"), "a b", order="strict")) == [1, 0]
    assert counts(ask([*timeline("a@0 b@2"), *timeline("x@1", actor="j")], "a b", order="strict")) == [1, 1]


def test_strict_a_repeated_first_step_comes_in_between_and_begins_anew() -> None:
    assert counts(ask(timeline("a@0 a@1 b@2"), "a b", order="strict")) == [1, 1]
    assert counts(ask(timeline("a@0 a@1 b@2 c@3"), "a b c", order="strict", entry="first")) == [1, 1, 1]


def test_strict_what_shares_the_first_instant_came_before() -> None:
    assert counts(ask(timeline("x@0 a@0 b@1"), "a b", order="strict")) == [1, 1]


def test_strict_what_shares_a_later_instant_comes_in_between_unless_the_attempt_is_complete() -> None:
    assert counts(ask(timeline("a@0 b@1 x@1 c@2"), "a b c", order="strict")) == [1, 1, 0]
    assert counts(ask(timeline("a@0 b@1 x@1"), "a b", order="strict")) == [1, 1]


def test_unordered_all_steps_within_the_window_in_any_order() -> None:
    assert counts(ask(timeline("c@0 a@1 b@2"), "a b c", order="unordered")) == [1, 1, 1]
    assert counts(ask(timeline("c@0 a@1 b@11"), "a b c", order="unordered", conversion_window="10s")) == [1, 1, 0]


def test_unordered_step_k_counts_actors_with_any_k_plus_one_of_the_steps() -> None:
    log = [*timeline("c@0"), *timeline("b@0 a@3", actor="j")]
    figures = ask(log, "a b c", order="unordered")
    assert counts(figures) == [2, 1, 0]
    assert figures.steps[1].mean_ms == 3000


def test_unordered_an_event_fills_the_furthest_step_that_it_fits() -> None:
    # The first b takes step b and not "*", which leaves "*" to c; were it "*", c would fit nothing.
    assert counts(ask(timeline("b@0 c@1"), "* b", order="unordered")) == [1, 1]
    marked = Step(event="*", where={"properties.k": 1})
    later = timeline("a@0 b@1[p.k=1] c@2[p.k=1]")
    assert counts(ask(later, ["a", marked, "b"], order="unordered")) == [1, 1, 1]


def test_unordered_a_repeated_event_takes_no_second_step() -> None:
    assert counts(ask(timeline("a@0 a@1 a@2"), "a b", order="unordered")) == [1, 0]


# the result


def test_the_result_is_the_deepest_step_of_any_attempt() -> None:
    log = timeline("a@0 b@1 a@100 b@101 c@102 a@200")
    assert counts(ask(log, "a b c", conversion_window="10s")) == [1, 1, 1]


def test_times_are_those_of_the_attempt_that_reached_that_depth_first() -> None:
    figures = ask(timeline("a@0 b@7 a@100 b@101"), "a b", conversion_window="10s")
    assert figures.steps[1].mean_ms == 7000


def test_where_one_event_brings_several_attempts_there_the_one_that_began_last_counts() -> None:
    figures = ask(timeline("a@0 a@4 b@7"), "a b")
    assert figures.steps[1].mean_ms == 3000


def test_of_attempts_that_began_and_arrived_together_the_smaller_id_counts() -> None:
    log = timeline("a@0[campaign=left] a@0[campaign=right] b@7")
    figures = ask(log[::-1], "a b", by=("campaign",))
    assert figures.groups is not None
    assert [(group.key, counts(group.steps)) for group in figures.groups] == [(("left",), [1, 1])]


# entry


def test_latest_lets_a_newer_first_step_start_a_new_attempt_within_the_window() -> None:
    log = timeline("a@0 a@5 b@12")
    assert counts(ask(log, "a b", conversion_window="10s")) == [1, 1]


def test_first_starts_none_until_the_last_has_expired() -> None:
    log = timeline("a@0 a@5 b@12")
    assert counts(ask(log, "a b", conversion_window="10s", entry="first")) == [1, 0]


@pytest.mark.parametrize(("again", "taken"), [(10, 0), (10.001, 1)])
def test_an_attempt_has_expired_when_an_event_lies_beyond_its_window(again: float, taken: int) -> None:
    log = timeline(f"a@0 a@{again} b@15")
    assert counts(ask(log, "a b", conversion_window="10s", entry="first")) == [1, taken]


def test_first_starts_anew_after_completion() -> None:
    log = timeline("a@0 b@1 a@2 b@3")
    assert counts(ask(log, "a b", count="attempts")) == [2, 2]


def test_first_starts_anew_after_a_break() -> None:
    log = timeline("a@0 x@1 a@2 b@3")
    assert counts(ask(log, "a b", order="strict", count="attempts")) == [2, 1]
    assert counts(ask(log, "a b", order="ordered", count="attempts")) == [1, 1]


def test_the_event_that_completes_an_attempt_may_begin_the_next() -> None:
    # 0 and 1, 1 and 2, and one that has only begun.
    assert counts(ask(timeline("a@0 a@1 a@2"), "a a", count="attempts")) == [3, 2]


def test_the_event_that_breaks_an_attempt_may_begin_the_next() -> None:
    assert counts(ask(timeline("a@0 a@1 b@2"), "a b", order="strict", count="attempts")) == [2, 1]


def test_an_event_begins_at_most_one_attempt() -> None:
    assert counts(ask(timeline("a@0 a@0 a@1"), "a", count="attempts")) == [3]


def test_an_event_that_completed_an_attempt_takes_no_step_of_another_at_its_instant() -> None:
    # b completes the attempt of the first a; the second a finds no b left.
    assert counts(ask(timeline("a@0 b@0 a@0"), "a b", count="attempts")) == [2, 1]
    # At second 1 the first b completes the attempt of second 0 and begins one, which the second b completes. c begins
    # a third, and the two b's are used up.
    crowd = timeline("b@0[p.k=1] b@1[p.k=1] b@1 c@1[p.k=1]")
    steps = [Step(event="*", where={"properties.k": 1}), "*"]
    assert counts(ask(crowd, steps, count="attempts")) == [3, 2]


def test_of_several_that_could_begin_the_one_that_advances_furthest_does() -> None:
    first = Step(event="*", where={"properties.k": 1})
    log = timeline("b@0[p.k=1] a@0[p.k=1] c@1")
    assert counts(ask(log, [first, "b", "c"], count="attempts")) == [1, 1, 1]


def test_first_separates_over_the_whole_log_and_keeps_what_began_in_the_interval() -> None:
    # The a at 5 belongs to the attempt of the one at 0, which began before the interval.
    log = timeline("a@0 a@5 b@12")
    assert counts(ask(log, "a b", conversion_window="1m", entry="first", interval=span(1, 20))) == [0, 0]
    assert counts(ask(log, "a b", conversion_window="1m", entry="latest", interval=span(1, 20))) == [1, 1]


# optional


def test_optional_steps_never_block() -> None:
    assert counts(ask(timeline("a@0 c@1"), "a b c", optional=[1])) == [1, 0, 1]
    assert counts(ask(timeline("a@0 d@1"), "a b c d", optional=[1, 2])) == [1, 0, 0, 1]
    assert counts(ask(timeline("a@0 d@1"), "a b c d", optional=[1])) == [1, 0, 0, 0]


def test_optional_steps_count_those_who_took_them() -> None:
    log = [*timeline("a@0 b@1 c@2"), *timeline("a@0 c@1", actor="j"), *timeline("a@0 b@1", actor="k")]
    assert counts(ask(log, "a b c", optional=[1])) == [3, 2, 2]


def test_a_passed_optional_step_is_closed() -> None:
    assert counts(ask(timeline("a@0 c@1 b@2 d@3"), "a b c d", optional=[1])) == [1, 0, 1, 1]


def test_of_one_instant_optional_steps_are_taken_too_where_that_costs_no_depth() -> None:
    assert counts(ask(timeline("c@0 b@0 a@0"), "a b c", optional=[1])) == [1, 1, 1]


def test_a_deeper_step_is_worth_more_than_a_taken_optional_one() -> None:
    # At second 1, in the order b, c the attempt takes two steps and stands at c; in the order d, … it stands at d.
    first, deep = Step(event="b", where={"properties.early": True}), Step(event="*", where={"properties.deep": True})
    log = timeline("a@0 b@1[p.early=true] d@1[p.deep=true] e@2")
    assert counts(ask(log, ["a", first, "c", deep, "e"], optional=[1, 2])) == [1, 1, 0, 1, 1]
    both = timeline("a@0 b@1[p.deep=true,p.early=true] e@2")
    assert counts(ask(both, ["a", first, "c", deep, "e"], optional=[1, 2])) == [1, 0, 0, 1, 1]


# count


def test_actors_counts_an_actor_once() -> None:
    assert counts(ask(timeline("a@0 b@1 a@2 b@3"), "a b")) == [1, 1]


def test_attempts_are_separated_as_by_entry_first_whatever_entry_says() -> None:
    log = timeline("a@0 a@1 b@2 a@3")
    assert counts(ask(log, "a b", count="attempts", entry="latest")) == [2, 1]
    assert counts(ask(log, "a b", count="attempts", entry="first")) == [2, 1]


def test_adjustments_take_no_step() -> None:
    log = [*timeline("a@0"), *timeline("b@1", actor="r", adjust="restate", order="o")]
    assert counts(ask(log, "a b")) == [1, 0]
    assert counts(ask(log, "*")) == [1]
