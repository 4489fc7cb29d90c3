"""What a set of events adds up to, by row and column: events come and go, the sums are exact."""

from __future__ import annotations

from collections import defaultdict

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from kizashi_collector.analysis._rolling._held import Places
from kizashi_collector.analysis._rolling._layout import Layout, Rows
from kizashi_collector.analysis._table import Column

__all__ = ["LIMB", "Extra", "Sums"]

LIMB = 26
"""Amounts are summed in two limbs, the lower of so many bits: 10¹⁰ events of 2⁶² micros fit."""

_CELLS = ("count", "actors", "low", "high")


class Extra(Struct):
    """What a cell has beyond its columns, from events that are worth something else than what a column holds.

    Added to its sum of values sent, and of what they stand at; how many of either have no rate; added to the number of
    events that were not retracted, and of their distinct actors.
    """

    sent: int = 0
    stands: int = 0
    sent_rateless: int = 0
    stands_rateless: int = 0
    live: int = 0
    credited: int = 0


class Sums:
    """Sums of all groupings of a layout, rows × columns, with room for more columns.

    `late` is how many events were late. `extra` is by grouping, and there by row, counted from its first, and column.
    `currencies`, names × currencies, is how many values there are of each; it is kept where no plan says what one is
    worth in another.
    """

    def __init__(self, layout: Layout) -> None:
        self._layout = layout
        self._version = -1
        self._starts = [0 for _ in (*layout.groupings, 0)]
        self.width = 0
        self.count: Column = np.zeros((0, 0), np.int64)
        self.actors: Column = np.zeros((0, 0), np.int64)
        self.low: Column = np.zeros((0, 0), np.int64)
        self.high: Column = np.zeros((0, 0), np.int64)
        self.row_actors: Column = np.zeros(0, np.int64)
        self.currencies: Column = np.zeros((0, 0), np.int64)
        self.extra: list[defaultdict[tuple[int, int], Extra]] = [defaultdict(Extra) for _ in layout.groupings]
        self.late = 0

    def fit(self) -> None:
        """Follow the layout."""
        layout = self._layout
        if self._version == layout.version:
            return
        starts, before = layout.starts, self._starts
        width = self.width if layout.width <= self.width else max(layout.width, 2 * self.width)
        for name in _CELLS:
            cells, wider = getattr(self, name), np.zeros((starts[-1], width), np.int64)
            for start, old, end in zip(starts, before, before[1:], strict=False):
                wider[start : start + end - old, : self.width] = cells[old:end]
            setattr(self, name, wider)
        rows = np.zeros(starts[-1], np.int64)
        for start, old, end in zip(starts, before, before[1:], strict=False):
            rows[start : start + end - old] = self.row_actors[old:end]
        self.row_actors = rows
        self._version, self._starts, self.width = layout.version, starts, width

    def add(self, rows: Rows, column: Places, amount: Column | None, sign: int) -> None:
        """Count events in, or with sign −1 out, with their amounts if any of them has one."""
        cells = (rows * np.int64(self.width) + column).reshape(-1)
        np.add.at(self.count.reshape(-1), cells, sign)
        if amount is not None:
            low, high = amount & ((1 << LIMB) - 1), amount >> LIMB
            np.add.at(self.low.reshape(-1), cells, np.tile(low if sign > 0 else -low, len(rows)))
            if high.any():
                np.add.at(self.high.reshape(-1), cells, np.tile(high if sign > 0 else -high, len(rows)))

    def weigh(self, rows: Rows, column: int, amount: int, sign: int) -> None:
        """Add one event's amount without counting it, or with sign −1 take it away."""
        self.low[rows, column] += sign * (amount & ((1 << LIMB) - 1))
        self.high[rows, column] += sign * (amount >> LIMB)

    def turn(self, rows: Rows, column: Places, in_row: NDArray[np.int64], in_cell: NDArray[np.int64]) -> None:
        """Count actors in (1) and out (−1): of rows, and of cells; both are groupings × events."""
        np.add.at(self.row_actors, rows.reshape(-1), in_row.reshape(-1))
        np.add.at(self.actors.reshape(-1), (rows * np.int64(self.width) + column).reshape(-1), in_cell.reshape(-1))

    def add_currencies(self, column: Places, currency: NDArray[np.int16], sign: int) -> None:
        """Count the currencies of values in or out; 0 is none."""
        (valued,) = np.nonzero(currency)
        if not len(valued):
            return
        rows, most = self.currencies.shape
        if (beyond := int(currency.max()) + 1) > most or self.width > rows:
            wider = np.zeros((max(rows, self.width), max(most, beyond)), np.int64)
            wider[:rows, :most] = self.currencies
            self.currencies = wider
        np.add.at(self.currencies, (column[valued], currency[valued]), sign)
