"""Rows of a summary by the column: hundreds of them are put together, and written, without looking at each number."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import overload

import numpy as np
from msgspec import Struct

from kizashi_collector.analysis._summary import EventFigures, Figures, Outcome
from kizashi_collector.analysis._table import Column

__all__ = ["Amounts", "OutcomeColumns", "SummaryRows", "amount_at", "amounts"]

Key = tuple[str, ...]
Amounts = Column | list[int | None]
"""Money in micros, one entry for each row; a list where one of them has no number, or needs more than 64 bits."""

_MOST = 1 << 62


class OutcomeColumns(Struct, frozen=True, eq=False):
    """Outcomes by the column; see Outcome. The last six are None, or hold None, before anything was learned."""

    journeys: Column
    converted: Column
    open: Column
    brought: Amounts
    expected: Amounts | None = None
    low: Amounts | None = None
    high: Amounts | None = None
    own: list[float | None] | None = None
    borrowed: list[float | None] | None = None
    reason: list[str | None] | None = None

    @classmethod
    def of(cls, rows: Sequence[Outcome]) -> OutcomeColumns:
        """The columns of outcomes, all of which, or none, were learned for."""
        journeys, converted, still_open = (
            np.array([getattr(row, name) for row in rows], np.int64) for name in ("journeys", "converted", "open")
        )
        brought, expected, low, high = (
            amounts([getattr(row, name) for row in rows]) for name in ("brought", "expected", "low", "high")
        )
        return cls(
            *(journeys, converted, still_open),
            brought=brought,
            expected=expected,
            low=low,
            high=high,
            own=[row.own for row in rows],
            borrowed=[row.borrowed for row in rows],
            reason=[row.reason for row in rows],
        )

    def __getitem__(self, at: int) -> Outcome:
        """The outcome of one row."""
        counts = int(self.journeys[at]), int(self.converted[at]), int(self.open[at])
        brought = amount_at(self.brought, at)
        if self.own is None or self.borrowed is None or self.reason is None:
            return Outcome(*counts, brought)
        expected, low, high = (amount_at(column, at) for column in (self.expected, self.low, self.high))
        return Outcome(*counts, brought, expected, low, high, self.own[at], self.borrowed[at], self.reason[at])

    def take(self, places: Column) -> OutcomeColumns:
        """The outcomes of these rows, in this order."""
        listed = places.tolist()

        def taken(column: Amounts) -> Amounts:
            return [column[at] for at in listed] if isinstance(column, list) else column[places]

        return OutcomeColumns(
            journeys=self.journeys[places],
            converted=self.converted[places],
            open=self.open[places],
            brought=taken(self.brought),
            expected=None if self.expected is None else taken(self.expected),
            low=None if self.low is None else taken(self.low),
            high=None if self.high is None else taken(self.high),
            own=None if self.own is None else [self.own[at] for at in listed],
            borrowed=None if self.borrowed is None else [self.borrowed[at] for at in listed],
            reason=None if self.reason is None else [self.reason[at] for at in listed],
        )


class SummaryRows(Sequence[Figures]):
    """Rows by the column; each one is there as `Figures` for whoever asks for it.

    `counts`, `event_actors` and `values` are rows × names; `values` is a list of rows where an amount has no number, or
    a large one. `final` and `declared` are None where no row has them.
    """

    __slots__ = ("actors", "counts", "declared", "event_actors", "final", "keys", "names", "outcomes", "values")

    def __init__(
        self,
        keys: Sequence[Key],
        names: Sequence[str],
        actors: Column,
        counts: Column,
        event_actors: Column,
        values: Column | list[list[int | None]],
        final: Amounts | None,
        declared: Amounts | None,
        outcomes: OutcomeColumns | None = None,
    ) -> None:
        self.keys, self.names, self.actors = keys, names, actors
        self.counts, self.event_actors, self.values = counts, event_actors, values
        self.final, self.declared, self.outcomes = final, declared, outcomes

    @classmethod
    def of(cls, rows: Sequence[Figures], names: Sequence[str]) -> SummaryRows:
        """The columns of rows, each of which has these names, and all or none an outcome."""
        if isinstance(rows, SummaryRows):
            return rows
        events = [[row.events[name] for name in names] for row in rows]
        outcomes = [row.outcome for row in rows if row.outcome is not None]
        shape = (len(rows), len(names))
        return cls(
            keys=[row.key for row in rows],
            names=names,
            actors=np.array([row.actors for row in rows], np.int64),
            counts=np.array([[event.count for event in row] for row in events], np.int64).reshape(shape),
            event_actors=np.array([[event.actors for event in row] for row in events], np.int64).reshape(shape),
            values=[[event.value for event in row] for row in events],
            final=[row.final_value for row in rows],
            declared=[row.declared_value for row in rows],
            outcomes=OutcomeColumns.of(outcomes) if len(outcomes) == len(rows) else None,
        )

    def with_outcomes(self, outcomes: OutcomeColumns) -> SummaryRows:
        """The same rows with these outcomes, which stand in the same order."""
        return SummaryRows(
            *(self.keys, self.names, self.actors, self.counts, self.event_actors, self.values),
            *(self.final, self.declared, outcomes),
        )

    def spread(self, keys: Sequence[Key], places: Column) -> SummaryRows:
        """Rows with these keys: each is the one that stands at its place here, or at −1 one of which nothing came."""

        def column(found: Column) -> Column:
            return np.concatenate([found, np.zeros_like(found[:1], shape=(1, *found.shape[1:]))])[places]

        values: Column | list[list[int | None]]
        if isinstance(self.values, list):
            nothing: list[int | None] = [0] * len(self.names)
            values = [self.values[at] if at >= 0 else nothing for at in places.tolist()]
        else:
            values = column(self.values)
        final, declared = (
            [found[at] if at >= 0 else 0 for at in places.tolist()]
            if isinstance(found, list)
            else (None if found is None else column(found))
            for found in (self.final, self.declared)
        )
        counted = (column(self.actors), column(self.counts), column(self.event_actors))
        return SummaryRows(keys, self.names, *counted, values, final, declared)

    def __len__(self) -> int:
        return len(self.keys)

    @overload
    def __getitem__(self, at: int) -> Figures: ...
    @overload
    def __getitem__(self, at: slice) -> list[Figures]: ...
    def __getitem__(self, at: int | slice) -> Figures | list[Figures]:
        if isinstance(at, slice):
            return [self[place] for place in range(*at.indices(len(self)))]
        counts, actors = self.counts[at].tolist(), self.event_actors[at].tolist()
        values = self.values[at] if isinstance(self.values, list) else self.values[at].tolist()
        return Figures(
            key=self.keys[at],
            actors=int(self.actors[at]),
            events=dict(zip(self.names, map(EventFigures, counts, actors, values), strict=True)),
            final_value=amount_at(self.final, at),
            declared_value=amount_at(self.declared, at),
            outcome=None if self.outcomes is None else self.outcomes[at],
        )

    def __iter__(self) -> Iterator[Figures]:
        return map(self.__getitem__, range(len(self)))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sequence) and list(self) == list(other)

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return repr(list(self))


def amounts(numbers: list[int | None]) -> Amounts:
    """Amounts as a column, if that holds them."""
    whole = [number for number in numbers if number is not None and -_MOST < number < _MOST]
    return np.array(whole, np.int64) if len(whole) == len(numbers) else numbers


def amount_at(column: Amounts | None, at: int) -> int | None:
    """One amount."""
    if column is None:
        return None
    found = column[at]
    return None if found is None else int(found)
