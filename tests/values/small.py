"""Journeys written by hand, and tables counted the plain way."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from kizashi_collector.analysis._values import Key, Statistics
from kizashi_collector.analysis._values._grid import DAY_MS, HOUR_MS
from values.simulation import Journeys

__all__ = ["BOUNDARY", "HORIZON", "LOOKBACK", "Story", "columns", "counted", "tables"]

BOUNDARY = 20_000 * DAY_MS + 5 * HOUR_MS
HORIZON = 14 * DAY_MS
LOOKBACK = 90 * DAY_MS

Story = tuple[int, dict[int, int], int | None, int]
"""Source, when each depth was reached, when the final came, what it brought in micros."""


def columns(stories: Sequence[Story], steps: int = 2, retracted: Sequence[int] = ()) -> Journeys:
    reached = np.full((len(stories), steps + 1), -1, np.int64)
    for row, (_, times, _, _) in enumerate(stories):
        for depth, time in times.items():
            reached[row, depth] = time
    final = [end for _, _, end, _ in stories]
    ended = [0 if end is None else 2 if row in retracted else 1 for row, end in enumerate(final)]
    return Journeys(
        begin=np.array([min([*times.values(), *([end] if end else [])]) for _, times, end, _ in stories], np.int64),
        source=np.array([source for source, _, _, _ in stories], np.int64),
        reached=reached,
        ended=np.array(ended, np.int8),
        end=np.array([end or 0 for end in final], np.int64),
        brought=np.array([brought for _, _, _, brought in stories], np.int64),
    )


def tables(
    stories: Sequence[Story], keys: Sequence[Key] = (("a",), ("b",)), steps: int = 2, horizon: int = HORIZON
) -> Statistics:
    return counted(columns(stories, steps), keys, horizon=horizon)


def counted(
    journeys: Journeys,
    keys: Sequence[Key],
    *,
    boundary: int = BOUNDARY,
    horizon: int = HORIZON,
    lookback: int = LOOKBACK,
) -> Statistics:
    return Statistics.of(journeys, np.arange(len(keys)), keys, boundary=boundary, horizon=horizon, lookback=lookback)
