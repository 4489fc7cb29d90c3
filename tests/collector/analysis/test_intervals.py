"""From a query to the interval that is counted."""

from __future__ import annotations

from typing import Any

import pytest

from kizashi_collector.analysis import Interval, IntervalError, resolve_interval

NOW = 1_790_000_000_000
HOUR = 3_600_000
WEEK = 7 * 24 * HOUR


@pytest.mark.parametrize(
    ("asked", "start", "end", "as_of"),
    [
        ({}, NOW - WEEK, NOW, NOW),
        ({"window": "1h"}, NOW - HOUR, NOW, NOW),
        ({"window": "1h", "as_of": NOW - HOUR}, NOW - 2 * HOUR, NOW - HOUR, NOW - HOUR),
        ({"window": "1h", "end": NOW - HOUR}, NOW - 2 * HOUR, NOW - HOUR, NOW),
        ({"window": "1h", "end": NOW + HOUR}, NOW - HOUR, NOW, NOW),
        ({"start": 5}, 5, NOW, NOW),
        ({"start": 5, "end": 5}, 5, 5, NOW),
        ({"start": NOW}, NOW, NOW, NOW),
        ({"start": 5, "end": 9, "as_of": 7}, 5, 7, 7),
        ({"as_of": NOW + 5_000}, NOW + 5_000 - WEEK, NOW + 5_000, NOW + 5_000),
        ({"start": "1970-01-01T00:00:00.005Z", "end": "1970-01-01T09:00:00.009+09:00"}, 5, 9, NOW),
    ],
)
def test_an_interval_is_resolved(asked: dict[str, Any], start: int, end: int, as_of: int) -> None:
    assert resolve_interval(NOW, **asked) == Interval(start, end, as_of)


@pytest.mark.parametrize(
    "asked",
    [
        {"window": "7"},
        {"window": "0d"},
        {"window": "3661d"},
        {"window": "7d", "start": 5},
        {"start": "soon"},
        {"start": -1},
        {"start": NOW + 1},
        {"start": 9, "end": 5},
        {"start": 9, "as_of": 5},
        {"as_of": NOW + 5_001},
    ],
)
def test_what_names_no_interval_is_refused(asked: dict[str, Any]) -> None:
    with pytest.raises(IntervalError):
        resolve_interval(NOW, **asked)


def test_an_interval_excludes_its_start_and_includes_its_end() -> None:
    interval = Interval(5, 9, 9)
    assert [time in interval for time in (5, 6, 9, 10)] == [False, True, True, False]
