"""The summary of a table: the same numbers as `summarize`, counted by the column, a block of events at a time."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

import numpy as np

from kizashi_collector.analysis._events import Interval, LoggedEvent
from kizashi_collector.analysis._matching import Check
from kizashi_collector.analysis._row_worths import RowWorths
from kizashi_collector.analysis._summary import LATE_AFTER_MS, EventFigures, Figures, Summary
from kizashi_collector.analysis._table import CodeColumn, Codes, Column, EventTable
from kizashi_collector.analysis._table_actors import ActorCounts, Actors
from kizashi_collector.analysis._table_money import Money
from kizashi_collector.analysis._table_sums import Amounts, CellSums
from kizashi_collector.analysis._worth import Worth
from kizashi_schemas.plan import Plan

__all__ = ["summarize_table"]

_BLOCK = 1 << 17
_UNKNOWN = -1


def summarize_table(
    table: EventTable | Iterable[EventTable],
    codes: Codes,
    *,
    plan: Plan | None,
    worth: Worth,
    adjusted: Mapping[int, LoggedEvent],
    interval: Interval,
    by: tuple[str, ...] = (),
    check: Check = lambda: None,
) -> Summary:
    """Count the events of the interval by source fields; see `summarize`.

    A table may come in parts, all of one moment of the log, and none is kept. `adjusted` holds those events, by their
    number, that `worth` knows adjustments of. `check` is called for each block of about 100,000 events.
    """
    tally: _Tally | None = None
    late = 0
    for events in _blocks([table] if isinstance(table, EventTable) else table, interval):
        check()
        late += int(np.count_nonzero((events.received_at - events.time > LATE_AFTER_MS) & ~events.imported))
        if tally is None:  # now that events were read, no later name or source is among them
            tally = _Tally(codes, plan, worth, adjusted, by)
        tally.add(events)
    check()
    return (tally or _Tally(codes, plan, worth, adjusted, by)).summary(late)


def _blocks(tables: Iterable[EventTable], interval: Interval) -> Iterator[EventTable]:
    for table in tables:
        for begin in range(0, len(table), _BLOCK):
            part = table if len(table) <= _BLOCK else table.part(begin, begin + _BLOCK)
            inside = (part.time > interval.start) & (part.time <= interval.end)
            yield part if inside.all() else part.only(inside)


class _Tally:
    """What was counted so far. A cell is one name in one row, and those of a row lie together."""

    def __init__(
        self,
        codes: Codes,
        plan: Plan | None,
        worth: Worth,
        adjusted: Mapping[int, LoggedEvent],
        by: tuple[str, ...],
    ) -> None:
        self._codes, self._plan, self._worth, self._adjusted = codes, plan, worth, adjusted
        known = list(codes.names)
        self._names = known if plan is None else list(plan.events)
        places = {name: at for at, name in enumerate(self._names)}
        self._place = np.array([places.get(name, -1) if code else -1 for code, name in enumerate(known)], np.int64)
        self._rows = _Rows(codes, by)
        self._sums = CellSums()
        self._actors = Actors(len(self._names))
        self._retracted: list[tuple[Column, Column, CodeColumn]] = []

    def add(self, events: EventTable) -> None:
        """Count events of the interval."""
        place = self._place[events.name]
        if self._plan is not None and not (planned := place >= 0).all():
            events, place = events.only(planned), place[planned]
        if not len(events):
            return
        row = self._rows.of(events.source)
        rows = len(self._rows.keys)
        money = Money.of(
            events.seq,
            events.value,
            events.currency,
            codes=self._codes,
            plan=self._plan,
            worth=self._worth,
            adjusted=self._adjusted,
        )
        self._sums.add(row * len(self._names) + place, money, rows * len(self._names))
        actor = events.actor
        if money.stands and money.retracted.any():
            gone, kept = money.retracted, ~money.retracted
            self._retracted.append((row[gone], place[gone], actor[gone]))
            row, place, actor = row[kept], place[kept], actor[kept]
        self._actors.add(row, place, actor, rows)

    def summary(self, late: int) -> Summary:
        """The figures of all rows in the order of their keys, and of the whole."""
        rows, places = len(self._rows.keys), len(self._names)
        size = rows * places
        sums, planned = self._sums, self._plan is not None
        sums.make_room(size)
        credited = actors = self._actors.counts(rows)
        if self._retracted:
            for gone in self._retracted:
                self._actors.add(*gone, rows)
            actors = self._actors.counts(rows)
        sent, stands, live = sums.sent(size, planned=planned), sums.stands(size), sums.live(size)
        counts = sums.counts[:size].tolist()
        one = [True] * places if planned else sums.one_currency(places, size)
        whole = self._figures(
            [()],
            [sum(counts[at::places]) for at in range(places)],
            [amount if one[at] else None for at, amount in enumerate(_over_rows(sent, places))],
            _over_rows(stands, places),
            [sum(live[at::places]) for at in range(places)],
            ActorCounts(actors.places, np.array([actors.whole]), actors.places, actors.whole),
            credited.places,
        )[0]
        found = self._figures(self._rows.keys, counts, sent, stands, live, actors, credited.cells)
        currencies = [self._codes.currencies[code] for code in sums.currencies]
        only = currencies[0] if len(currencies) == 1 else None
        return Summary(
            rows=sorted(found, key=lambda row: row.key) if self._rows.by else [whole],
            total=whole,
            currency=self._plan.currency if self._plan is not None else only,
            late_events=late,
        )

    def _figures(
        self,
        keys: Sequence[tuple[str, ...]],
        counts: list[int],
        sent: Amounts,
        stands: Amounts,
        live: list[int],
        actors: ActorCounts,
        credited: Column,
    ) -> list[Figures]:
        places, worths = len(self._names), RowWorths(self._plan)
        by_cell, by_row, once = actors.cells.tolist(), actors.rows.tolist(), credited.tolist()
        listed = self._listed()
        figures = []
        for at, key in enumerate(keys):
            first, beyond = at * places, (at + 1) * places
            final, declared = worths.of(stands[first:beyond], live[first:beyond], once[first:beyond])
            figures.append(
                Figures(
                    key=key,
                    actors=by_row[at],
                    events={
                        name: EventFigures(counts[first + place], by_cell[first + place], sent[first + place])
                        for name, place in listed
                    },
                    final_value=final,
                    declared_value=declared,
                )
            )
        return figures

    def _listed(self) -> list[tuple[str, int]]:
        """The names that rows list, and their places: those of the plan, or without one those that were met."""
        if self._plan is not None:
            return [(name, place) for place, name in enumerate(self._names)]
        met = self._sums.counts.reshape(-1, len(self._names)).any(axis=0)
        return sorted((self._names[place], place) for place in np.flatnonzero(met).tolist())


def _over_rows(amounts: Amounts, places: int) -> Amounts:
    whole: Amounts = []
    for at in range(places):
        column = amounts[at::places]
        known = [amount for amount in column if amount is not None]
        whole.append(sum(known) if len(known) == len(column) else None)
    return whole


class _Rows:
    """Numbers the keys of rows as they are met."""

    def __init__(self, codes: Codes, by: tuple[str, ...]) -> None:
        self.by = by
        self.keys: list[tuple[str, ...]] = [] if by else [()]
        self._sources = codes.sources
        self._places: dict[tuple[str, ...], int] = {}
        self._row = np.full(len(codes.sources), _UNKNOWN)

    def of(self, source: CodeColumn) -> Column:
        """The number of the row of each source."""
        if not self.by:
            return np.zeros(len(source), np.int64)
        row: Column = self._row[source]
        unknown = row == _UNKNOWN
        if unknown.any():
            for code in np.unique(source[unknown]).tolist():
                said = self._sources[code]
                key = tuple(said.get(field, "") for field in self.by)
                self._row[code] = self._places.setdefault(key, len(self.keys))
                if self._row[code] == len(self.keys):
                    self.keys.append(key)
            row = self._row[source]
        return row
