"""Counts by hour kept current equal those counted by brute force, at each step of any history."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from kizashi_collector.analysis._readiness import HourCounts, Pace
from tried import tried

HOUR, DAY = 3_600_000, 86_400_000
_MIDNIGHT = 20_000 * DAY
# What lies on either side of an edge: of an hour, of what is looked at, of what is kept.
_AGES = [
    0,
    0,
    0,
    1,
    HOUR - 1,
    HOUR,
    HOUR + 1,
    23 * HOUR,
    DAY,
    28 * DAY,
    29 * DAY - 1,
    29 * DAY,
    29 * DAY + HOUR,
    31 * DAY,
]
_STEPS = [0, 1, HOUR - 1, HOUR, 5 * HOUR, DAY, 29 * DAY, 30 * DAY - HOUR, 30 * DAY, 31 * DAY]
_events = st.lists(
    st.tuples(st.sampled_from([*range(4), 9, -1]), st.sampled_from(_AGES) | st.integers(0, 3 * DAY)), max_size=12
)
_steps = st.tuples(
    st.sampled_from(_STEPS) | st.integers(0, 2 * HOUR),
    _events,
    st.sampled_from(["add", "add", "advance first", "take back", "go on with a copy"]),
    st.randoms(use_true_random=False),
)


def _told(pace: Pace, events: list[tuple[int, int]], sign: int = 1) -> None:
    names, times = np.array(events, np.int64).reshape(-1, 2).T
    pace.add(names.astype(np.int32), times, sign)


def _plain(events: list[tuple[int, int]], now: int, names: int) -> HourCounts:
    counts = np.zeros((names, 29 * 24 + 1), np.int32)
    for name, time in events:
        back = now // HOUR - time // HOUR
        if name >= 0 and 0 <= back <= 29 * 24:
            counts[name, 29 * 24 - back] += 1
    return counts


@tried(40)
@given(second=st.sampled_from([0, 1, HOUR - 1]), steps=st.lists(_steps, min_size=1, max_size=10))
def test_counts_kept_current_equal_the_brute_force(second: int, steps: list[tuple]) -> None:  # type: ignore[type-arg]
    now = _MIDNIGHT + second
    pace, events = Pace(now), list[tuple[int, int]]()
    for step, coming, action, random in steps:
        now += step
        if action == "advance first":
            pace.advance(now)
        new = [(name, now - age) for name, age in coming]
        _told(pace, new)
        events += new
        if action == "take back":
            random.shuffle(events)
            kept = random.randint(0, len(events))
            _told(pace, events[kept:], -1)
            del events[kept:]
        if action == "go on with a copy":
            left, pace = pace, pace.copy()
            _told(left, [(0, now)])
            left.advance(now + 40 * DAY)
        names = len(pace)
        assert names >= max((name + 1 for name, time in events if time > now - 29 * DAY), default=0)
        # An earlier instant, within what is kept; and a later one, of whose hours nothing was told.
        for instant in (now - 23 * HOUR, now, now + 2 * HOUR):
            np.testing.assert_array_equal(pace.rows(instant), _plain(events, instant, names))
