"""How far a window has come towards the targets that the plan in force sets for it."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import msgspec

from kizashi_collector.cli._figures import amount, amount_text
from kizashi_collector.cli._remote import ask
from kizashi_schemas import PlanAnswer, SummaryTotal

__all__ = ["line_of_targets", "plan_in_force"]

_NAMES = {"expected_value": "expected", "brought_value": "brought so far", "finals": "finals", "actors": "actors"}


def plan_in_force(args: argparse.Namespace) -> Mapping[str, Any]:
    """The collector's plan as plain data, empty where there is none. Raises as `ask` does, and msgspec.DecodeError."""
    return msgspec.json.decode(ask(args, "GET", "/v1/plan"), type=PlanAnswer).plan or {}


def line_of_targets(total: SummaryTotal, window: str, plan: Mapping[str, Any]) -> str | None:
    """What the total of a window has of each target, in the plan's order; None where the plan has none for it."""
    targets = plan.get("targets", {}).get(window, {})
    names = [name for name, rule in plan.get("events", {}).items() if rule.get("final")]
    now = {
        "expected_value": amount(total.expected_value),
        "brought_value": amount(total.brought_value),
        "finals": Decimal(sum(total.events[name].count for name in names if name in total.events)),
        "actors": Decimal(total.actors),
    }
    parts = [_part(_NAMES[key], now[key], Decimal(str(targets[key]))) for key in _NAMES if key in targets]
    return f"targets for {window}: {'; '.join(parts)}" if parts else None


def _part(name: str, now: Decimal | None, target: Decimal) -> str:
    if now is None:
        return f"{name} - of {amount_text(target)}"
    # Whole percent, rounded down as on the dashboard: a target never reads as reached before it is.
    return f"{name} {amount_text(now)} of {amount_text(target)} ({now * 100 // target:,}%)"
