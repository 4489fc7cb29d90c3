"""What the attempts of a funnel add up to, by window, row and step: they come and go, the sums are exact."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from kizashi_collector.analysis._rolling import LIMB, Layout
from kizashi_collector.analysis._table import Column

__all__ = ["Beyond", "Changes", "StepSums"]

_CELLS = ("_reached", "_spans", "_low", "_high")


class Changes(Struct, frozen=True, eq=False):
    """Attempts that begin to count, sign 1, or cease to, −1, in the windows from `low` to before `high`.

    `rows` is groupings × attempts, counted from the first of each grouping; `spans`, attempts × steps, the milliseconds
    since the step before, or −1; `amounts` of the same shape what those events stand at.
    """

    low: Column
    high: Column
    sign: Column
    rows: NDArray[np.int32]
    depth: Column
    spans: Column
    amounts: Column | None

    def only(self, wanted: NDArray[np.bool_] | Column) -> Changes:
        """Some of them."""
        return Changes(
            self.low[wanted],
            self.high[wanted],
            self.sign[wanted],
            self.rows[:, wanted],
            self.depth[wanted],
            self.spans[wanted],
            None if self.amounts is None else self.amounts[wanted],
        )


class Beyond(Struct):
    """What a cell has beyond its columns: the sum of large or adjusted amounts, and how many of its events have no
    rate, or were retracted."""

    amount: int = 0
    rateless: int = 0
    retracted: int = 0


class StepSums:
    """Sums by window, row and step, over all groupings of a layout.

    A change of a sum is kept at the window where it begins to be in force, and taken back after the last one: those of
    a window are the running sums. An attempt that counts in all windows is added once.
    """

    def __init__(self, layout: Layout, windows: int, steps: int) -> None:
        self._layout = layout
        self._windows, self._steps = windows, steps
        self._version = -1
        self._starts = [0 for _ in (*layout.groupings, 0)]
        self._reached: Column = np.zeros((windows, 0, steps), np.int64)
        self._spans = self._low = self._high = self._reached
        self.beyond: defaultdict[tuple[int, int, int], defaultdict[int, Beyond]] = defaultdict(
            lambda: defaultdict(Beyond)
        )
        """By window, grouping and step, and then by row."""

    def add(self, changes: Changes) -> None:
        """Count attempts in and out."""
        self._fit()
        ends = np.flatnonzero(changes.high < self._windows)
        window = np.concatenate([changes.low, changes.high[ends]])
        at = np.concatenate([np.arange(len(changes.low)), ends])
        sign = np.concatenate([changes.sign, -changes.sign[ends]])
        rows = changes.rows[:, at] + np.array(self._starts[:-1])[:, None]
        cells = (rows + window * self._starts[-1]) * self._steps
        np.add.at(self._reached.reshape(-1), (cells + changes.depth[at]).reshape(-1), np.tile(sign, len(rows)))
        self._weigh(self._spans, cells, changes.spans[at], sign)
        if changes.amounts is not None:
            amounts = changes.amounts[at]
            self._weigh(self._low, cells, amounts & ((1 << LIMB) - 1), sign)
            if (amounts >> LIMB).any():
                self._weigh(self._high, cells, amounts >> LIMB, sign)

    def _weigh(self, sums: Column, cells: Column, amounts: Column, sign: Column) -> None:
        which, step = np.nonzero(amounts > 0)
        added = amounts[which, step] * sign[which]
        np.add.at(sums.reshape(-1), (cells[:, which] + step).reshape(-1), np.tile(added, len(cells)))

    def counts(self, window: int, g: int) -> Column:
        """How many attempts came to each step, by row of a grouping."""
        by_depth = self._block("_reached", window, g)
        counts: Column = by_depth[:, ::-1].cumsum(axis=1)[:, ::-1]
        return counts

    def spans(self, window: int, g: int) -> Column:
        """Sums of the milliseconds since the step before, by row and step."""
        return self._block("_spans", window, g)

    def amounts(self, window: int, g: int) -> tuple[Column, Column]:
        """Sums of what the events stand at, by row and step: of the lower limbs and of the higher."""
        return self._block("_low", window, g), self._block("_high", window, g)

    def _block(self, name: str, window: int, g: int) -> Column:
        self._fit()
        first = self._starts[g]
        block: Column = getattr(self, name)[: window + 1, first : first + len(self._layout.keys[g])].sum(axis=0)
        return block

    def _fit(self) -> None:
        """Follow the layout."""
        layout = self._layout
        if self._version == layout.version:
            return
        starts, before = layout.starts, self._starts
        for name in _CELLS:
            cells, wider = getattr(self, name), np.zeros((self._windows, starts[-1], self._steps), np.int64)
            for start, old, end in zip(starts, before, before[1:], strict=False):
                wider[:, start : start + end - old] = cells[:, old:end]
            setattr(self, name, wider)
        self._version, self._starts = layout.version, starts

    def note(self, windows: range, rows: Sequence[int], step: int, beyond: Beyond, sign: int) -> None:
        """Count what an event of an attempt is beyond its columns in or out; it is in these rows of the groupings."""
        for window in windows:
            for g, row in enumerate(rows):
                cells = self.beyond[window, g, step]
                cell = cells[row]
                cell.amount += sign * beyond.amount
                cell.rateless += sign * beyond.rateless
                cell.retracted += sign * beyond.retracted
                if cell == Beyond():
                    del cells[row]
