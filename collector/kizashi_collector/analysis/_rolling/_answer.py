"""From sums to the figures of a summary: what all events add up to, less what a window has left behind."""

from __future__ import annotations

import numpy as np

from kizashi_collector.analysis._rolling._layout import Layout
from kizashi_collector.analysis._rolling._sums import LIMB, Extra, Sums
from kizashi_collector.analysis._summary import EventFigures, Figures
from kizashi_collector.analysis._table import Column
from kizashi_collector.analysis._worth import RowWorths

__all__ = ["figures_of", "only_currency"]

_NOTHING = Extra()


def figures_of(ever: Sums, left: Sums, layout: Layout, g: int) -> list[Figures]:
    """The rows of one grouping in a window by their keys: those with an event; without a grouping the only one."""
    ever.fit()
    left.fit()
    keys, start, width = layout.keys[g], layout.starts[g], layout.width
    block = slice(start, start + len(keys))
    count = ever.count[block, :width] - left.count[block, :width]
    order = np.array(layout.ordered(g), np.int64)
    if layout.groupings[g]:
        order = order[(count > 0).sum(axis=1)[order] > 0]
    names, chosen = layout.names, np.arange(width)
    if layout.plan is None:
        (chosen,) = np.nonzero(count.any(axis=0))
        ordered = sorted(chosen.tolist(), key=names.__getitem__)
        names, chosen = [names[at] for at in ordered], np.array(ordered, np.int64)
    counts = count[np.ix_(order, chosen)].tolist()
    cells = np.ix_(order + start, chosen)
    order += start
    actors = (ever.actors[cells] - left.actors[cells]).tolist()
    row_actors = (ever.row_actors[order] - left.row_actors[order]).tolist()
    sent = _sums(ever.low[cells] - left.low[cells], ever.high[cells] - left.high[cells])
    extras = _extras(ever, left, g)
    mixed = _mixed(ever, left, chosen) if layout.plan is None else []
    worths = RowWorths(layout.plan)
    figures = []
    for at, row in enumerate((order - start).tolist()):
        values: list[int | None] = list(sent[at])
        stands, live, credited = values, counts[at], actors[at]
        if row in extras:
            stands, live, credited = list(values), list(live), list(credited)
            for place, column in enumerate(chosen.tolist()):
                extra = extras[row].get(column, _NOTHING)
                values[place] = None if extra.sent_rateless else sent[at][place] + extra.sent
                stands[place] = None if extra.stands_rateless else sent[at][place] + extra.stands
                live[place] += extra.live
                credited[place] += extra.credited
        for place in mixed:
            values[place] = None
        final, declared = worths.of(stands, live, credited)
        figures.append(
            Figures(
                key=keys[row],
                actors=row_actors[at],
                events=dict(zip(names, map(EventFigures, counts[at], actors[at], values), strict=True)),
                final_value=final,
                declared_value=declared,
            )
        )
    return figures


def only_currency(ever: Sums, left: Sums) -> int:
    """The code of the only currency of a window's values; 0 for none or several."""
    (seen,) = np.nonzero((ever.currencies - _shaped(left.currencies, ever.currencies)).any(axis=0))
    return int(seen[0]) if len(seen) == 1 else 0


def _mixed(ever: Sums, left: Sums, chosen: Column) -> list[int]:
    """Places of the columns whose values have several currencies."""
    there = np.count_nonzero(ever.currencies - _shaped(left.currencies, ever.currencies), axis=1).tolist()
    return [place for place, column in enumerate(chosen.tolist()) if column < len(there) and there[column] > 1]


def _shaped(column: Column, like: Column) -> Column:
    """With zeros where `like` reaches further."""
    wider = np.zeros_like(like)
    wider[: column.shape[0], : column.shape[1]] = column
    return wider


def _sums(low: Column, high: Column) -> list[list[int]]:
    if high.size and int(np.abs(high).max()) >= 1 << 35:
        return [
            [(above << LIMB) + below for above, below in zip(*row, strict=True)]
            for row in zip(high.tolist(), low.tolist(), strict=True)
        ]
    sums: list[list[int]] = ((high << LIMB) + low).tolist()
    return sums


def _extras(ever: Sums, left: Sums, g: int) -> dict[int, dict[int, Extra]]:
    """What the window has beyond its columns in one grouping, by row and column."""
    found: dict[int, dict[int, Extra]] = {}
    for (grouping, row, column), all_of in ever.extra.items():
        if grouping != g:
            continue
        less = left.extra.get((g, row, column), _NOTHING)
        extra = Extra(*(getattr(all_of, name) - getattr(less, name) for name in Extra.__struct_fields__))
        if extra != _NOTHING:
            found.setdefault(row, {})[column] = extra
    return found
