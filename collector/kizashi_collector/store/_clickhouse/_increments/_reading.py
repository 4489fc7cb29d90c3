"""Reading events for the ledger: whose journeys may have changed, the histories of these actors, and single events.

What comes here is integers, of the actors alone whose journeys may have changed, and a share of them at a time; texts
are read of the events alone that something is told of. An event is known by a number that tells its day, its batch and
its place there, and whether it has a source.

Long lists are looked up by a query in a query: a value of more than 65,536 in `IN` is gone through for each row.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

from msgspec import Struct

from kizashi_collector.analysis import Ladder, LoggedEvent
from kizashi_collector.store._clickhouse._planned import planned
from kizashi_collector.store._clickhouse._rows import COLUMN_NAMES, DIMENSIONS, event_of
from kizashi_collector.store._clickhouse._seen import Seen, changed
from kizashi_collector.store._clickhouse._settled import Edge
from kizashi_collector.store._clickhouse._sql import Ask, Parameters, View
from kizashi_collector.store._increments import History

__all__ = ["Reading", "has_source"]

_DAY_MS = 86_400_000
_BIAS = 1 << 20  # days before 1970 have numbers as well
_TOLD = ("id", "name", "time", "value", "currency", "order_id", *DIMENSIONS, "more")
_NONE: Mapping[str, Any] = {
    "batch": 0,
    "n": 0,
    "sourced": False,
    "received_at": 0,
    "actor": "",
    "currency_defaulted": False,
    "session": "",
    "adjust": 0,
    "properties": {},
    "consent": {},
    "shift": 0,
    "imported": False,
}


def _number(time: int, batch: int, n: int, sourced: bool) -> int:
    return (int(time / _DAY_MS) + _BIAS) << 97 | batch << 33 | n << 1 | sourced


def _row(number: int) -> int:
    return number >> 1 & (1 << 96) - 1


def _day(number: int) -> int:
    return (number >> 97) - _BIAS


def has_source(number: int) -> bool:
    """Whether an event has a source."""
    return bool(number & 1)


class Reading(Struct, frozen=True):
    """The planned events of a view as they stand at as_of, of the actors of a `share` of so many."""

    ask: Ask
    ladder: Ladder
    view: View
    as_of: int
    share: int
    shares: int

    def count(self) -> int:
        """How many planned events there are, of all actors."""
        parameters = Parameters()
        sql = f"SELECT count() FROM {self.view.table} WHERE {planned(self.ladder, self.view, self.as_of, parameters)}"
        return int(self.ask(sql, parameters.values)[0][0])

    def touched(self, before: Seen, now: Seen, edges: tuple[Edge, ...]) -> set[int]:
        """The actors of all shares with events that are new, or count no more, or whose time was still to come."""
        parameters = Parameters()
        parts = [
            f"SELECT actor_key FROM {view.table} WHERE {planned(self.ladder, view, self.as_of, parameters)}"
            for view in changed(before, now, edges)
        ]
        (found,) = self.ask(" UNION DISTINCT ".join(parts), parameters.values)
        return set(found)

    def adjusted(self, before: Seen, now: Seen, edges: tuple[Edge, ...]) -> dict[int, int]:
        """The events of which adjustments are new, or no longer count, or came into force: the actor of each."""
        orders = " UNION DISTINCT ".join(
            f"SELECT order_key FROM {view.table} WHERE {view.where} AND adjust != 0"
            for view in changed(before, now, edges)
        )
        columns = self.ask(f"SELECT time, batch, n FROM orders WHERE order_key GLOBAL IN ({orders})", {})
        numbers = [_number(time, batch, n, False) for time, batch, n in zip(*columns, strict=True)]
        found = self._at(numbers, ("actor_key",))
        return {number: actor for number, (actor,) in found}

    def histories(self, actors: Collection[int] | None, names: dict[int, str]) -> Iterator[History]:
        """The histories of these actors, or all, without those of whom there is no event; `names` is to hold their
        names."""
        parameters = Parameters()
        known = list(self.ladder.depths)
        ranks = [self.ladder.rank(self.ladder.depths[name]) for name in known]
        where = planned(self.ladder, self.view, self.as_of, parameters)
        if self.shares > 1:
            where += f" AND actor_key % {self.shares} = {self.share}"
        if actors is not None:
            where += f" AND actor_key IN (SELECT arrayJoin({parameters.add(sorted(actors), 'Array(UInt128)')}))"
        rank = (
            f"transform(name, {parameters.add(known, 'Array(String)')}, "
            f"{parameters.add(ranks, 'Array(UInt16)')}, toUInt16(0))"
        )
        columns = self.ask(
            f"""
            SELECT actor_key, actor_name, events.1, events.2, events.3, events.4, events.5 FROM (
                SELECT actor_key, any(actor) AS actor_name,
                    arraySort(groupArray((time, {rank}, batch, n, sourced))) AS events
                FROM {self.view.table} WHERE {where} GROUP BY actor_key
            ) ORDER BY actor_key""",
            parameters.values,
        )
        depths = self.ladder.depths_by_rank().tolist()
        for actor, name, times, turns, batches, ns, sourced in zip(*columns, strict=True):
            names[actor] = name
            events = list(map(_number, times, batches, ns, sourced))
            yield History(actor, times, [depths[turn] for turn in turns], sourced, events)

    def events_at(self, numbers: Sequence[int]) -> Iterator[tuple[int, LoggedEvent]]:
        """The events with these numbers, as far as something is told of them."""
        for number, row in self._at(numbers, _TOLD):
            of_row = dict(zip(_TOLD, row, strict=True))
            yield number, event_of([of_row.get(name, _NONE.get(name)) for name in COLUMN_NAMES])

    def adjustments(self, events: Collection[LoggedEvent]) -> list[LoggedEvent]:
        """The adjustments of these events that are in force."""
        orders = sorted({(event.name, event.order) for event in events if event.order is not None})
        some = f"FROM {self.view.table} WHERE {self.view.where} AND adjust != 0"
        if not orders or not self.ask(f"SELECT 1 {some} LIMIT 1", {})[0]:
            return []
        parameters = Parameters()
        asked = parameters.add(orders, "Array(Tuple(String, String))")
        until = parameters.add(self.as_of, "Int64")
        columns = self.ask(
            f"SELECT {', '.join(COLUMN_NAMES)} {some} "
            f"AND time <= {until} AND (toString(name), order_id) IN (SELECT arrayJoin({asked}))",
            parameters.values,
        )
        return [event_of(row) for row in zip(*columns, strict=True)]

    def _at(self, numbers: Sequence[int], columns: Sequence[str]) -> Iterator[tuple[int, Sequence[Any]]]:
        """Some columns of the events with these numbers; whether they say that there is a source does not matter."""
        if not numbers:
            return
        parameters = Parameters()
        # Days tell where to look: rows lie by day.
        days = parameters.add(sorted({_day(number) for number in numbers}), "Array(Int64)")
        rows = parameters.add(list(map(_row, numbers)), "Array(UInt128)")
        found = self.ask(
            f"SELECT time, batch, n, sourced, {', '.join(columns)} FROM {self.view.table} WHERE {self.view.where} "
            f"AND adjust = 0 AND intDiv(time, {_DAY_MS}) IN {days} "
            f"AND toUInt128(batch) * {1 << 32} + n IN (SELECT arrayJoin({rows}))",
            parameters.values,
        )
        for time, batch, n, sourced, *row in zip(*found, strict=True):
            yield _number(time, batch, n, sourced), row
