"""`complete_until`: as_of − the 99.9th percentile of lateness, and not beyond a silence that is too long."""

from __future__ import annotations

import pytest

from kizashi_collector.analysis import complete_until, nearest_rank
from kizashi_collector.analysis._freshness import freshness_start


def test_nothing_is_known_before_anything_was_received() -> None:
    assert complete_until([], last_receipt=None, as_of=1_000) is None


def test_with_no_receipts_today_it_is_the_last_receipt() -> None:
    assert complete_until([], last_receipt=400, as_of=1_000) == 400


def test_it_lies_before_as_of_by_the_percentile_of_lateness() -> None:
    # 1,000 receipts, one each 10 ms: 999 of them 50 ms late and one 5,000 ms.
    receipts = [(n * 10, n * 10 - (5_000 if n == 500 else 50)) for n in range(1_000)]
    assert complete_until(receipts, last_receipt=9_990, as_of=9_995) == 9_945


def test_a_second_late_event_in_a_thousand_counts() -> None:
    receipts = [(n * 10, n * 10 - (5_000 if n in {500, 600} else 50)) for n in range(1_000)]
    assert complete_until(receipts, last_receipt=9_990, as_of=9_995) == 4_995


@pytest.mark.parametrize(("silence", "until"), [(10, 10_000), (11, 9_990)])
def test_a_silence_longer_than_the_gaps_were_holds_it_at_the_last_receipt(silence: int, until: int) -> None:
    receipts = [(n * 10, n * 10) for n in range(1_000)]
    assert complete_until(receipts, last_receipt=9_990, as_of=9_990 + silence) == until


def test_one_long_gap_in_a_thousand_excuses_no_silence() -> None:
    # 1,000 gaps, one of them a minute: its length is not what 99.9 of 100 gaps were.
    times = [n * 10 for n in range(500)] + [60_000 + n * 10 for n in range(501)]
    receipts = [(time, time) for time in times]
    last = times[-1]
    assert complete_until(receipts, last_receipt=last, as_of=last + 11) == last
    # Of 999 gaps the 99.9th percentile is the longest.
    assert complete_until(receipts[1:], last_receipt=last, as_of=last + 11) == last + 11


def test_what_came_in_one_request_is_one_receipt() -> None:
    # Were the 3,000 events of one request receipts of their own, nearly all gaps would be 0.
    receipts = [(0, 0), *[(100, 100)] * 3_000, (200, 200)]
    assert complete_until(receipts, last_receipt=200, as_of=250) == 250


@pytest.mark.parametrize(("past_the_minute", "start"), [(0, -1), (1, -1), (59_999, -1), (60_000, 59_999)])
def test_the_24_hours_are_counted_from_the_start_of_a_minute(past_the_minute: int, start: int) -> None:
    # 20,000 days after 1970 a minute begins. What was received after the start counts, what at it does not.
    day = 86_400_000
    assert freshness_start(20_001 * day + past_the_minute) == 20_000 * day + start


def test_lateness_holds_it_back_further_than_silence_does() -> None:
    assert complete_until([(100, 10)], last_receipt=100, as_of=105) == 15


def test_an_event_ahead_of_its_time_makes_nothing_complete_beyond_as_of() -> None:
    assert complete_until([(100, 400)], last_receipt=100, as_of=100) == 100


@pytest.mark.parametrize(
    ("size", "per_mille", "rank"),
    [
        (1, 999, 1),
        (10, 900, 9),
        (11, 900, 10),
        (999, 999, 999),
        (1000, 999, 999),
        (1001, 999, 1000),
        (4, 500, 2),
        (3, 1, 1),
    ],
)
def test_nearest_rank_is_the_smallest_rank_that_covers_the_share(size: int, per_mille: int, rank: int) -> None:
    assert nearest_rank(range(1, size + 1), per_mille) == rank
