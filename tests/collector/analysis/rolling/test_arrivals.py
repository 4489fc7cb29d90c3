"""`complete_until` kept current: the edges of a minute and of a day, what is taken back, and how much is held."""

from __future__ import annotations

import tracemalloc
from collections.abc import Sequence

import numpy as np
import pytest

from kizashi_collector.analysis import complete_until_of
from kizashi_collector.analysis._freshness import freshness_start
from kizashi_collector.analysis._rolling._arrivals import EXACT_LATENESSES, Arrivals
from kizashi_collector.analysis._table import Column

MINUTE, HOUR, DAY = 60_000, 3_600_000, 86_400_000
NOW = 20_000 * DAY + 12 * HOUR + 30_123
Receipts = Sequence[tuple[int, int]]


def columns(receipts: Receipts) -> tuple[Column, Column]:
    """(received_at, lateness) as the columns that are counted."""
    received_at, late = np.array(receipts, np.int64).reshape(-1, 2).T
    return received_at, received_at - late


def arrivals(receipts: Receipts) -> Arrivals:
    counted = Arrivals()
    counted.add(*columns(receipts))
    return counted


def plain(received_at: Column, time: Column, as_of: int) -> int | None:
    known = received_at <= as_of
    last = int(received_at[known].max()) if known.any() else None
    counting = known & (received_at > freshness_start(as_of))
    return complete_until_of(received_at[counting], time[counting], last_receipt=last, as_of=as_of)


def test_nothing_is_known_before_anything_was_received() -> None:
    counted = Arrivals()
    counted.add(*columns([]))
    assert counted.complete_until(NOW) is None


def test_the_day_begins_with_the_minute_in_which_it_begins() -> None:
    # 24 hours ago it was 30.123 s past the minute.
    begins = NOW - DAY - 30_123
    for received_at, until in ((begins, NOW - 5_000), (begins - 1, NOW)):
        counted = arrivals([(received_at, 5_000), (NOW, 0)])
        assert counted.complete_until(NOW) == until
        assert plain(*columns([(received_at, 5_000), (NOW, 0)]), NOW) == until


def test_a_minute_leaves_as_a_whole_when_the_day_has_left_it() -> None:
    begins = NOW - DAY - 30_123
    ends = begins + DAY + MINUTE - 1
    counted = arrivals([(begins, 4_000), (begins + 59_999, 5_000), (NOW, 0), (ends, 0)])
    assert counted.complete_until(ends) == ends - 5_000
    counted.add(*columns([(ends + 1, 0)]))
    assert counted.complete_until(ends + 1) == ends + 1


def test_after_a_day_of_silence_it_is_the_last_receipt() -> None:
    counted = arrivals([(NOW - 7, 90_000), (NOW, 70_000), (NOW - 3, 0)])
    assert counted.complete_until(NOW + 2 * DAY) == NOW
    assert counted.complete_until(NOW + 900 * DAY) == NOW


@pytest.mark.parametrize("late", [65_535, 65_536, 65_537, 80 * DAY])
def test_the_999th_of_a_thousand_latenesses_is_found_wherever_it_lies(late: int) -> None:
    receipts = [(NOW - n, 0) for n in range(998)] + [(NOW, late), (NOW, 90 * DAY)]
    assert arrivals(receipts).complete_until(NOW) == NOW - late


def test_an_event_ahead_of_its_time_is_not_late() -> None:
    assert arrivals([(NOW, -4_000)]).complete_until(NOW) == NOW


@pytest.mark.parametrize("gap", [1, 59_999, 60_000, 5 * HOUR])
def test_a_silence_is_measured_by_gaps_inside_minutes_and_between_them(gap: int) -> None:
    counted = arrivals([(NOW - gap, 0), (NOW, 0)])
    assert counted.complete_until(NOW + gap) == NOW + gap
    assert counted.complete_until(NOW + gap + 1) == NOW


def test_an_instant_in_the_midst_of_a_gap_divides_it() -> None:
    counted = arrivals([(NOW - 20, 0), (NOW, 0)])
    assert counted.complete_until(NOW + 15) == NOW + 15
    counted.add(*columns([(NOW - 10, 0)]))
    assert counted.complete_until(NOW + 15) == NOW


def test_a_receipt_of_hours_ago_counts_where_it_lies() -> None:
    # Four minutes are touched, so that those of before are packed and opened again.
    receipts = [(NOW - hours * HOUR, hours) for hours in (9, 7, 5, 3, 8, 7, 9, 1)]
    counted = Arrivals()
    for receipt in receipts:
        counted.add(*columns([receipt]))
    assert counted.complete_until(NOW) == plain(*columns(receipts), NOW) == NOW - 9


def test_a_receipt_of_before_is_the_last_one_only_where_none_is_later() -> None:
    counted = arrivals([(NOW, 0)])
    counted.add(*columns([(NOW - 3 * DAY, 50 * DAY)]))
    assert counted.complete_until(NOW) == NOW
    counted.add(*columns([(NOW - 2 * DAY, 0)]))
    assert counted.complete_until(NOW + 3 * DAY) == NOW
    counted.add(*columns([(NOW + HOUR, 0)]))
    assert counted.complete_until(NOW + 3 * DAY) == NOW + HOUR


