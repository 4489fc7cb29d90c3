"""The figures of a funnel: rates, seconds, money, trend and histogram."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest

from kizashi_collector.analysis import LoggedEvent
from kizashi_schemas import MAX_MICROS, Histogram
from kizashi_schemas.plan import load_plan
from oracle.timelines import DAY, START_MS, ask, counts, span, timeline

PLAN = load_plan(
    """
    currency = "JPY"
    [events.mv_cart]
    action = "secondary"
    value = 300
    [events.purchase]
    final = true
    action = "primary"
    value = "event"
    """
)


def pairs(*seconds: float) -> list[LoggedEvent]:
    """Actors who took b so many seconds after a."""
    return [event for n, gap in enumerate(seconds) for event in timeline(f"a@0 b@{gap}", actor=f"i{n}-")]


# rates and seconds


def test_rate_is_of_the_first_step_and_step_rate_of_the_step_before() -> None:
    log = [*timeline("a@0"), *timeline("a@0", "j"), *timeline("a@0 b@1", "k"), *timeline("a@0 b@1 c@2", "l")]
    steps = ask(log, "a b c").steps
    assert [step.rate for step in steps] == [1.0, 0.5, 0.25]
    assert [step.step_rate for step in steps] == [None, 0.5, 0.5]


def test_step_rate_and_seconds_are_of_the_last_step_before_that_is_not_optional() -> None:
    log = [*timeline("a@0 b@1 c@5"), *timeline("a@0 c@7", "j")]
    steps = ask(log, "a b c", optional=[1]).steps
    assert [step.step_rate for step in steps] == [None, 0.5, 1.0]
    assert [step.mean_ms for step in steps] == [None, 1000, 6000]


def test_where_the_denominator_is_zero_a_rate_is_null() -> None:
    steps = ask([], "a b c").steps
    assert [(step.count, step.rate, step.step_rate) for step in steps] == [(0, None, None)] * 3
    steps = ask(timeline("a@0"), "a b c").steps
    assert [(step.count, step.rate, step.step_rate) for step in steps] == [
        (1, 1.0, None),
        (0, 0.0, 0.0),
        (0, 0.0, None),
    ]


def test_where_nobody_took_both_steps_seconds_are_null() -> None:
    step = ask(timeline("a@0"), "a b").steps[1]
    assert (step.mean_ms, step.median_ms, step.p90_ms) == (None, None, None)


@pytest.mark.parametrize(
    ("seconds", "mean", "median", "p90"),
    [
        ([4], 4000, 4000, 4000),
        ([1, 2], 1500, 1500, 2000),
        ([1, 2, 6], 3000, 2000, 6000),
        ([1, 2, 3, 4, 5, 6, 7, 8, 9, 10], 5500, 5500, 9000),
        ([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11], 6000, 6000, 10000),
        ([10, 9, 8, 7, 6, 5, 4, 3, 2, 1], 5500, 5500, 9000),
        ([0.001, 0.002], 1.5, 1.5, 2),
    ],
)
def test_p90_is_by_nearest_rank(seconds: list[float], mean: float, median: float, p90: int) -> None:
    step = ask(pairs(*seconds), "a b").steps[1]
    assert (step.mean_ms, step.median_ms, step.p90_ms) == (mean, median, p90)


# money


def test_value_sums_what_the_events_that_took_the_step_in_winning_attempts_are_worth() -> None:
    cart = timeline("mv_cart@0 mv_cart@1")
    sale = timeline("x@0 x@0 purchase@2 purchase@3", value=5_000_000, currency="JPY")[2:]
    steps = ask([*cart, *sale], "mv_cart purchase", plan=PLAN).steps
    assert [(step.declared, step.final) for step in steps] == [(300_000_000, 0), (5_000_000, 5_000_000)]


def test_value_is_net_of_the_adjustments_known_at_as_of() -> None:
    sale = timeline("purchase@0", value=5_000_000, currency="JPY", order="o")
    back = timeline("x@0 purchase@10", value=2_000_000, currency="JPY", order="o", adjust="restate")[1:]
    assert ask([*sale, *back], "purchase", plan=PLAN, interval=span(-1, 9.999)).steps[0].final == 5_000_000
    assert ask([*sale, *back], "purchase", plan=PLAN, interval=span(-1, 10)).steps[0].final == 2_000_000
    assert counts(ask([*sale, *back], "purchase", plan=PLAN)) == [1]


def test_without_a_plan_money_is_null_even_where_nobody_took_the_step() -> None:
    steps = ask(timeline("a@0"), "a b").steps
    assert [(step.declared, step.final) for step in steps] == [(None, None)] * 2


def test_money_at_the_bound_sums_exactly() -> None:
    log = [
        event
        for n in range(2_000)
        for event in timeline("purchase@0", actor=f"i{n}-", value=MAX_MICROS - n, currency="JPY")
    ]
    expected = 2_000 * 10**16 - 1_999 * 1_000
    assert expected > 2**63
    assert ask(log, "purchase", plan=PLAN).steps[0].final == expected


# trend


def days(log: list[LoggedEvent], steps: str = "a b", **rules: Any) -> list[tuple[str, int, int, float | None]]:
    trend = ask(log, steps, trend=True, **rules).trend
    assert trend is not None
    return [(day.day.isoformat(), day.entered, day.completed, day.rate) for day in trend]


def test_trend_is_absent_where_it_was_not_asked_for() -> None:
    assert ask([], "a b").trend is None


def test_trend_buckets_by_the_day_of_entry() -> None:
    # Second 0 is 14:13:20 in UTC; the second entry is on the next day, its completion a day later.
    log = [*timeline("a@0 b@1"), *timeline(f"a@{DAY} b@{2 * DAY}", "j"), *timeline(f"a@{DAY}", "k")]
    assert days(log, interval=span(-1, 2 * DAY)) == [
        ("2026-09-21", 1, 1, 1.0),
        ("2026-09-22", 2, 1, 0.5),
        ("2026-09-23", 0, 0, None),
    ]


def test_trend_days_are_those_of_the_plans_zone() -> None:
    # 14:59:59.999 and 15:00 in UTC are either side of midnight in Tokyo.
    log = [*timeline("a@2799.999"), *timeline("a@2800", "j")]
    assert days(log, zone="Asia/Tokyo", interval=span(0, 2800)) == [
        ("2026-09-21", 1, 0, 0.0),
        ("2026-09-22", 1, 0, 0.0),
    ]
    assert days(log, zone="UTC", interval=span(0, 2800)) == [("2026-09-21", 2, 0, 0.0)]


def test_trend_lists_from_the_day_after_the_excluded_start_to_the_day_of_the_end() -> None:
    midnight = 2800  # in Tokyo
    listed = [day for day, *_ in days([], zone="Asia/Tokyo", interval=span(midnight - 0.001, midnight + DAY - 0.001))]
    assert listed == ["2026-09-22"]
    listed = [day for day, *_ in days([], zone="Asia/Tokyo", interval=span(midnight - 0.002, midnight + DAY))]
    assert listed == ["2026-09-21", "2026-09-22", "2026-09-23"]


def test_a_day_of_twenty_five_hours_is_one_day() -> None:
    # New York leaves daylight saving time on 2026-11-01: that day begins at 04:00Z and ends at 05:00Z.
    begin = (1_793_505_600_000 - START_MS) / 1000
    log = [event for hour in range(-1, 26) for event in timeline(f"a@{begin + hour * 3600}", f"i{hour}-")]
    assert days(log, "a", zone="America/New_York", interval=span(begin - 7200, begin + 90_000)) == [
        ("2026-10-31", 1, 1, 1.0),
        ("2026-11-01", 25, 25, 1.0),
        ("2026-11-02", 1, 1, 1.0),
    ]


def test_an_actor_counts_once_a_day_with_the_deepest_attempt_begun_that_day() -> None:
    log = timeline(f"a@0 a@10 b@11 a@40 a@{DAY} a@{DAY + 40}")
    assert days(log, conversion_window="20s", interval=span(-1, DAY + 60)) == [
        ("2026-09-21", 1, 1, 1.0),
        ("2026-09-22", 1, 0, 0.0),
    ]


def test_with_count_attempts_every_attempt_counts_on_its_day() -> None:
    log = timeline("a@0 b@1 a@2 b@3 a@4")
    assert days(log, count="attempts", interval=span(-1, 60)) == [("2026-09-21", 3, 2, 2 / 3)]


def test_trend_days_are_dates() -> None:
    trend = ask([], "a b", trend=True, interval=span(-1, 0)).trend
    assert trend is not None
    assert [day.day for day in trend] == [date(2026, 9, 21)]


# histogram


def test_histogram_has_bins_of_equal_width_and_one_more_that_begins_at_the_greatest() -> None:
    # Bins of 10 s from 10 s: [10, 20), [20, 30), [30, 40), and 40 itself.
    log = pairs(10, 19.999, 20, 39.999, 40, 40)
    histogram = ask(log, "a b", histogram=Histogram(bins=3)).histogram
    assert histogram == [(10_000, 2), (20_000, 1), (30_000, 1), (40_000, 2)]


def test_histogram_measures_between_the_two_steps_for_those_who_took_both() -> None:
    log = [*timeline("a@0 b@3 c@10"), *timeline("a@0 b@5", "j"), *timeline("a@0 b@1 c@2", "k")]
    histogram = ask(log, "a b c", histogram=Histogram(from_=1, to=2, bins=2)).histogram
    assert histogram == [(1000, 1), (4000, 0), (7000, 1)]


def test_histogram_leaves_out_who_skipped_an_optional_edge() -> None:
    log = [*timeline("a@0 b@3 c@10"), *timeline("a@0 c@1", "j")]
    assert ask(log, "a b c", optional=[1], histogram=Histogram(from_=0, to=1)).histogram == [(3000, 1)]


def test_histogram_of_one_distinct_time_is_one_bin_and_of_none_is_empty() -> None:
    assert ask(pairs(7, 7), "a b", histogram=Histogram()).histogram == [(7000, 2)]
    assert ask([], "a b", histogram=Histogram()).histogram == []
    assert ask([], "a b").histogram is None
