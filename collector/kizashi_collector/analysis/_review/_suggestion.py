"""A suggested plan: values as they were learned, and no value for what is to be pruned."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

from kizashi_collector.analysis._review._figures import EventReview, Review
from kizashi_collector.analysis._review._plan_change import PlanChange
from kizashi_collector.analysis._review._plan_text import changed_plan_text, plan_text_diff
from kizashi_schemas import MINOR_UNITS, format_micros
from kizashi_schemas.plan import Plan

__all__ = ["PlanChange", "PlanDiff", "rounded", "suggest"]


class PlanDiff(Struct, frozen=True):
    """Suggested changes; the plan's text with them in it, and as a unified diff, where a text was given.

    `unplaced` are changes that no line of the text could be edited for.
    """

    changes: tuple[PlanChange, ...]
    text: str | None = None
    diff: str | None = None
    unplaced: tuple[PlanChange, ...] = ()


def suggest(plan: Plan, review: Review, text: str | None = None, *, filename: str = "plan.toml") -> PlanDiff:
    """What the review suggests to change in the plan, in its order; `text` is its TOML, and keeps comments and order.

    - Kept: a declared number outside the 90 % interval of the learned value becomes that value, rounded to two digits
      and to the currency's minor unit; where a step of the ladder declares none, it is added. `"event"` stays, and
      what is off the ladder and declares none gets none.
    - Pruned: the action becomes secondary, and a value goes.
    - Unknown: nothing changes.

    Raises PlanError where the text is no plan.
    """
    changes = tuple(change for event in review.events for change in _changes(event, plan))
    if text is None:
        return PlanDiff(changes)
    changed, unplaced = changed_plan_text(text, changes)
    return PlanDiff(changes, changed, plan_text_diff(text, changed, filename), unplaced)


def _changes(event: EventReview, plan: Plan) -> list[PlanChange]:
    rule = plan.events[event.event]
    declared = None if rule.value is None else rule.value if rule.value == "event" else format_micros(rule.value)
    if event.verdict == "prune":
        return [
            PlanChange(event.event, key, before, after, event.reason)
            for key, before, after in _pruned(rule.action, declared)
        ]
    if event.verdict != "keep" or event.learned is None or event.only_watched or declared == "event":
        return []
    if isinstance(rule.value, int) and event.learned.low <= rule.value <= event.learned.high:
        return []
    learned = format_micros(rounded(event.learned.value, plan.currency))
    return [] if learned == declared else [PlanChange(event.event, "value", declared, learned, event.reason)]


def _pruned(action: str, declared: str | None) -> list[tuple[Literal["action", "value"], str | None, str | None]]:
    found: list[tuple[Literal["action", "value"], str | None, str | None]] = []
    if action == "primary":
        found.append(("action", "primary", "secondary"))
    if declared is not None:
        found.append(("value", declared, None))
    return found


def rounded(micros: int, currency: str) -> int:
    """An amount ≥ 0 of micros with two significant digits, and none below the currency's minor unit; halves go up."""
    least: int = 10 ** (6 - MINOR_UNITS[currency])
    unit: int = max(10 ** max(len(str(micros)) - 2, 0), least)
    return (2 * micros + unit) // (2 * unit) * unit
