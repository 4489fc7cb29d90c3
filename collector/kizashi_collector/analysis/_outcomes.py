"""From what journeys add up to, and what was learned of such journeys, to the outcome of each row of a summary."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from kizashi_collector.analysis._events import Interval
from kizashi_collector.analysis._journeys import CONVERTED, Journeys, Ladder
from kizashi_collector.analysis._row_layout import RowLayout
from kizashi_collector.analysis._summary import Outcome
from kizashi_collector.analysis._summary_rows import Amounts, OutcomeColumns, amounts
from kizashi_collector.analysis._table import Column
from kizashi_collector.analysis._values import Casts, LagGrid, casts

__all__ = ["Judge", "Outcomes", "RowCells", "fit_groupings"]

_MINUTE_MS = 60_000
_LIMB = 26
_LOW = (1 << _LIMB) - 1
_LARGE = float(1 << 61)
Floats = NDArray[np.float64]
Key = tuple[str, ...]
Judge = Callable[[float], str | None]
"""Why a row with this much evidence is not ready, or None."""


class RowCells(Struct, frozen=True, eq=False):
    """The journeys begun in a window, by the keys that values are learned for.

    `brought` is None where a final's currency has no rate; `open_cells` is keys × depths × bins of age.
    """

    keys: Sequence[Key]
    journeys: Column
    converted: Column
    brought: Sequence[int | None]
    open_cells: NDArray[np.int32]

    @classmethod
    def of(
        cls, journeys: Journeys, key_of_source: Sequence[Key], ladder: Ladder, grid: LagGrid, interval: Interval
    ) -> RowCells:
        """Those of the journeys, as they stand at the interval's as_of, that began in it.

        Ages are counted in whole minutes of the clock, so that numbers change as a minute begins and not in between.
        """
        (at,) = np.nonzero((journeys.begin > interval.start) & (journeys.begin <= interval.end))
        sources, which = np.unique(journeys.source[at], return_inverse=True)
        credited = [key_of_source[source] for source in sources.tolist()]
        keys = sorted(set(credited))
        number = {key: row for row, key in enumerate(keys)}
        row = np.array([number[key] for key in credited], np.int64)[which]
        counted = np.bincount(row, minlength=len(keys))
        converted = journeys.ended[at] == CONVERTED
        low = _summed(row, journeys.brought[at] & _LOW, len(keys)).tolist()
        high = _summed(row, journeys.brought[at] >> _LIMB, len(keys)).tolist()
        brought: list[int | None] = [below + (above << _LIMB) for below, above in zip(low, high, strict=True)]
        place_of = {place: n for n, place in enumerate(at.tolist())} if journeys.apart else {}
        for place, amount in journeys.apart.items():
            if place in place_of:
                of_row = int(row[place_of[place]])
                so_far = brought[of_row]
                brought[of_row] = None if so_far is None or amount is None else so_far + amount
        still = np.flatnonzero(journeys.open_at(interval.as_of, ladder.horizon_ms)[at])
        deepest = journeys.deepest[at[still]].astype(np.int64)
        reached = journeys.reached[at[still], deepest]
        minutes = interval.as_of // _MINUTE_MS - reached // _MINUTE_MS
        open_cells = np.zeros((len(keys), ladder.final, grid.bins), np.int32)
        np.add.at(open_cells, (row[still], deepest, grid.bin_of(minutes * _MINUTE_MS)), 1)
        (there,) = np.nonzero(counted)
        return cls(
            keys=[keys[place] for place in there.tolist()],
            journeys=counted[there],
            converted=np.bincount(row[converted], minlength=len(keys))[there],
            brought=[brought[place] for place in there.tolist()],
            open_cells=open_cells[there],
        )


class Outcomes(Struct, frozen=True, eq=False):
    """The outcomes of the rows of one grouping, in the order of the layout's keys, and of all together."""

    rows: OutcomeColumns
    total: Outcome

    @classmethod
    def of(cls, cells: RowCells, layout: RowLayout, judge: Judge = lambda _: "recomputing") -> Outcomes:
        """A row adds up its keys' cells; so the rows of any grouping add up to the same total, money to come included.

        `layout` is that of the cells' keys.
        """
        rows = _Rows.of(cells, layout.row_of, len(layout.keys))
        whole, fit = rows.together(), layout.of_fit
        if fit is None:
            return cls(rows.unlearned(), whole.unlearned()[0])
        parts = fit.parts(cells.open_cells)
        together = parts.together(fit.fitted, fit.kin_together)
        return cls(
            rows.learned(casts(fit.fitted, parts, fit.evidence), judge),
            whole.learned(casts(fit.fitted, together, fit.evidence_together), judge)[0],
        )


