"""Counts by hour: their edges, what they hold, and what they cost to hold."""

from __future__ import annotations

import numpy as np
import pytest

from kizashi_collector.analysis._readiness import Pace

HOUR = 3_600_000
NOW = 500_000 * HOUR + 1_234


def told(*events: tuple[int, int]) -> Pace:
    pace = Pace(NOW)
    names, times = np.array(events, np.int64).T
    pace.add(names, times)
    return pace


def test_the_last_count_is_that_of_the_hour_that_runs() -> None:
    rows = told((0, NOW), (0, NOW - 1_234), (0, NOW - 1_235)).rows(NOW)
    assert rows.shape == (1, 29 * 24 + 1)
    assert rows[0, -3:].tolist() == [0, 1, 2]


def test_an_instant_of_the_day_before_can_still_be_looked_at_in_full() -> None:
    oldest = NOW - (23 + 29 * 24) * HOUR
    rows = told((0, oldest), (0, NOW)).rows(NOW - 23 * HOUR)
    assert rows[0].tolist() == [1] + [0] * 29 * 24


def test_an_older_instant_is_refused() -> None:
    with pytest.raises(ValueError, match="older hours were let go"):
        told((0, NOW)).rows(NOW - 24 * HOUR)


def test_a_late_event_is_counted_in_its_own_hour() -> None:
    pace = told((0, NOW))
    pace.advance(NOW + 5 * HOUR)
    pace.add(np.array([0]), np.array([NOW - HOUR]))
    assert np.flatnonzero(pace.rows(NOW + 5 * HOUR)[0]).tolist() == [29 * 24 - 6, 29 * 24 - 5]


def test_what_was_let_go_can_be_neither_added_nor_taken_back() -> None:
    pace = told((0, NOW), (0, NOW - 31 * 24 * HOUR))
    pace.add(np.array([0]), np.array([NOW - 31 * 24 * HOUR]), -1)
    assert pace.rows(NOW).sum() == 1


def test_a_name_that_is_nobodys_is_left_out() -> None:
    assert len(told((-1, NOW))) == 0


def test_the_numbers_of_an_answer_are_its_own() -> None:
    pace = told((0, NOW))
    pace.rows(NOW)[:] = 7
    assert pace.rows(NOW).sum() == 1
