"""The events that journeys are made of."""

from __future__ import annotations

from kizashi_collector.analysis import Ladder
from kizashi_collector.store._clickhouse._schema import actor_key
from kizashi_collector.store._clickhouse._sql import Parameters, View

__all__ = ["planned"]

_NOBODY = actor_key("''")


def planned(ladder: Ladder, view: View, as_of: int, parameters: Parameters, since: int | None = None) -> str:
    """The condition of events that journeys are made of: planned, by an actor, in (since, as_of]."""
    names = parameters.add(list(ladder.depths), "Array(String)")
    until = parameters.add(as_of, "Int64")
    after = "" if since is None else f" AND time > {parameters.add(since, 'Int64')}"
    return f"{view.where} AND adjust = 0 AND name IN {names} AND actor_key != {_NOBODY} AND time <= {until}{after}"
