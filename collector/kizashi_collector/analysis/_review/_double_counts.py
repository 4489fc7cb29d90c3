"""Primary events of which one nearly always follows the other, so that declared_value counts one thing twice."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct

from kizashi_collector.analysis._journeys import CONVERTED, Journeys
from kizashi_collector.analysis._review._figures import DoubleCount
from kizashi_collector.analysis._review._occurrences import Occurrences
from kizashi_collector.analysis._table import Codes, Column
from kizashi_schemas.plan import Plan

__all__ = ["ALWAYS", "Primary", "double_counts"]

ALWAYS = 0.95
"""One that follows in more than this part of the journeys follows always, but for what was lost on the way."""

_LEAST_JOURNEYS = 30


class Primary(Struct, frozen=True, eq=False):
    """A primary micro-conversion, and when journeys had it."""

    name: str
    found: Occurrences


def double_counts(
    primaries: Sequence[Primary], journeys: Journeys, rows: Column, codes: Codes, plan: Plan
) -> tuple[DoubleCount, ...]:
    """Of the journeys in these rows: each primary micro-conversion with each primary event that always follows it."""
    finals = [name for name in plan.finals if plan.events[name].action == "primary"]
    doubles = []
    for one in primaries:
        had = rows[one.found.there[rows]]
        if len(had) < _LEAST_JOURNEYS:
            continue
        first = one.found.first[had]
        after = {other.name: int((other.found.last[had] >= first).sum()) for other in primaries if other is not one}
        final = journeys.final[had]
        converted = journeys.ended[had] == CONVERTED
        for name in finals:
            code = codes.names.index(name) if name in codes.names else -1
            after[name] = int((converted & (final == code)).sum())
        for name, followed in after.items():
            if followed > ALWAYS * len(had):
                doubles.append(DoubleCount(one.name, name, len(had), followed, _sentence(one.name, name)))
    return tuple(doubles)


def _sentence(event: str, follower: str) -> str:
    return (
        f"{event} is nearly always followed by {follower}, and both are primary: declared_value counts them twice. "
        f"Make one of them secondary."
    )
