"""Values, learned from what ClickHouse counts."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from kizashi_collector.analysis import Key, Ladder, fit, fit_groupings
from kizashi_collector.store._clickhouse._journeys._asking import Asking
from kizashi_collector.store._clickhouse._journeys._bounded import told_apart
from kizashi_collector.store._clickhouse._journeys._found import AT_ONCE
from kizashi_collector.store._clickhouse._journeys._kept import KeptJourneys
from kizashi_collector.store._clickhouse._journeys._statistics import statistics
from kizashi_collector.store._clickhouse._sql import Ask, View
from kizashi_collector.store._current import Learned
from kizashi_collector.store._fits import StoredFit
from kizashi_schemas.plan import Plan

__all__ = ["learn"]

_HOUR_MS = 3_600_000


def learn(
    ask: Ask,
    view: View,
    plan: Plan,
    ladder: Ladder,
    now: int,
    groupings: Sequence[Key] | None = None,
    *,
    adjusted: bool,
    at_once: int = AT_ONCE,
    most: int | None = None,
    check: Callable[[], None] = lambda: None,
    kept: KeptJourneys | None = None,
) -> StoredFit:
    """Learn from the journeys of a view up to the last whole hour before `now`, for these groupings, or those that the
    plan asks for: the bytes that the store in SQLite learns from the same log.

    A grouping has no more keys than `most` (see store._known_keys), or as many as there are. `adjusted` tells whether
    the view has any adjustment at all; `at_once` and `kept` are those of Asking. The result has no number yet. `check`
    is called between and during fits: what it raises ends the work.
    """
    began = time.perf_counter()
    boundary = now // _HOUR_MS * _HOUR_MS
    asking = Asking(ask, plan, ladder, view, now, adjusted, at_once, kept)
    begun, fits = 0, []
    for by in fit_groupings(plan.summaries) if groupings is None else groupings:
        apart = told_apart(asking, by, most)
        check()
        counted = statistics(asking, apart, boundary)
        check()
        fits.append((tuple(by), fit(counted.statistics, check)))
        begun = counted.begun
    oldest = asking.oldest(kept)
    packed = Learned.packed(fits, oldest, begun)
    return StoredFit(0, plan.learning_id, boundary, now, time.perf_counter() - began, packed)
