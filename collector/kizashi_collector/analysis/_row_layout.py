"""Which keys make which rows of an answer, worked out once for all answers with the same rows."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from kizashi_collector.analysis._table import Column
from kizashi_collector.analysis._values import Evidence, FittedKeys, Kin, Members, Parts

__all__ = ["FitLayout", "RowLayout"]

Key = tuple[str, ...]


class FitLayout(Struct, frozen=True, eq=False):
    """Where rows stand in a fit: `row` and `place` name each pair of a row and a place of the fit, and `pair` that of
    each key; what they have in common, and what they rest on, by row and all together."""

    fitted: FittedKeys
    row: Column
    place: Column
    pair: Column
    kin: Kin
    kin_together: Kin
    evidence: Evidence
    evidence_together: Evidence

    @classmethod
    def of(cls, fitted: FittedKeys, of_keys: Sequence[Key], row_of: Column, rows: int, known: Column) -> FitLayout:
        """The places of keys, each in a row. `known` tells the row of each key of the fit, −1 where it is in none: one
        that has no journey now still has evidence of what others like it came to."""
        places = np.array([fitted.place(key) for key in of_keys], np.int64)
        pairs, pair = np.unique(row_of * fitted.places + places, return_inverse=True)
        row, place = np.divmod(pairs, fitted.places)
        others = np.flatnonzero(known >= 0)
        members = np.unique(np.concatenate([pairs, known[others] * fitted.places + others]))
        everywhere = np.unique(np.concatenate([places, np.arange(len(known))]))
        return cls(
            fitted=fitted,
            row=row,
            place=place,
            pair=pair,
            kin=Kin.among(fitted, row, place),
            kin_together=Kin.among(fitted, np.zeros_like(row), place),
            evidence=Evidence.of(fitted, Members(*np.divmod(members, fitted.places)), rows),
            evidence_together=Evidence.of(fitted, Members(np.zeros_like(everywhere), everywhere), 1),
        )

    def parts(self, open_cells: NDArray[np.int32]) -> Parts:
        """What each pair has; in an order that does not hang on that of the keys."""
        if len(self.row) == len(self.pair):
            counts = np.empty_like(open_cells)
            counts[self.pair] = open_cells
        else:
            counts = np.zeros((len(self.row), *open_cells.shape[1:]), np.int32)
            np.add.at(counts, self.pair, open_cells)
        return Parts.whole(self.fitted, self.row, self.place, counts, self.kin)


class RowLayout(Struct, frozen=True, eq=False):
    """The rows of an answer, in the order of their `keys`; `row_of` tells the row of each of `of_keys`. It serves as
    long as these, those that are there anyway (`also`), and the fit are the same.

    `shown_at` tells where each row stands in `also`, −1 where it does not, and is None where both are the same.
    """

    of_keys: Sequence[Key]
    also: Sequence[Key]
    keys: Sequence[Key]
    row_of: Column
    shown_at: Column | None
    of_fit: FitLayout | None

    @classmethod
    def of(
        cls,
        of_keys: Sequence[Key],
        fields: Sequence[str],
        by: Sequence[str],
        fitted: FittedKeys | None,
        also: Sequence[Key] = (),
    ) -> RowLayout:
        """The rows by some of the `fields` that keys are made of. `fitted` is what was learned for these keys, and
        `also` names rows that are to be there, whether any journey is credited to them or not.
        """
        at = [fields.index(field) for field in by]
        shown = [tuple(key[place] for place in at) for key in of_keys]
        keys = sorted({*shown, *also})
        number = {key: row for row, key in enumerate(keys)}
        place_of = {key: place for place, key in enumerate(also)}
        row_of = np.array([number[key] for key in shown], np.int64)
        of_fit = None
        if fitted is not None:
            of_known = [number.get(tuple(key[place] for place in at), -1) for key in fitted.fit.keys]
            of_fit = FitLayout.of(fitted, of_keys, row_of, len(keys), np.array(of_known, np.int64))
        return cls(
            of_keys=of_keys,
            also=also,
            keys=keys,
            row_of=row_of,
            shown_at=None if keys == list(also) else np.array([place_of.get(key, -1) for key in keys], np.int64),
            of_fit=of_fit,
        )

    def serves(self, of_keys: Sequence[Key], fitted: FittedKeys | None, also: Sequence[Key]) -> bool:
        """Whether it is still that of these."""
        of_fit = None if self.of_fit is None else self.of_fit.fitted
        return of_fit is fitted and self.of_keys == of_keys and self.also == also
