"""From what journeys add up to, and what was learned of such journeys, to the outcome of each row of a summary."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from kizashi_collector.analysis._events import Interval
from kizashi_collector.analysis._journeys import CONVERTED, Journeys, Ladder
from kizashi_collector.analysis._summary import Outcome
from kizashi_collector.analysis._table import Column
from kizashi_collector.analysis._values import FittedKeys, LagGrid, Members, Parts, nowcast

__all__ = ["Judge", "Outcomes", "RowCells", "fit_groupings"]

_MINUTE_MS = 60_000
_LIMB = 26
_LOW = (1 << _LIMB) - 1
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
        keys = sorted(set(key_of_source))
        number = {key: row for row, key in enumerate(keys)}
        row = np.array([number[key] for key in key_of_source], np.int64)[journeys.source[at]]
        counted = np.bincount(row, minlength=len(keys))
        converted = journeys.ended[at] == CONVERTED
        low = _summed(row, journeys.brought[at] & _LOW, len(keys))
        high = _summed(row, journeys.brought[at] >> _LIMB, len(keys))
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
    """The outcomes of the rows of one grouping, and of all together."""

    rows: Mapping[Key, Outcome]
    total: Outcome

    @classmethod
    def of(
        cls,
        cells: RowCells,
        fields: Sequence[str],
        by: Sequence[str],
        fitted: FittedKeys | None,
        judge: Judge = lambda _: "recomputing",
        also: Sequence[Key] = (),
    ) -> Outcomes:
        """The rows by some of the `fields` that the cells' keys are made of. `fitted` is what was learned for them, and
        `also` names rows that are to be there, whether any journey is credited to them or not.

        A row adds up its keys' cells; so the rows of any grouping add up to the same total, money to come included.
        """
        at = [fields.index(field) for field in by]
        shown = [tuple(key[place] for place in at) for key in cells.keys]
        keys = list(dict.fromkeys([*shown, *also]))
        number = {key: row for row, key in enumerate(keys)}
        row_of = np.array([number[key] for key in shown], np.int64)
        rows = _Rows(cells, row_of, len(keys))
        whole = _Rows(cells, np.zeros(len(shown), np.int64), 1)
        if fitted is None:
            return cls(dict(zip(keys, rows.unlearned(), strict=True)), whole.unlearned()[0])
        places = np.array([fitted.place(key) for key in cells.keys], np.int64)
        # A key without a journey in the window still has evidence of what others like it came to.
        known = [(number.get(tuple(key[place] for place in at)), place) for place, key in enumerate(fitted.fit.keys)]
        members = {(row, place) for row, place in known if row is not None}
        members |= set(zip(row_of.tolist(), places.tolist(), strict=True))
        everywhere = {place for _, place in known} | set(places.tolist())
        parts = _parts(fitted, row_of, places, cells.open_cells)
        return cls(
            dict(zip(keys, rows.learned(fitted, parts, sorted(members), judge), strict=True)),
            whole.learned(fitted, parts.together(), [(0, place) for place in sorted(everywhere)], judge)[0],
        )


class _Rows:
    """Cells added up by row."""

    def __init__(self, cells: RowCells, row_of: Column, size: int) -> None:
        self.journeys = _summed(row_of, cells.journeys, size)
        self.converted = _summed(row_of, cells.converted, size)
        self.open = _summed(row_of, cells.open_cells.sum(axis=(1, 2), dtype=np.int64), size)
        self.brought: list[int | None] = [0] * size
        for row, amount in zip(row_of.tolist(), cells.brought, strict=True):
            so_far = self.brought[row]
            self.brought[row] = None if so_far is None or amount is None else so_far + amount

    def unlearned(self) -> list[Outcome]:
        return [
            Outcome(journeys, converted, still_open, brought)
            for journeys, converted, still_open, brought in zip(
                self.journeys, self.converted, self.open, self.brought, strict=True
            )
        ]

    def learned(
        self, fitted: FittedKeys, parts: Parts, members: Sequence[tuple[int, int]], judge: Judge
    ) -> list[Outcome]:
        pairs = np.array(members, np.int64).reshape(-1, 2)
        found = nowcast(fitted, parts, Members(pairs[:, 0], pairs[:, 1]), [amount or 0 for amount in self.brought])
        outcomes = []
        for at, row in enumerate(self.unlearned()):
            if row.brought is None:  # no rate leads to the plan's currency: nothing is known of its money
                outcomes.append(row)
                continue
            cast = found[at]
            low = max(row.brought, round(cast.low))
            outcomes.append(
                Outcome(
                    journeys=row.journeys,
                    converted=row.converted,
                    open=row.open,
                    brought=row.brought,
                    expected=round(cast.expected),
                    low=low,
                    high=max(low, round(cast.high)),
                    own=round(cast.own_conversions, 1),
                    borrowed=round(cast.borrowed_conversions, 1),
                    reason=judge(cast.own_conversions + cast.borrowed_conversions),
                )
            )
        return outcomes


def _parts(fitted: FittedKeys, row_of: Column, places: Column, open_cells: NDArray[np.int32]) -> Parts:
    """What each key has in each row, in an order that does not hang on that of the cells."""
    pair, index = np.unique(row_of * fitted.places + places, return_inverse=True)
    if len(pair) == len(index):
        counts = np.empty_like(open_cells)
        counts[index] = open_cells
    else:
        counts = np.zeros((len(pair), *open_cells.shape[1:]), np.int32)
        np.add.at(counts, index, open_cells)
    return Parts.whole(fitted, pair // fitted.places, pair % fitted.places, counts)


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


def _summed(row_of: Column, numbers: Column, size: int) -> list[int]:
    sums = np.zeros(size, np.int64)
    np.add.at(sums, row_of, numbers)
    return sums.tolist()
