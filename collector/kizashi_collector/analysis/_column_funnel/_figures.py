"""Figures of a funnel from the attempts that count: what `evaluate_funnel` counts one by one, by columns."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from kizashi_collector.analysis._column_funnel._taken import Taken
from kizashi_collector.analysis._funnel import StepFigures
from kizashi_collector.analysis._matching import Check
from kizashi_collector.analysis._percentiles import rank
from kizashi_collector.analysis._table import Column, cell_sums
from kizashi_schemas import Funnel

__all__ = ["Valued", "histogram", "step_figures"]

Amounts = list[int | None]
Valued = Callable[[int, Column, Column, int], tuple[Amounts, Amounts]]
"""Declared and final value, by cell, of rows of the table that took a step: step, rows, cells, how many cells."""

_MANY = 1 << 10


def step_figures(
    taken: Taken, group: Column, groups: int, funnel: Funnel, valued: Valued, check: Check
) -> list[list[StepFigures]]:
    """The steps of each group, from 0 to groups - 1; `group` tells each attempt's."""
    optional, steps = frozenset(funnel.optional), range(funnel.last + 1)
    cells = [group[who] for who in taken.who]
    # Whoever came beyond a step took it, unless it is optional, where those count who took it.
    counts = [np.bincount(own, minlength=groups).tolist() for own in cells]
    found: list[list[StepFigures]] = [[] for _ in range(groups)]
    for step in steps:
        check()
        previous = next((earlier for earlier in range(step - 1, -1, -1) if earlier not in optional), None)
        mean: list[float | None] = [None] * groups
        median, p90 = mean, list[int | None]([None] * groups)
        if previous is not None:
            both, spans = _between(taken, previous, step)
            mean, median, p90 = _spread(spans, cells[step][both], groups)
            check()
        declared, final = valued(step, taken.row[step], cells[step], groups)
        for at in range(groups):
            count, before = counts[step][at], None if previous is None else counts[previous][at]
            found[at].append(
                StepFigures(
                    count=count,
                    rate=count / counts[0][at] if counts[0][at] else None,
                    step_rate=count / before if before else None,
                    mean_ms=mean[at],
                    median_ms=median[at],
                    p90_ms=p90[at],
                    declared=declared[at],
                    final=final[at],
                )
            )
    return found


def histogram(taken: Taken, funnel: Funnel) -> list[tuple[float, int]] | None:
    """Bins of equal width from the least time to the greatest, and one more that begins at the greatest."""
    if funnel.histogram is None:
        return None
    _, spans = _between(taken, funnel.histogram.from_, funnel.end_of(funnel.histogram))
    if not len(spans):
        return []
    least, bins = int(spans.min()), funnel.histogram.bins
    span = int(spans.max()) - least
    if span == 0:
        return [(least, len(spans))]
    counts = np.bincount((spans - least) * bins // span, minlength=bins + 1).tolist()
    return [(least + number * span / bins, count) for number, count in enumerate(counts)]


def _between(taken: Taken, first: int, second: int) -> tuple[Column, Column]:
    """Which of those that took the second step took the first as well, and the milliseconds between."""
    whose = taken.who[second]
    before = np.full(len(taken), -1, np.int64)
    before[taken.who[first]] = taken.time[first]
    times = before[whose]
    both = np.flatnonzero(times >= 0)
    return both, taken.time[second][both] - times[both]


def _spread(spans: Column, cells: Column, size: int) -> tuple[list[float | None], list[float | None], list[int | None]]:
    """Mean, median and 90th percentile of the times in each cell, None where there are none."""
    counts = np.bincount(cells, minlength=size)
    sums = cell_sums(cells, spans, size)
    mean = [total / count if count else None for total, count in zip(sums, counts.tolist(), strict=True)]
    if size > 1:
        order = cells.astype(np.uint16).argsort(kind="stable") if size <= _MANY else np.lexsort((spans, cells))
        spans = spans.take(order)
    median: list[float | None] = []
    p90: list[int | None] = []
    end = 0
    for count in counts.tolist():
        begin, end = end, end + count
        if not count:
            median.append(None)
            p90.append(None)
            continue
        places = [(count - 1) // 2, count // 2, rank(count, 900)]
        own = spans[begin:end] if size > _MANY else np.partition(spans[begin:end], sorted(set(places)))
        low, high, late = (int(own[place]) for place in places)
        median.append((low + high) / 2)
        p90.append(late)
    return mean, median, p90
