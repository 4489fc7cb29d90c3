"""Tracking breaks, case by case: what is told, since when, and what history must be there first."""

from __future__ import annotations

import numpy as np
import pytest

from kizashi_collector.analysis._readiness import Break, HourCounts, breaks

HOUR = 3_600_000
# 2026-01-05, a Monday, 00:00 UTC.
NOW = 1_767_571_200_000
HOURS = 29 * 24


def usual(per_day: int, days: int = 29) -> HourCounts:
    """A row whose days are alike, spread evenly over their hours, for as many days up to now."""
    row = np.zeros((1, HOURS + 1), np.int32)
    spread = np.diff(np.arange(25) * per_day // 24)
    row[0, HOURS - days * 24 : HOURS] = np.tile(spread, days)
    return row


def found(row: HourCounts, now: int = NOW) -> Break:
    (one,) = breaks(row, now, ["mv_add_to_cart"])
    return one


@pytest.mark.parametrize("per_day", [2, 24, 240, 24_000])
def test_nothing_is_said_of_days_that_are_alike(per_day: int) -> None:
    assert breaks(usual(per_day), NOW, ["mv_add_to_cart"]) == []


def test_nothing_is_said_where_there_are_no_names() -> None:
    assert breaks(np.zeros((0, HOURS + 1), np.int32), NOW, []) == []


def test_nothing_is_said_of_an_event_that_never_came() -> None:
    assert breaks(np.zeros((1, HOURS + 1), np.int32), NOW, ["purchase"]) == []


def test_an_event_that_stopped_is_told_from_its_first_empty_hour_on() -> None:
    row = usual(240)
    row[0, -5:] = 0
    assert found(row) == Break(
        event="mv_add_to_cart",
        kind="stopped",
        seen=0,
        expected=40.0,
        since=NOW - 4 * HOUR,
        sentence=(
            "No mv_add_to_cart has come in since 2026-01-04 20:00 UTC (4 hours); about 40 were expected in it. "
            "Check that the page or the backend still sends it."
        ),
    )


@pytest.mark.parametrize(("seconds", "told"), [(30, False), (120, True)])
def test_a_busy_event_that_stopped_is_told_within_the_hour(seconds: int, told: bool) -> None:
    assert bool(breaks(usual(24_000), NOW + seconds * 1_000, ["mv_add_to_cart"])) is told


def test_one_event_in_the_hour_that_runs_ends_a_silence() -> None:
    row = usual(240)
    row[0, -5:] = 0
    row[0, -1] = 1
    assert breaks(row, NOW + HOUR // 2, ["mv_add_to_cart"]) == []


def test_a_night_is_no_silence_where_nights_were_empty() -> None:
    row = usual(0)
    for day in range(29):
        row[0, day * 24 + 8 : day * 24 + 16] = 100
    assert breaks(row, NOW, ["mv_add_to_cart"]) == []
    # At 09:00 of the next day the first hour that should have brought some has brought none.
    later = np.concatenate((row[:, 9:], np.zeros((1, 9), np.int32)), axis=1)
    assert found(later, NOW + 9 * HOUR).kind == "stopped"


def test_a_weekend_is_no_silence_where_weekends_were_empty() -> None:
    row = usual(240)
    # The last two days, and those a week before each.
    for week in range(0, 29, 7):
        row[0, max(HOURS - (week + 2) * 24, 0) : HOURS - week * 24] = 0
    assert breaks(row, NOW, ["mv_add_to_cart"]) == []
    later = np.concatenate((row[:, 3:], np.zeros((1, 3), np.int32)), axis=1)
    assert found(later, NOW + 3 * HOUR).kind == "stopped"


@pytest.mark.parametrize(("hours", "told"), [(80, False), (82, True)])
def test_a_silence_of_days_must_be_the_longest_yet(hours: int, told: bool) -> None:
    # An event each second hour: too few for the last 24 hours alone to tell.
    row = usual(12)
    row[0, HOURS - 300 : HOURS - 220] = 0
    row[0, HOURS - hours :] = 0
    assert bool(breaks(row, NOW, ["mv_add_to_cart"])) is told


def test_a_day_without_any_is_told_as_a_stop() -> None:
    row = usual(240)
    row[0, HOURS - 300 : HOURS - 260] = 0
    row[0, HOURS - 40 :] = 0
    one = found(row)
    assert (one.kind, one.since) == ("stopped", NOW - 40 * HOUR)


@pytest.mark.parametrize(("days", "told"), [(3, False), (10, True)])
def test_a_rare_event_that_stopped_is_told_after_days(days: int, told: bool) -> None:
    row = usual(3)
    row[0, HOURS - days * 24 :] = 0
    assert bool(breaks(row, NOW, ["purchase"])) is told


def test_a_stop_is_still_told_after_two_weeks() -> None:
    row = usual(240)
    row[0, HOURS - 14 * 24 :] = 0
    one = found(row)
    assert (one.kind, one.since, round(one.expected)) == ("stopped", NOW - 14 * 24 * HOUR, 14 * 240)


def test_a_fall_is_told_from_about_the_hour_in_which_it_began() -> None:
    row = usual(2_400)
    row[0, HOURS - 20 : HOURS] = 30
    one = found(row)
    assert (one.kind, one.seen, round(one.expected), one.since) == ("fell", 4 * 100 + 20 * 30, 2_400, NOW - 20 * HOUR)
    assert one.sentence == (
        "mv_add_to_cart fell: 1,000 in 24 hours where about 2,400 were expected, since about 2026-01-04 04:00 UTC. "
        "Check that every page and version of the shop still sends it."
    )


def test_a_jump_is_told_from_about_the_hour_in_which_it_began() -> None:
    row = usual(2_400)
    row[0, HOURS - 20 : HOURS] = 300
    one = found(row)
    assert (one.kind, one.seen, round(one.expected), one.since) == ("jumped", 6_400, 2_400, NOW - 20 * HOUR)
    assert "Check that it is not sent twice" in one.sentence


@pytest.mark.parametrize("per_hour", [60, 55, 160, 195])
def test_what_neither_halves_nor_doubles_is_not_told_however_sure_it_is(per_hour: int) -> None:
    row = usual(240_000)
    row[0, HOURS - 24 : HOURS] = per_hour * 100
    assert breaks(row, NOW, ["mv_add_to_cart"]) == []


def test_what_days_have_done_before_is_not_told() -> None:
    row = usual(2_400)
    fallen = row.copy()
    fallen[0, HOURS - 24 : HOURS] = 35
    assert found(fallen).kind == "fell"
    for day in range(1, 29, 3):
        fallen[0, HOURS - (day + 1) * 24 : HOURS - day * 24] = 35
    assert breaks(fallen, NOW, ["mv_add_to_cart"]) == []


@pytest.mark.parametrize("change", [0, 5, 300])
@pytest.mark.parametrize(("days", "told"), [(8, False), (9, True)])
def test_seven_whole_days_of_history_are_needed_besides_the_first(change: int, days: int, told: bool) -> None:
    row = usual(2_400, days)
    row[0, HOURS - 24 : HOURS] = change
    # Of nine days, one is the last, seven are known from beginning to end, and the first may not be.
    assert bool(breaks(row, NOW, ["mv_add_to_cart"])) is told


def test_fifty_events_are_needed() -> None:
    row = np.zeros((1, HOURS + 1), np.int32)
    row[0, 0 : HOURS - 24 : 14] = 1
    assert row.sum() == 48
    row[0, HOURS - 24 : HOURS] = 2
    assert breaks(row, NOW, ["purchase"]) == []
    row[0, 1:4] = 1
    assert found(row).kind == "jumped"


def test_each_break_is_told_of_its_own_event_in_the_order_of_the_rows() -> None:
    stopped, fine, jumped = usual(240), usual(240), usual(2_400)
    stopped[0, -5:] = 0
    jumped[0, HOURS - 24 : HOURS] = 300
    rows = np.concatenate((jumped, fine, stopped))
    told = breaks(rows, NOW, ["purchase", "mv_view", "mv_add_to_cart"])
    assert [(one.event, one.kind) for one in told] == [("purchase", "jumped"), ("mv_add_to_cart", "stopped")]


def test_among_many_events_each_must_be_surer() -> None:
    row = usual(240)
    # Of 240 a day 14 or 15 are expected in so long: below one in a million, and not one in ten millions.
    row[0, -2:] = 0
    instant = next(n for n in range(60) if breaks(row, NOW + n * 60_000, ["a"]))
    assert breaks(np.repeat(row, 20, axis=0), NOW + instant * 60_000, ["a"] * 20) != []
    assert breaks(np.repeat(row, 200, axis=0), NOW + instant * 60_000, ["a"] * 200) == []


def test_events_that_never_came_are_looked_at_too() -> None:
    # Whether they have a row of nothing or none at all, as the one store or the other counts them.
    row, names = usual(240), ["a", *(f"never_{number}" for number in range(199))]
    row[0, -2:] = 0
    nothing = np.zeros((199, HOURS + 1), np.int32)
    for instant in range(NOW, NOW + HOUR, 60_000):
        assert breaks(row, instant, names) == breaks(np.concatenate((row, nothing)), instant, names)


def test_rows_of_another_length_are_refused() -> None:
    with pytest.raises(ValueError, match="696 whole hours"):
        breaks(np.zeros((1, 24), np.int32), NOW, ["a"])
