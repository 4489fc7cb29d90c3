"""Times in order as attempts come and go, however much is noted before somebody asks."""

from __future__ import annotations

from random import Random

import numpy as np
import pytest

from kizashi_collector.analysis._rolling_funnel._spread import SPAN_BITS, Spread
from kizashi_collector.analysis._rolling_funnel._step_sums import Changes

WINDOWS, GROUPINGS, STEPS = 2, 3, 3
Attempt = tuple[int, int, tuple[int, ...], tuple[int, ...]]


def changes(attempts: list[tuple[Attempt, int]]) -> Changes:
    low, high, rows, spans = (np.array([one[at] for one, _ in attempts], np.int64) for at in range(4))
    sign = np.array([sign for _, sign in attempts])
    depth = (spans[:, 1:] >= 0).sum(axis=1)
    return Changes(low, high, sign, rows.astype(np.int32).T, depth, spans, None)


def attempt(draw: Random) -> Attempt:
    low = draw.randrange(WINDOWS)
    spans = [-1, draw.randrange(6), draw.randrange(6)]
    spans[draw.randrange(1, 4) :] = [-1] * len(spans[draw.randrange(1, 4) :])
    rows = (0, draw.randrange(3), draw.choice([0, 1, 70_000]))
    return low, draw.randrange(low, WINDOWS) + 1, rows, tuple((*spans, -1, -1)[:STEPS])


def plain(there: list[Attempt], window: int, g: int) -> list[list[int]]:
    inside = [one for one in there if one[0] <= window < one[1]]
    return [
        sorted((rows[g] << SPAN_BITS) + spans[step] for _, _, rows, spans in inside if spans[step] >= 0)
        for step in range(STEPS)
    ]


@pytest.mark.parametrize("few", [1, 30, 1_000])
def test_the_times_are_those_of_the_attempts_that_are_there(few: int) -> None:
    draw = Random(few)
    spread = Spread(WINDOWS, GROUPINGS, STEPS, few)
    there: list[Attempt] = []
    for _ in range(400):
        leaving = draw.sample(there, min(len(there), draw.randrange(4)))
        coming = [attempt(draw) for _ in range(draw.randrange(1, 6))]
        for one in leaving:
            there.remove(one)
        there += coming
        spread.add(changes([(one, -1) for one in leaving] + [(one, 1) for one in coming]))
        if draw.random() < 0.2:
            window, g = draw.randrange(WINDOWS), draw.randrange(GROUPINGS)
            assert [times.tolist() for times in spread.ordered(window, g)] == plain(there, window, g)
    assert len(there) > 500
    for window in range(WINDOWS):
        for g in range(GROUPINGS):
            assert [times.tolist() for times in spread.ordered(window, g)] == plain(there, window, g)
