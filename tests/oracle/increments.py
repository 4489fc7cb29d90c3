"""What feeds are to have been told, by brute force over the whole log. Money is micros."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from kizashi_collector.analysis import LoggedEvent
from kizashi_schemas.plan import Plan
from oracle.journeys import journey_answers
from oracle.worth import worth_declared

__all__ = ["Credit", "OpenStep", "revenue", "targets"]

Source = frozenset[tuple[str, str]]


class Credit(NamedTuple):
    """Whose journey it is, and where its actor came from."""

    actor: str
    source: Source


class OpenStep(NamedTuple):
    """The deepest step of an open journey: its place in the ladder, its name, and what the plan declares it worth."""

    depth: int
    name: str
    declared: int | None


def targets(log: Sequence[LoggedEvent], plan: Plan, as_of: int) -> tuple[dict[Credit, int], dict[Credit, OpenStep]]:
    """What journeys that are over brought, by credit; and where the open ones stand that came to a step of the ladder.

    An actor has at most one open journey: the last.
    """
    over: dict[Credit, int] = {}
    standing: dict[Credit, OpenStep] = {}
    for journey in journey_answers(log, plan, as_of):
        credit = Credit(journey["actor"], frozenset(journey["source"].items()))
        if journey["ended"]:
            over[credit] = over.get(credit, 0) + journey["brought"]
        elif _is_open(journey, plan, as_of) and journey["deepest"] > 0:
            depth = journey["deepest"]
            name = plan.values.ladder[depth - 1]
            at = journey["reached"][depth]
            event = next(e for e in log if (e.actor, e.name, e.time, e.adjust) == (credit.actor, name, at, None))
            standing[credit] = OpenStep(depth, name, worth_declared(event, log, plan, as_of))
    return over, standing


def revenue(log: Sequence[LoggedEvent], plan: Plan, as_of: int) -> dict[str, int]:
    """What each actor's finals brought, whichever journeys they ended."""
    brought: dict[str, int] = {}
    for journey in journey_answers(log, plan, as_of):
        brought[journey["actor"]] = brought.get(journey["actor"], 0) + journey["brought"]
    return brought


def _is_open(journey: Mapping[str, Any], plan: Plan, as_of: int) -> bool:
    return bool(journey["reached"][journey["deepest"]] + plan.values.horizon >= as_of)
