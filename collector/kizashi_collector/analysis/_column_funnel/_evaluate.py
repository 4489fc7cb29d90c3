"""The door: a funnel over a table, equal to `evaluate_funnel` over its events."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec
import numpy as np

from kizashi_collector.analysis._column_funnel._conditions import Details
from kizashi_collector.analysis._column_funnel._days import Days
from kizashi_collector.analysis._column_funnel._every_kind import run_every_kind
from kizashi_collector.analysis._column_funnel._figures import Valued, histogram, step_figures
from kizashi_collector.analysis._column_funnel._keys import Keys
from kizashi_collector.analysis._column_funnel._taken import Taken, Trend
from kizashi_collector.analysis._column_funnel._usual import Usual
from kizashi_collector.analysis._column_funnel._values import Values
from kizashi_collector.analysis._events import Interval, LoggedEvent
from kizashi_collector.analysis._funnel import FunnelFigures, GroupFigures, TrendFigures
from kizashi_collector.analysis._matching import Check
from kizashi_collector.analysis._table import Codes, EventTable, different
from kizashi_collector.analysis._worth import Worth
from kizashi_schemas import Funnel

__all__ = ["evaluate_table_funnel"]


def evaluate_table_funnel(
    table: EventTable,
    codes: Codes,
    funnel: Funnel,
    interval: Interval,
    *,
    details: Details,
    worth: Worth,
    adjusted: Mapping[int, LoggedEvent],
    zone: str = "UTC",
    by: tuple[str, ...] = (),
    attribution: str = "first",
    check: Check = lambda: None,
) -> FunnelFigures:
    """Evaluate a checked funnel over the events of a table, in any order, of which those up to as_of count.

    They must reach back as far as those of `evaluate_funnel`. `adjusted` holds those events, by their number, that
    `worth` knows adjustments of; `details` tells what columns do not hold, where it matters. `check` is called between
    passes over about 100,000 events, and what it raises ends the work. Raises FunnelError as `evaluate_funnel` does.
    """
    keys = Keys(table, codes, by, details, check) if by else None
    anew = attribution not in ("first", "last")
    days = Days.between(interval, zone) if funnel.trend else None
    grouped: Taken | None = None
    usual = Usual.of(table, codes, funnel, interval, details, adjusted, check)
    if usual is not None:
        money = worth.plan is not None
        if keys is not None and anew:
            step = None if attribution == "all" else int(attribution.removeprefix("step:"))
            grouped = usual.taken_alone(keys) if step is None else usual.taken_at(step, keys)
            usual.ties.settle(grouped, money=money, sources=False, properties=False)
        taken, trend = usual.taken(days)
        by_first_or_last = keys is not None and not anew
        usual.ties.settle(
            taken,
            money=money,
            sources=by_first_or_last,
            properties=by_first_or_last and keys is not None and keys.properties,
        )
    else:
        found = run_every_kind(
            table,
            codes,
            funnel,
            interval,
            zone=zone,
            days=days,
            keys=keys if anew else None,
            attribution=attribution,
            details=details,
            check=check,
        )
        taken, grouped, trend = found.taken, found.grouped, found.trend
    values = Values(table, codes, worth, adjusted, funnel).sums
    groups: list[GroupFigures] | None = None
    if keys is not None:
        if grouped is None:
            grouped = msgspec.structs.replace(taken, group=keys.attributed(taken, attribution))
        groups = _groups(grouped, keys, funnel, values, check)
    return FunnelFigures(
        steps=step_figures(taken, np.zeros(len(taken), np.int64), 1, funnel, values, check)[0],
        groups=groups,
        trend=None if days is None else _trend(days, trend),
        histogram=histogram(taken, funnel),
    )


def _trend(days: Days, trend: Trend) -> list[TrendFigures]:
    entered, completed = trend
    return [
        TrendFigures(days.day(at), entered[at], completed[at], completed[at] / entered[at] if entered[at] else None)
        for at in range(days.count)
    ]


def _groups(taken: Taken, keys: Keys, funnel: Funnel, values: Valued, check: Check) -> list[GroupFigures]:
    """The figures of each key that an attempt is attributed to, in their order."""
    group = np.zeros(len(taken), np.int64) if taken.group is None else taken.group
    present = sorted(different(group), key=keys.keys.__getitem__)
    place = np.zeros(len(keys.keys), np.int64)
    place[present] = np.arange(len(present))
    figures = step_figures(taken, place[group], len(present), funnel, values, check)
    return [GroupFigures(keys.keys[key], steps) for key, steps in zip(present, figures, strict=True)]
