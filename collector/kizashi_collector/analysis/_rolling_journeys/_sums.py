"""What a set of journeys adds up to, by row: journeys come and go, the sums are exact."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from kizashi_collector.analysis._rolling import LIMB, Layout
from kizashi_collector.analysis._table import Column

__all__ = ["JourneySums"]

_NUMBERS = ("journeys", "converted", "low", "high", "open")


class JourneySums:
    """Sums of all groupings of a layout: journeys, converted ones, what they brought in two limbs; and the open ones.

    `open` is rows × (depths × bins of age), four bytes a cell: with 4 depths and 60 bins 1 kB a row, where a journey
    was ever open. `apart` is by grouping and there by row, counted from its first: amounts that no column holds, and
    how many have no rate.
    """

    def __init__(self, layout: Layout, depths: int, bins: int) -> None:
        self._layout = layout
        self._version = -1
        self._starts = [0 for _ in (*layout.groupings, 0)]
        self.depths, self.bins = depths, bins
        none = np.zeros(0, np.int64)
        self.journeys: Column = none
        self.converted: Column = none
        self.low: Column = none
        self.high: Column = none
        self.open: NDArray[np.int32] = np.zeros((0, depths * bins), np.int32)
        self.apart: list[dict[int, tuple[int, int]]] = [{} for _ in layout.groupings]

    def fit(self) -> None:
        """Follow the layout."""
        layout = self._layout
        if self._version == layout.version and len(self.journeys):
            return
        starts, before = layout.starts, self._starts
        for name in _NUMBERS:
            numbers = getattr(self, name)
            longer = np.zeros((starts[-1], *numbers.shape[1:]), numbers.dtype)
            for start, old, end in zip(starts, before, before[1:], strict=False):
                longer[start : start + end - old] = numbers[old:end]
            setattr(self, name, longer)
        self._version, self._starts = layout.version, starts

    def add(self, source: NDArray[np.int32], brought: Column, converted: NDArray[np.bool_], sign: int) -> None:
        """Count journeys credited to these sources in, or with sign −1 out."""
        self.fit()
        rows = self._layout.rows(source)
        np.add.at(self.journeys, rows.reshape(-1), sign)
        (at,) = np.nonzero(converted)
        if not len(at):
            return
        cells, amount = rows[:, at].reshape(-1), brought[at]
        np.add.at(self.converted, cells, sign)
        np.add.at(self.low, cells, np.tile(sign * (amount & ((1 << LIMB) - 1)), len(rows)))
        np.add.at(self.high, cells, np.tile(sign * (amount >> LIMB), len(rows)))

    def add_apart(self, source: int, amount: int | None, sign: int) -> None:
        """Add an amount that no column holds, None for one without a rate, or take it away."""
        for numbers, row in zip(self.apart, self._layout.numbers(source), strict=True):
            amounts, rateless = numbers.get(row, (0, 0))
            numbers[row] = (amounts, rateless + sign) if amount is None else (amounts + sign * amount, rateless)

    def add_open(self, source: NDArray[np.int32], cell: Column, sign: int) -> None:
        """Count open journeys in or out; a cell is depth × bins + bin."""
        self.fit()
        cells = self._layout.rows(source) * np.int64(self.depths * self.bins) + cell
        np.add.at(self.open.reshape(-1), cells.reshape(-1), np.int32(sign))
