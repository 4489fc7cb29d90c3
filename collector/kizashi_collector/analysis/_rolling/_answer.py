"""From sums to the figures of a summary: what all events add up to, less what a window has left behind."""

from __future__ import annotations

import numpy as np
from msgspec import Struct

from kizashi_collector.analysis._rolling._layout import Layout
from kizashi_collector.analysis._rolling._sums import LIMB, Extra, Sums
from kizashi_collector.analysis._row_worths import RowWorths
from kizashi_collector.analysis._summary_rows import SummaryRows
from kizashi_collector.analysis._table import Column
from kizashi_schemas.plan import Plan

__all__ = ["Cells", "only_currency"]

_NOTHING = Extra()


class Cells(Struct, frozen=True, eq=False):
    """The cells of one grouping in a window, rows by their keys × columns by their names: copies."""

    plan: Plan | None
    names: list[str]
    keys: list[tuple[str, ...]]
    count: Column
    actors: Column
    row_actors: Column
    low: Column
    high: Column
    extras: dict[tuple[int, int], Extra]
    mixed: list[int]

    @classmethod
    def of(cls, ever: Sums, left: Sums, layout: Layout, g: int) -> Cells:
        """Those of one grouping: the rows with an event, or without a grouping the only one."""
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
        cells = np.ix_(order + start, chosen)
        return cls(
            plan=layout.plan,
            names=names,
            keys=[keys[row] for row in order.tolist()],
            count=count[np.ix_(order, chosen)],
            actors=ever.actors[cells] - left.actors[cells],
            row_actors=ever.row_actors[order + start] - left.row_actors[order + start],
            low=ever.low[cells] - left.low[cells],
            high=ever.high[cells] - left.high[cells],
            extras=_extras(ever, left, g, order, chosen),
            mixed=_mixed(ever, left, chosen) if layout.plan is None else [],
        )

    def rows(self) -> SummaryRows:
        """The figures of each row."""
        values: Column | list[list[int | None]]
        stands: Column | list[list[int | None]]
        sent, live, credited = _sums(self.low, self.high), self.count, self.actors
        values = stands = sent
        if self.extras or self.mixed:
            values = [[*row] for row in (sent if isinstance(sent, list) else sent.tolist())]
            stands = [[*row] for row in values]
            live, credited = live.copy(), credited.copy()
            for (at, place), extra in self.extras.items():
                so_far = values[at][place]
                values[at][place] = None if extra.sent_rateless or so_far is None else so_far + extra.sent
                stands[at][place] = None if extra.stands_rateless or so_far is None else so_far + extra.stands
                live[at, place] += extra.live
                credited[at, place] += extra.credited
            for place in self.mixed:
                for row in values:
                    row[place] = None
        final, declared = RowWorths(self.plan).columns(stands, live, credited)
        return SummaryRows(self.keys, self.names, self.row_actors, self.count, self.actors, values, final, declared)


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


def _sums(low: Column, high: Column) -> Column | list[list[int | None]]:
    if high.size and int(np.abs(high).max()) >= 1 << 35:
        return [
            [(above << LIMB) + below for above, below in zip(*row, strict=True)]
            for row in zip(high.tolist(), low.tolist(), strict=True)
        ]
    return (high << LIMB) + low


def _extras(ever: Sums, left: Sums, g: int, order: Column, chosen: Column) -> dict[tuple[int, int], Extra]:
    """What the window has beyond its columns in one grouping, by place among the rows and columns that are shown."""
    if not ever.extra[g]:
        return {}
    rows = {row: at for at, row in enumerate(order.tolist())}
    columns = {column: at for at, column in enumerate(chosen.tolist())}
    found: dict[tuple[int, int], Extra] = {}
    for (row, column), all_of in ever.extra[g].items():
        less = left.extra[g].get((row, column), _NOTHING)
        extra = Extra(*(getattr(all_of, name) - getattr(less, name) for name in Extra.__struct_fields__))
        if extra != _NOTHING and row in rows and column in columns:
            found[rows[row], columns[column]] = extra
    return found
