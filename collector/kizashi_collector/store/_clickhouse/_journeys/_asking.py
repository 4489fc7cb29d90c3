"""Queries of journeys, as they are asked: in as many parts as memory wants, and with texts for numbers."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from msgspec import Struct

from kizashi_collector.analysis import Key, Ladder
from kizashi_collector.store._clickhouse._amounts import Amounts
from kizashi_collector.store._clickhouse._engine import Columns
from kizashi_collector.store._clickhouse._journeys._credit import Credit
from kizashi_collector.store._clickhouse._journeys._found import AT_ONCE, found_sql
from kizashi_collector.store._clickhouse._journeys._kept import KeptJourneys, walked_events
from kizashi_collector.store._clickhouse._planned import planned
from kizashi_collector.store._clickhouse._rows import DIMENSIONS
from kizashi_collector.store._clickhouse._sql import Ask, Parameters, View
from kizashi_schemas.plan import Plan

__all__ = ["Asking"]


class Asking(Struct, frozen=True):
    """The journeys of a view as they stand at `as_of`; `adjusted` tells whether it has any adjustment at all.

    Actors are taken in parts of about `at_once` planned events, one part after the other. What is `kept` is not walked
    again.
    """

    ask: Ask
    plan: Plan
    ladder: Ladder
    view: View
    as_of: int
    adjusted: bool
    at_once: int = AT_ONCE
    kept: KeptJourneys | None = None

    def kept_by(self, fields: Sequence[str]) -> KeptJourneys | None:
        """The kept journeys, where they tell enough of what they are credited to."""
        return self.kept if set(fields) <= set(DIMENSIONS) else None

    def columns(
        self, fields: Sequence[str], query: Callable[[str], str], begun_after: int | None = None
    ) -> Iterator[Columns]:
        """The columns of a query of journeys (`found_sql`) for part after part of the actors that have any."""
        kept = self.kept_by(fields)
        parts = self.parts(kept)
        for part in range(parts):
            parameters = Parameters()
            found = found_sql(
                self.ladder,
                self.view,
                self.as_of,
                parameters,
                Amounts.of(self.plan, self.view, self.as_of, parameters, adjusted=self.adjusted),
                Credit.of(fields, parameters),
                begun_after=begun_after,
                part=(part, parts),
                kept=kept,
            )
            columns = self.ask(query(found), parameters.values)
            if len(columns) and len(columns[0]):
                yield columns

    def oldest(self, kept: KeptJourneys | None = None) -> int:
        """When the first planned event happened, which begins the first journey; as_of if there is none."""
        parameters = Parameters()
        where = walked_events(self.ladder, self.view, self.as_of, parameters, kept)
        begun = f"SELECT minOrNull(time) AS begun FROM {self.view.table} WHERE {where}"
        if kept is not None:
            begun += f" UNION ALL SELECT minOrNull(begin) FROM {kept.table} WHERE {kept.others(parameters)}"
        ((oldest,),) = self.ask(f"SELECT min(begun) FROM ({begun})", parameters.values)
        return self.as_of if oldest is None else int(oldest)

    def parts(self, kept: KeptJourneys | None) -> int:
        """In how many parts journeys are walked; kept ones that stand are there in one part at least."""
        parameters = Parameters()
        where = walked_events(self.ladder, self.view, self.as_of, parameters, kept)
        ((events,),) = self.ask(f"SELECT count() FROM {self.view.table} WHERE {where}", parameters.values)
        return max(0 if kept is None else 1, -(-int(events) // self.at_once))

    def keys(self, fields: Sequence[str], since: int | None = None) -> dict[int, Key]:
        """The key of each `source` that journeys begun later than `since` may be credited to."""
        parameters = Parameters()
        credit = Credit.of(fields, parameters)
        kept = self.kept_by(fields)
        where = walked_events(self.ladder, self.view, self.as_of, parameters, kept, since)
        begun = "1" if since is None else f"begin > {parameters.add(since, 'Int64')}"
        sql = credit.names_sql(self.view, where, kept, begun)
        found = {row[0]: row[1:] for row in zip(*self.ask(sql, parameters.values), strict=True)}
        return {0: ("",) * len(fields)} | found

    def different(self, fields: Sequence[str]) -> int:
        """How many different sources planned events have, by these fields: at least as many as are credited."""
        parameters = Parameters()
        credit = Credit.of(fields, parameters)
        where = planned(self.ladder, self.view, self.as_of, parameters)
        sql = f"SELECT uniqExact({credit.source}) FROM {self.view.table} WHERE {where} AND sourced"
        [[found]] = self.ask(sql, parameters.values)
        return int(found)
