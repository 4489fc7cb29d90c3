"""Whose journeys have changed since they were walked, by something that happened before that."""

from __future__ import annotations

from kizashi_collector.analysis import Ladder
from kizashi_collector.store._clickhouse._planned import planned
from kizashi_collector.store._clickhouse._seen import Seen, changed
from kizashi_collector.store._clickhouse._settled import Edge
from kizashi_collector.store._clickhouse._sql import Ask, Parameters

__all__ = ["changed_actors"]

_DAY_MS = 86_400_000


def changed_actors(
    ask: Ask, before: Seen, now: Seen, edges: tuple[Edge, ...], ladder: Ladder, most: int
) -> set[int] | None:
    """The actors of planned events that count by only one of the two, or bring something else, and happened by the
    time of the first; None where there are more than `most`. Of what is before the `edges` nothing is known."""
    until = before.as_of
    late, _ = changed(before, Seen(until, now.sealed, now.dead, now.batches, now.losses), edges)
    parameters = Parameters()
    where = planned(ladder, late, until, parameters)
    (actors,) = ask(f"SELECT DISTINCT actor_key FROM {late.table} WHERE {where} LIMIT {most + 1}", parameters.values)
    orders = set[int]()
    for view in changed(before, now, edges):
        said = f"SELECT DISTINCT order_key FROM {view.table} WHERE {view.where} AND adjust != 0 LIMIT {most + 1}"
        orders.update(ask(said, {})[0])
    if len(actors) > most or len(orders) > most:
        return None
    if not orders:
        return set(actors)
    parameters = Parameters()
    asked = f"(SELECT arrayJoin({parameters.add(sorted(orders), 'Array(UInt128)')}))"
    # Days tell where to look: rows lie by day.
    days = f"SELECT DISTINCT intDiv(time, {_DAY_MS}) FROM orders WHERE order_key IN {asked}"
    (adjusted,) = ask(
        f"SELECT DISTINCT actor_key FROM {late.table} "
        f"WHERE adjust = 0 AND intDiv(time, {_DAY_MS}) GLOBAL IN ({days}) AND order_key IN {asked}",
        parameters.values,
    )
    return {*actors, *adjusted}
