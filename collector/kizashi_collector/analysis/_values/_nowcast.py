"""The nowcast: what journeys begun in a window will have brought once their horizon is over.

A row's expected value is what its journeys have brought so far plus, over its open ones, q(m, a)·μ. Its interval adds
four sources of doubt: whether each journey sells, what each sale brings, how well chances and means are known, and what
back-tests missed beyond that. What is common to all keys is added up before it is squared, so the interval of a total
is not the sum of its rows'.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from kizashi_collector.analysis._values._fitted import FittedKeys
from kizashi_collector.analysis._values._grid import Floats, Integers, LagGrid, summed
from kizashi_collector.analysis._values._grouping import group
from kizashi_collector.analysis._values._interval import HEAVY, chance_of_none, interval

__all__ = ["Casts", "Evidence", "Kin", "Members", "Nowcast", "OpenCells", "Parts", "casts", "nowcast"]

_CROWD = 64
"""So many rows of one place are not gone through one after the other."""


class OpenCells(Struct, frozen=True, eq=False):
    """How many journeys stand open, by row of the answer, place of their key in the fit (`FittedKeys.place`), deepest
    step and age bin. A row may hold many keys, and a key be in many rows."""

    row: Integers
    place: Integers
    step: Integers
    bin: Integers
    count: Integers

    @classmethod
    def of(
        cls, row: Integers, place: Integers, step: Integers, since: Integers, *, as_of: int, grid: LagGrid
    ) -> OpenCells:
        """Count journeys without a final, one entry each: when each came to its deepest step, up to `as_of`. Those
        whose horizon is over, its edge included, are left out."""
        age = as_of - np.asarray(since)
        young = np.flatnonzero(age < grid.horizon)
        found = group(row[young], place[young], step[young], grid.bin_of(age[young]))
        rows, places, steps, bins = found.columns
        return cls(rows, places, steps, bins, found.count)


class Members(Struct, frozen=True, eq=False):
    """Which keys of the fit belong to which row of the answer: each pair once, open journeys or not."""

    row: Integers
    place: Integers


class Nowcast(Struct, frozen=True):
    """One row, in micros: what was brought, what is expected in all, and where it will lie in 90 of 100 cases; the
    finals to come, the chance that there is none, and the evidence: the keys' own finals and what was borrowed."""

    brought: int
    expected: float
    low: float
    high: float
    finals_to_come: float
    none_to_come: float
    own_conversions: float
    borrowed_conversions: float


class _ToCome(Struct, frozen=True, eq=False):
    """Of each row: the mean and variance of the finals to come, and of the money."""

    count: Floats
    count_variance: Floats
    money: Floats
    money_variance: Floats


