"""Journeys by brute force: each sentence of the rules as a condition on a run of events. Money is micros."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from kizashi_collector.analysis import LoggedEvent
from kizashi_schemas.plan import Plan
from oracle.worth import is_retracted, worth_final

__all__ = ["journey_answers"]


def journey_answers(log: Sequence[LoggedEvent], plan: Plan, as_of: int) -> list[dict[str, Any]]:
    """The journeys of all actors as they stand at as_of; the place in the log is an event's number."""
    answers = []
    for actor in sorted({event.actor for event in log if event.adjust is None and event.actor is not None}):
        left = [e for e in log if e.actor == actor and e.adjust is None and e.name in plan.events and e.time <= as_of]
        left = sorted(left, key=lambda event: (event.time, _turn(event, plan), log.index(event)))
        while left:
            # The longest run from here that is one journey: every event of it finds it still open.
            sizes = range(1, len(left) + 1)
            size = max(n for n in sizes if all(_open_to(left[at], left[:at], plan) for at in range(1, n)))
            answers.append({"actor": actor, **_answer(left[:size], log, plan, as_of)})
            left = left[size:]
    return answers


def _is_final(event: LoggedEvent, plan: Plan) -> bool:
    return plan.events[event.name].final


def _turn(event: LoggedEvent, plan: Plan) -> float:
    """At one instant: ladder order, then other micro-conversions, then finals."""
    if _is_final(event, plan):
        return float("inf")
    return _depth(event, plan) or 1_000_000


def _depth(event: LoggedEvent, plan: Plan) -> int:
    """Depth is the place in the ladder; what is off the ladder lies below its first step."""
    return [*plan.values.ladder].index(event.name) + 1 if event.name in plan.values.ladder else 0


def _open_to(event: LoggedEvent, before: Sequence[LoggedEvent], plan: Plan) -> bool:
    """No final ended it, and the horizon after it first reached its deepest step is not over: the edge is inclusive."""
    if any(_is_final(other, plan) for other in before):
        return False
    deepest = max(_depth(other, plan) for other in before)
    first_reached = min(other.time for other in before if _depth(other, plan) == deepest)
    return event.time - first_reached <= plan.values.horizon


def _answer(run: Sequence[LoggedEvent], log: Sequence[LoggedEvent], plan: Plan, as_of: int) -> dict[str, Any]:
    micros = [event for event in run if not _is_final(event, plan)]
    final = next((event for event in run if _is_final(event, plan)), None)
    depths = range(len(plan.values.ladder) + 1)
    # As a deeper step: the first event of this depth, where nothing before it was as deep.
    firsts = {depth: next((n for n, e in enumerate(micros) if _depth(e, plan) == depth), None) for depth in depths}
    reached = [
        -1
        if (n := firsts[depth]) is None or any(_depth(other, plan) >= depth for other in micros[:n])
        else micros[n].time
        for depth in depths
    ]
    sourced = [event.source for event in run if event.source]
    taken_back = final is not None and is_retracted(final, log, as_of)
    return {
        "begin": min(event.time for event in run),
        "source": {} if not sourced else sourced[-1] if plan.values.credit == "last" else sourced[0],
        "deepest": max((_depth(event, plan) for event in micros), default=len(depths)),
        "reached": reached,
        "ended": 0 if final is None else 2 if taken_back else 1,
        "end": -1 if final is None else final.time,
        "final": None if final is None else final.name,
        "brought": 0 if final is None or taken_back else worth_final(final, log, plan, as_of),
    }
