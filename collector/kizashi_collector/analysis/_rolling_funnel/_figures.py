"""From sums and ordered times to the figures of a funnel, by row."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise

import numpy as np
from msgspec import Struct

from kizashi_collector.analysis._funnel import StepFigures
from kizashi_collector.analysis._percentiles import rank
from kizashi_collector.analysis._rolling import LIMB, Layout
from kizashi_collector.analysis._rolling_funnel._kept import KeptFunnel
from kizashi_collector.analysis._rolling_funnel._spread import SPAN_BITS
from kizashi_collector.analysis._rolling_funnel._step_sums import Beyond
from kizashi_collector.analysis._table import Column
from kizashi_schemas import Histogram
from kizashi_schemas.plan import Plan

__all__ = ["Cells", "histogram_of"]

_NOTHING = (0, 0, 0)
Amounts = list[int | None]


class Cells(Struct, frozen=True, eq=False):
    """The cells of one grouping in a window, rows by their keys × steps: copies, and what is never changed in place."""

    plan: Plan | None
    events: list[str]
    keys: list[tuple[str, ...]]
    counts: Column
    firsts: Column
    """Where the ordered times of each begin."""
    ordered: list[Column]
    spans: Column
    low: Column
    high: Column
    beyond: list[dict[int, tuple[int, int, int]]]
    """By step and row: what else there is as amount, how many have no rate, and how many were retracted."""

    @classmethod
    def of(cls, kept: KeptFunnel, plan: Plan | None, layout: Layout, window: int, g: int) -> Cells:
        """Those of one grouping: the rows with an attempt, or without a grouping the only one."""
        counts = kept.sums.counts(window, g)
        order = np.array(layout.ordered(g), np.int64)
        if layout.groupings[g]:
            order = order[counts[order, 0] > 0]
        low, high = kept.sums.amounts(window, g)
        place = {row: at for at, row in enumerate(order.tolist())}
        steps = kept.funnel.normal_steps
        beyond: list[Mapping[int, Beyond]] = [kept.sums.beyond.get((window, g, step), {}) for step in range(len(steps))]
        return cls(
            plan=plan,
            events=[step.event for step in steps],
            keys=[layout.keys[g][row] for row in order.tolist()],
            counts=counts[order],
            firsts=(np.cumsum(counts, axis=0) - counts)[order],
            ordered=list(kept.spread.ordered(window, g)),
            spans=kept.sums.spans(window, g)[order],
            low=low[order],
            high=high[order],
            beyond=[
                {place[row]: (one.amount, one.rateless, one.retracted) for row, one in cells.items() if row in place}
                for cells in beyond
            ],
        )

    def rows(self) -> list[tuple[tuple[str, ...], list[StepFigures]]]:
        """The steps of each row, with its key."""
        count, spans = self.counts.tolist(), self.spans.tolist()
        found: list[list[StepFigures]] = [[] for _ in self.keys]
        for step in range(len(self.events)):
            median: list[float | None] = [None] * len(found)
            p90: list[int | None] = [None] * len(found)
            if step:
                median, p90 = _spread(self.ordered[step], self.firsts[:, step], self.counts[:, step])
            declared, final = self._worth(step)
            for at, figures in enumerate(found):
                taken, entered = count[at][step], count[at][0]
                before = count[at][step - 1] if step else 0
                figures.append(
                    StepFigures(
                        count=taken,
                        rate=taken / entered if entered else None,
                        step_rate=taken / before if before else None,
                        mean_ms=spans[at][step] / taken if step and taken else None,
                        median_ms=median[at],
                        p90_ms=p90[at],
                        declared=declared[at],
                        final=final[at],
                    )
                )
        return list(zip(self.keys, found, strict=True))

    def _worth(self, step: int) -> tuple[Amounts, Amounts]:
        """Declared and final value of those who took a step, by row. All None without a plan."""
        size = len(self.keys)
        if self.plan is None:
            return [None] * size, [None] * size
        rule = self.plan.events.get(self.events[step])
        if rule is None or rule.value is None:
            return [0] * size, [0] * size
        beyond = self.beyond[step]
        declared: Amounts = []
        if rule.value == "event":
            low, high = self.low[:, step].tolist(), self.high[:, step].tolist()
            for at, (below, above) in enumerate(zip(low, high, strict=True)):
                amount, rateless, _ = beyond.get(at, _NOTHING)
                declared.append(None if rateless else (above << LIMB) + below + amount)
        else:
            for at, count in enumerate(self.counts[:, step].tolist()):
                declared.append(rule.value * (count - beyond.get(at, _NOTHING)[2]))
        return declared, declared if rule.final else [0] * size


def _spread(ordered: Column, firsts: Column, counts: Column) -> tuple[list[float | None], list[int | None]]:
    """Median and 90th percentile of the times of each row, which begin there and are so many."""
    median: list[float | None] = []
    p90: list[int | None] = []
    low_at, high_at, late_at = [], [], []
    sizes = counts.tolist()
    for begin, size in zip(firsts.tolist(), sizes, strict=True):
        if size:
            low_at.append(begin + (size - 1) // 2)
            high_at.append(begin + size // 2)
            late_at.append(begin + rank(size, 900))
    mask = (1 << SPAN_BITS) - 1
    found = (ordered[np.array([low_at, high_at, late_at], np.int64)] & mask).T.tolist()
    times = iter(found)
    for size in sizes:
        low, high, late = next(times) if size else (None, None, None)
        median.append(None if low is None or high is None else (low + high) / 2)
        p90.append(late)
    return median, p90


def histogram_of(histogram: Histogram | None, times: Column) -> list[tuple[float, int]] | None:
    """Bins of equal width from the least of these ordered times to the greatest, and one more that begins there."""
    if histogram is None:
        return None
    bins = histogram.bins
    if not len(times):
        return []
    least, span = int(times[0]), int(times[-1]) - int(times[0])
    if span == 0:
        return [(least, len(times))]
    edges = [least - (-number * span // bins) for number in range(bins + 1)]
    places = [*np.searchsorted(times, edges).tolist(), len(times)]
    return [(least + number * span / bins, after - before) for number, (before, after) in enumerate(pairwise(places))]
