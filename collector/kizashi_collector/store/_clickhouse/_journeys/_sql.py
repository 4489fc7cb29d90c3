"""Journeys with the texts of what they are credited to."""

from __future__ import annotations

from collections.abc import Sequence

from kizashi_collector.analysis import Ladder
from kizashi_collector.store._clickhouse._amounts import Amounts
from kizashi_collector.store._clickhouse._journeys._credit import Credit
from kizashi_collector.store._clickhouse._journeys._found import found_sql
from kizashi_collector.store._clickhouse._planned import planned
from kizashi_collector.store._clickhouse._sql import Parameters, View

__all__ = ["journeys_sql"]


def journeys_sql(
    ladder: Ladder,
    view: View,
    as_of: int,
    parameters: Parameters,
    amounts: Amounts,
    fields: Sequence[str],
    *,
    begun_after: int | None = None,
) -> str:
    """A SELECT of journeys as they stand at as_of, a row each; times are milliseconds, money micros.

    actor_key, begin; sourced, whether it is credited to a source, and k0, k1, …, the fields of that, '' where missing;
    deepest (0 to steps, or `ladder.final` of a lone final); reached_0, reached_1, … (-1: never); ended (0 not yet, 1
    converted, 2 retracted), end (-1: not yet), final, its name (''); brought, 0 unless converted, NULL where no rate
    leads to the plan's currency. With `begun_after` only those that began later.
    """
    credit = Credit.of(fields, parameters)
    found = found_sql(ladder, view, as_of, parameters, amounts, credit, begun_after=begun_after)
    names = parameters.add(["", *ladder.depths], "Array(String)")
    texts = "".join(f" k{place}," for place in range(len(fields)))
    reached = ", ".join(f"reached_{depth}" for depth in range(ladder.final))
    named = ""
    if fields:
        where = planned(ladder, view, as_of, parameters, begun_after)
        named = f" GLOBAL ANY LEFT JOIN ({credit.names_sql(view, where)}) AS named USING source"
    return f"""
SELECT actor_key, begin, source != 0 AS sourced,{texts} deepest, {reached},
    ended, end, {names}[number + 1] AS final, brought
FROM ({found}
) AS found{named}"""