class Evidence(Struct, frozen=True, eq=False):
    """What the figures of each row rest on: finals of its keys' own, and what they borrow from outside it."""

    own: Floats
    borrowed: Floats

    @classmethod
    def of(cls, fitted: FittedKeys, members: Members, rows: int) -> Evidence:
        """Those inside a row lend each other nothing that is new."""
        family = fitted.family[members.place]
        families = int(fitted.family.max()) + 1
        kin, kin_of = np.unique(members.row * families + family, return_inverse=True)
        own = summed(kin_of, fitted.own[members.place], len(kin))
        borrowed = summed(kin_of, fitted.borrowed[members.place], len(kin))
        outside = summed(fitted.family, fitted.own, families)[kin % families] - own
        return cls(
            own=summed(members.row, fitted.own[members.place], rows),
            borrowed=summed(kin // families, np.minimum(borrowed, outside), rows),
        )


class Kin(Struct, frozen=True, eq=False):
    """A kin is the part of a row that one family has: what its keys share is added up before it is squared. `of` names
    the kin of each pair of a row and a place, and `row` the row of each kin."""

    of: Integers
    row: Integers

    @classmethod
    def among(cls, fitted: FittedKeys, row: Integers, place: Integers) -> Kin:
        """The kin of these pairs."""
        families = int(fitted.family.max()) + 1
        kin, of = np.unique(row * families + fitted.family[place], return_inverse=True)
        return cls(of, kin // families)


class Parts(Struct, frozen=True, eq=False):
    """What one key has in one row, for each such pair: Σq and Σq² over its open journeys, and Σdq/dp by transition."""

    row: Integers
    place: Integers
    kin: Kin
    finals: Floats
    alike: Floats
    slopes: Floats

    @classmethod
    def of(cls, fitted: FittedKeys, cells: OpenCells) -> Parts:
        """Add up cells, of which only those with journeys are given."""
        worth = fitted.worth
        part, index = np.unique(cells.row * fitted.places + cells.place, return_inverse=True)
        count = cells.count.astype(np.float64)
        q = worth.open[cells.step, cells.place, cells.bin]
        slopes = [
            summed(index, count * slopes[cells.step, cells.place, cells.bin], len(part)) for slopes in worth.slope
        ]
        row, place = np.divmod(part, fitted.places)
        return cls(
            row=row,
            place=place,
            kin=Kin.among(fitted, row, place),
            finals=summed(index, count * q, len(part)),
            alike=summed(index, count * q * q, len(part)),
            slopes=np.array(slopes),
        )

    @classmethod
    def whole(
        cls, fitted: FittedKeys, row: Integers, place: Integers, counts: Integers, kin: Kin | None = None
    ) -> Parts:
        """Add up all cells of pairs, each of which is there once: counts are pairs × states × age bins."""
        q, others = fitted.weights
        flat = counts.reshape(len(place), q.shape[1])
        finals = (flat * q[place]).sum(axis=1)
        sums = np.zeros((len(place), others.shape[2]))
        rest = np.arange(len(place))
        if np.bincount(place).max(initial=0) > _CROWD:
            # Whether a pair is of a crowd must not hang on pairs that have no journey.
            crowded = np.bincount(place[flat.any(axis=1)], minlength=fitted.places)[place] > _CROWD
            sums[crowded] = _of_crowd(flat[crowded], place[crowded], others)
            rest = rest[~crowded]
        while len(rest):
            # One pair of each place at a time; nearly always that is all.
            places, first = np.unique(place[rest], return_index=True)
            least, beyond = int(places[0]), int(places[-1]) + 1
            full = np.zeros((beyond - least, flat.shape[1]), np.float32)
            full[places - least] = flat[rest[first]]
            sums[rest[first]] = np.matmul(full[:, None, :], others[least:beyond])[places - least, 0, :]
            rest = np.delete(rest, first)
        return cls(row, place, kin or Kin.among(fitted, row, place), finals, sums[:, 0], sums[:, 1:].T)

    def together(self, fitted: FittedKeys, kin: Kin | None = None) -> Parts:
        """The same parts, in one row."""
        row = np.zeros_like(self.row)
        kin = kin or Kin.among(fitted, row, self.place)
        return Parts(row, self.place, kin, self.finals, self.alike, self.slopes)


def _of_crowd(counts: Integers, place: Integers, others: NDArray[np.float32]) -> Floats:
    """Σ counts·others for each pair, from the cells that have journeys: few, where there are so many pairs."""
    pair, cell = np.nonzero(counts)
    count, of = counts[pair, cell].astype(np.float64), place[pair]
    kinds = range(others.shape[2])
    return np.stack([summed(pair, count * others[of, cell, kind], len(place)) for kind in kinds], axis=1)


class Casts(Struct, frozen=True, eq=False):
    """Nowcasts by the column, one entry for each row, of what is still to come alone; see Nowcast."""

    money: Floats
    low: Floats
    high: Floats
    finals: Floats
    none: Floats
    own: Floats
    borrowed: Floats


def casts(fitted: FittedKeys, parts: Parts, evidence: Evidence) -> Casts:
    """What is to come in each row that there is evidence of. The total is that of the same parts together."""
    coming = _to_come(fitted, parts, len(evidence.own))
    none = chance_of_none(coming.count, coming.count_variance)
    heavy = fitted.fit.variation > HEAVY
    low, high = interval(coming.count, coming.count_variance, coming.money, coming.money_variance, heavy, none)
    return Casts(coming.money, low, high, coming.count, none, evidence.own, evidence.borrowed)


def nowcast(fitted: FittedKeys, cells: OpenCells | Parts, members: Members, brought: Sequence[int]) -> list[Nowcast]:
    """A nowcast for each row, `brought` naming what the journeys of each have brought so far, in micros."""
    parts = cells if isinstance(cells, Parts) else Parts.of(fitted, cells)
    found = casts(fitted, parts, Evidence.of(fitted, members, len(brought)))
    columns = (found.money, found.low, found.high, found.finals, found.none, found.own, found.borrowed)
    return [
        Nowcast(so_far, so_far + money, so_far + low, so_far + high, finals, none, own, borrowed)
        for so_far, money, low, high, finals, none, own, borrowed in zip(
            brought, *(column.tolist() for column in columns), strict=True
        )
    ]


def _to_come(fitted: FittedKeys, parts: Parts, rows: int) -> _ToCome:
    fit, row, place, finals, alike = fitted.fit, parts.row, parts.place, parts.finals, parts.alike
    common = np.zeros(rows)
    kin_of, row_of_kin, kins = parts.kin.of, parts.kin.row, len(parts.kin.row)
    shared = np.zeros(kins)
    chances, shifts = fitted.chance[:, place], np.array(fit.shift_deviation)[:, None]
    own = ((parts.slopes * fitted.deviation[:, place]) ** 2).sum(axis=0)
    of_family = parts.slopes * fitted.family_deviation[:, place]
    moved = shifts * parts.slopes * chances * (1 - chances)
    for t in range(len(moved)):
        shared += summed(kin_of, of_family[t], kins) ** 2
        common += summed(row, moved[t], rows) ** 2
    mean = fitted.mean[place]
    unsure = own + (fit.inflation * finals) ** 2
    to_come = summed(row, finals, rows)
    money = summed(row, finals * mean, rows)
    common += (fit.common_inflation * to_come) ** 2 + summed(row_of_kin, shared, rows)
    of_parts = mean**2 * (
        finals * fit.variation + finals - alike + unsure + fitted.mean_own[place] * (finals**2 + unsure)
    )
    each = np.divide(money, to_come, out=np.zeros(rows), where=to_come > 0)
    money_shared = summed(row, finals * mean * fitted.mean_borrowed[place], rows) ** 2
    money_shared += summed(row_of_kin, summed(kin_of, finals * mean * fitted.mean_family[place], kins) ** 2, rows)
    return _ToCome(
        count=to_come,
        count_variance=summed(row, finals - alike + unsure, rows) + common,
        money=money,
        money_variance=summed(row, of_parts, rows) + each**2 * common + money_shared,
    )
