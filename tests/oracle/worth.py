"""What one event is worth: the rules of docs/plan.md, sentence by sentence. Money is micros."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

from kizashi_collector.analysis import LoggedEvent
from kizashi_schemas.plan import Plan

__all__ = ["converted", "is_retracted", "total", "worth_declared", "worth_final"]


def converted(amount: int, currency: str | None, plan: Plan) -> int | None:
    """An amount in the plan's currency; None where no rate leads there."""
    if currency == plan.currency:
        return amount
    if currency not in plan.rates:
        return None
    return round(Fraction(amount * plan.rates[currency], 1_000_000))


def _adjustments(event: LoggedEvent, log: Sequence[LoggedEvent], as_of: int) -> list[LoggedEvent]:
    """Adjustments are keyed by (name, order); from its own time on, each changes the original's worth."""
    return [
        other
        for other in log
        if other.adjust is not None
        and event.order is not None
        and (other.name, other.order) == (event.name, event.order)
        and other.time <= as_of
    ]


def is_retracted(event: LoggedEvent, log: Sequence[LoggedEvent], as_of: int) -> bool:
    """`retract` is final: whatever else was said of the event, it is worth nothing."""
    return any(other.adjust == "retract" for other in _adjustments(event, log, as_of))


def worth_declared(event: LoggedEvent, log: Sequence[LoggedEvent], plan: Plan | None, as_of: int) -> int | None:
    """The declared value: a number, or "event" (what it carries), net of adjustments."""
    if plan is None:
        return None
    rule = plan.events.get(event.name)
    if rule is None or rule.value is None or is_retracted(event, log, as_of):
        return 0
    if rule.value != "event":
        return rule.value
    # `restate` gives the new total, in the currency of what was sent, if anything; the latest time wins (then the id).
    restated = [
        other
        for other in _adjustments(event, log, as_of)
        if other.adjust == "restate" and (event.value is None or other.currency == event.currency)
    ]
    stands = max(restated, key=lambda other: (other.time, other.id)) if restated else event
    return 0 if stands.value is None else converted(stands.value, stands.currency, plan)


def worth_final(event: LoggedEvent, log: Sequence[LoggedEvent], plan: Plan | None, as_of: int) -> int | None:
    """What a final conversion brought; other events bring nothing."""
    if plan is None:
        return None
    rule = plan.events.get(event.name)
    return worth_declared(event, log, plan, as_of) if rule is not None and rule.final else 0


def total(amounts: Sequence[int | None]) -> int | None:
    """The sum, or None where one amount is not known."""
    known = [amount for amount in amounts if amount is not None]
    return sum(known) if len(known) == len(amounts) else None