def test_what_is_no_longer_kept_is_refused() -> None:
    counted = arrivals([(NOW, 0)])
    with pytest.raises(ValueError, match="before the newest receipt"):
        counted.complete_until(NOW - 1)
    start = freshness_start(NOW + MINUTE) + 1
    assert counted.complete_until(NOW + MINUTE) == NOW
    # Where two ask at nearly the same time, the earlier may be answered last.
    assert counted.complete_until(start + DAY) == NOW
    with pytest.raises(ValueError, match="no longer kept"):
        counted.complete_until(start + DAY - 1)


def test_what_is_taken_back_was_never_received() -> None:
    stays = [(NOW - 2 * HOUR, 300), (NOW - 40, 90_000), (NOW - 40, 70), (NOW - 9, 0)]
    goes = [(NOW - 2 * HOUR, 300), (NOW - 40, 90_000), (NOW - 30, 4 * DAY), (NOW - 40, 70), (NOW, 0)]
    counted = arrivals([*stays, *goes])
    assert counted.complete_until(NOW) == NOW - 4 * DAY
    counted.take_back(*columns(goes))
    for as_of in (NOW, NOW + 31, NOW + 32, NOW + 22 * HOUR, NOW + DAY, NOW + 3 * DAY):
        assert counted.complete_until(as_of) == plain(*columns(stays), as_of)


def test_an_instant_stays_as_long_as_another_event_came_at_it() -> None:
    counted = arrivals([(NOW - 20, 0), (NOW - 10, 0), (NOW - 10, 0), (NOW, 0)])
    counted.take_back(*columns([(NOW - 10, 0)]))
    assert counted.complete_until(NOW + 11) == NOW
    counted.take_back(*columns([(NOW - 10, 0)]))
    assert counted.complete_until(NOW + 11) == NOW + 11


def test_the_last_receipt_of_before_is_not_guessed_when_it_is_taken_back() -> None:
    counted = arrivals([(NOW - 1, 0), (NOW, 0)])
    assert counted.complete_until(NOW + 2 * DAY) == NOW
    counted.take_back(*columns([(NOW - 1, 0)]))
    assert counted.complete_until(NOW + 2 * DAY) == NOW
    counted.take_back(*columns([(NOW, 0)]))
    with pytest.raises(ValueError, match="the last receipt was taken back"):
        counted.complete_until(NOW + 2 * DAY)
    counted.add(*columns([(NOW, 0)]))
    assert counted.complete_until(NOW + 2 * DAY) == NOW
    counted.take_back(*columns([(NOW, 0)]))
    counted.add(*columns([(NOW + 2 * DAY, 5)]))
    assert counted.complete_until(NOW + 2 * DAY) == NOW + 2 * DAY - 5
    assert counted.complete_until(NOW + 9 * DAY) == NOW + 2 * DAY


@pytest.mark.parametrize("other", [(NOW, 8), (NOW - 1, 7), (NOW - HOUR, 7), (NOW, 70_000)])
def test_what_was_not_added_cannot_be_taken_back(other: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match="not added"):
        arrivals([(NOW, 7)]).take_back(*columns([other]))


def test_too_many_large_latenesses_are_rounded_up_and_leave_without_a_trace() -> None:
    counted = Arrivals()
    late = np.arange(0, 4 * EXACT_LATENESSES, 2) * 1_000 + 65_537
    shuffled = np.random.default_rng(5).permutation(late)
    instant = np.full(1_000, NOW)
    for at in range(0, len(late), 1_000):
        counted.add(instant, instant - shuffled[at : at + 1_000])
    exact = int(np.sort(late)[len(late) * 999 // 1000 - 1])
    until = counted.complete_until(NOW)
    assert until is not None
    assert exact <= NOW - until <= exact * 1.002
    for at in range(0, len(late), 1_000):
        counted.take_back(instant, instant - shuffled[at : at + 1_000])
    counted.add(*columns([(NOW, 123_457)]))
    assert counted.complete_until(NOW) == NOW - 123_457


def test_two_days_of_a_busy_site_and_a_quiet_one_are_counted_as_plainly() -> None:
    random = np.random.default_rng(7)
    minutes = np.repeat(np.arange(2 * 1440), random.choice([0, 1, 3, 200], 2 * 1440, p=[0.2, 0.3, 0.3, 0.2]))
    received_at = np.sort(NOW - 2 * DAY + minutes * MINUTE + random.integers(0, MINUTE, len(minutes)))
    late = np.where(random.random(len(minutes)) < 0.003, random.integers(0, DAY, len(minutes)), 0)
    time = received_at - late - random.integers(-5, 5_000, len(minutes))
    counted = Arrivals()
    at = 0
    while at < len(received_at):
        end = min(len(received_at), at + int(random.choice([1, 64, 3_000])))
        counted.add(received_at[at:end], time[at:end])
        as_of = int(received_at[at:end].max()) + int(random.integers(0, 100))
        assert counted.complete_until(as_of) == plain(received_at[:end], time[:end], as_of)
        at = end


def test_a_busy_minute_is_held_in_few_bytes() -> None:
    # 5,000 events a second in requests of 64, up to 10 s late.
    random = np.random.default_rng(11)
    counted = Arrivals()
    held: list[int] = []
    tracemalloc.start()
    try:
        for minute in range(6):
            received_at = NOW + minute * MINUTE + np.sort(random.integers(0, 29_000, 4_688)).repeat(64)
            for part in np.split(received_at, 8):
                counted.add(part, part - random.integers(0, 10_000, len(part)))
            del received_at, part
            held.append(tracemalloc.get_traced_memory()[0])
    finally:
        tracemalloc.stop()
    assert held[0] < 4_000_000
    assert (held[-1] - held[2]) / 3 < 25_000
