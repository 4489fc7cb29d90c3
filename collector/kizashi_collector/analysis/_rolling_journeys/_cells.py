"""What the journeys of one window add up to, row by row: copies, for whoever makes numbers of them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from kizashi_collector.analysis._rolling import LIMB, Layout
from kizashi_collector.analysis._rolling_journeys._sums import JourneySums
from kizashi_collector.analysis._table import Column

__all__ = ["JourneyCells"]


class JourneyCells(Struct, frozen=True, eq=False):
    """Some rows of one grouping: their numbers and keys, and of the journeys begun in the window that each is credited

    - `journeys`: how many there are; `converted`: how many ended with a final that stands;
    - `brought`: what those finals stand at, in micros of the plan's currency; None where one has no rate to it;
    - `open`: how many may still convert, and `open_cells` the same by deepest step and bin of age.
    """

    rows: Column
    keys: Sequence[tuple[str, ...]]
    journeys: Column
    converted: Column
    brought: Sequence[int | None]
    open: Column
    open_cells: NDArray[np.int32]

    def __len__(self) -> int:
        return len(self.rows)

    @classmethod
    def of(cls, ever: JourneySums, left: JourneySums, layout: Layout, g: int, rows: Column | None) -> JourneyCells:
        """The difference of two sums in these rows of a grouping, or in those where it has a journey."""
        ever.fit()
        left.fit()
        start, keys = layout.starts[g], layout.keys[g]
        if rows is None:
            own = slice(start, start + len(keys))
            rows = np.flatnonzero(ever.journeys[own] - left.journeys[own])
        at = rows + start
        low = (ever.low[at] - left.low[at]).tolist()
        high = (ever.high[at] - left.high[at]).tolist()
        summed = [below + (above << LIMB) for below, above in zip(low, high, strict=True)]
        brought: list[int | None] = [*summed]
        for place, row in enumerate(rows.tolist() if ever.apart[g] else ()):
            amount, rateless = ever.apart[g].get(row, (0, 0))
            amount_left, rateless_left = left.apart[g].get(row, (0, 0))
            brought[place] = summed[place] + amount - amount_left if rateless == rateless_left else None
        open_cells = ever.open[at] - left.open[at]
        return cls(
            rows=rows,
            keys=[keys[row] for row in rows.tolist()],
            journeys=ever.journeys[at] - left.journeys[at],
            converted=ever.converted[at] - left.converted[at],
            brought=brought,
            open=open_cells.sum(axis=1, dtype=np.int64),
            open_cells=open_cells.reshape(len(rows), ever.depths, ever.bins),
        )
