"""Primary events of which one nearly always follows the other, so that declared_value counts one thing twice."""

from __future__ import annotations

from collections.abc import Mapping

from kizashi_collector.analysis._review._counts import EventCounts
from kizashi_collector.analysis._review._figures import DoubleCount
from kizashi_schemas.plan import Plan

__all__ = ["ALWAYS", "double_counts"]

ALWAYS = 0.95
"""One that follows in more than this part of the journeys follows always, but for what was lost on the way."""

_LEAST_JOURNEYS = 30


def double_counts(counts: Mapping[str, EventCounts], plan: Plan) -> tuple[DoubleCount, ...]:
    """Each primary micro-conversion with each primary event that always follows it, in the plan's order."""
    primaries = [name for name, rule in plan.events.items() if rule.action == "primary" and not rule.final]
    finals = [name for name in plan.finals if plan.events[name].action == "primary"]
    doubles = []
    for name in primaries:
        had = counts[name].journeys
        if had < _LEAST_JOURNEYS:
            continue
        for other in (*primaries, *finals):
            followed = counts[name].followed.get(other, 0)
            if other != name and followed > ALWAYS * had:
                doubles.append(DoubleCount(name, other, had, followed, _sentence(name, other)))
    return tuple(doubles)


def _sentence(event: str, follower: str) -> str:
    return (
        f"{event} is nearly always followed by {follower}, and both are primary: declared_value counts them twice. "
        f"Make one of them secondary."
    )