class _Rows(Struct, frozen=True, eq=False):
    """Cells added up by row."""

    journeys: Column
    converted: Column
    open: Column
    brought: Amounts

    @classmethod
    def of(cls, cells: RowCells, row_of: Column, size: int) -> _Rows:
        brought: list[int | None] = [0] * size
        for row, amount in zip(row_of.tolist(), cells.brought, strict=True):
            so_far = brought[row]
            brought[row] = None if so_far is None or amount is None else so_far + amount
        still_open = cells.open_cells.sum(axis=(1, 2), dtype=np.int64)
        return cls(
            journeys=_summed(row_of, cells.journeys, size),
            converted=_summed(row_of, cells.converted, size),
            open=_summed(row_of, still_open, size),
            brought=amounts(brought),
        )

    def together(self) -> _Rows:
        """The same in one row."""
        whole: int | None = 0
        for amount in self.brought if isinstance(self.brought, list) else self.brought.tolist():
            whole = None if whole is None or amount is None else whole + amount
        return _Rows(
            journeys=np.array([self.journeys.sum()]),
            converted=np.array([self.converted.sum()]),
            open=np.array([self.open.sum()]),
            brought=amounts([whole]),
        )

    def unlearned(self) -> OutcomeColumns:
        return OutcomeColumns(self.journeys, self.converted, self.open, self.brought)

    def learned(self, found: Casts, judge: Judge) -> OutcomeColumns:
        own: list[float | None] = [round(finals, 1) for finals in found.own.tolist()]
        borrowed: list[float | None] = [round(finals, 1) for finals in found.borrowed.tolist()]
        reason = [judge(evidence) for evidence in (found.own + found.borrowed).tolist()]
        if isinstance(self.brought, list):
            for at, amount in enumerate(self.brought):
                if amount is None:  # no rate leads to the plan's currency: nothing is known of its money
                    own[at] = borrowed[at] = None
                    reason[at] = "recomputing"
        return OutcomeColumns(
            journeys=self.journeys,
            converted=self.converted,
            open=self.open,
            brought=self.brought,
            expected=self._plus(found.money),
            low=self._plus(found.low),
            high=self._plus(np.maximum(found.low, found.high)),
            own=own,
            borrowed=borrowed,
            reason=reason,
        )

    def _plus(self, to_come: Floats) -> Amounts:
        """What was brought, and something that is not less than nothing."""
        more = np.rint(to_come)
        if isinstance(self.brought, list) or more.max(initial=0) >= _LARGE:
            brought = self.brought if isinstance(self.brought, list) else self.brought.tolist()
            return [
                None if so_far is None else so_far + round(amount)
                for so_far, amount in zip(brought, more.tolist(), strict=True)
            ]
        return self.brought + more.astype(np.int64)


def fit_groupings(summaries: Sequence[tuple[str, ...]]) -> list[tuple[str, ...]]:
    """The groupings that values are learned for: those declared that no other one covers; without any, the total.

    Whatever is asked by some of one's fields takes what was learned for it. Its order is that of the wider levels: what
    is learned for (campaign, device) leans on campaign, and that on the whole.
    """
    found: list[tuple[str, ...]] = []
    for by in dict.fromkeys(summaries):
        wider = [other for other in summaries if set(by) < set(other)]
        if by and not wider and not any(set(by) == set(other) for other in found):
            found.append(by)
    return found or [()]


def _summed(row_of: Column, numbers: Column, size: int) -> Column:
    sums = np.zeros(size, np.int64)
    np.add.at(sums, row_of, numbers)
    return sums
