"""What one event is worth under a plan, once restatements and retractions are applied."""

from __future__ import annotations

from collections.abc import Iterable, Set

from kizashi_collector.analysis._events import LoggedEvent
from kizashi_schemas import to_currency
from kizashi_schemas.plan import Plan

__all__ = ["Worth"]


class Worth:
    """The worth of events at one as_of, in micros of the plan's currency.

    `adjustments` are those with time ≤ as_of, in any order. A retraction is final: the event is worth nothing. Of
    restatements the latest time wins, then the greater id; one in another currency than its original's never applies.
    """

    def __init__(self, plan: Plan | None, adjustments: Iterable[LoggedEvent]) -> None:
        self.plan = plan
        self._retracted: set[tuple[str, str]] = set()
        self._restated: dict[tuple[str, str], list[LoggedEvent]] = {}
        for adjustment in sorted(adjustments, key=lambda e: e.position):
            if adjustment.order is None:
                continue
            original = (adjustment.name, adjustment.order)
            if adjustment.adjust == "retract":
                self._retracted.add(original)
            elif adjustment.adjust == "restate":
                self._restated.setdefault(original, []).append(adjustment)

    @property
    def adjusted(self) -> Set[tuple[str, str]]:
        """Name and order of what was adjusted, whether it is known or not."""
        return self._retracted | self._restated.keys()

    def retracted(self, event: LoggedEvent) -> bool:
        """Tell whether the event was taken back."""
        return event.order is not None and (event.name, event.order) in self._retracted

    def sent(self, event: LoggedEvent) -> int | None:
        """The value as it was sent, in the plan's currency; 0 without one, None where no rate leads there."""
        return self._in_plan_currency(event.value, event.currency)

    def declared(self, event: LoggedEvent) -> int | None:
        """What the plan declares the event to be worth: its number, or with `"event"` the money that it now stands at.

        0 for unplanned and undeclared events. None without a plan, and where no rate leads to the plan's currency.
        """
        if self.plan is None:
            return None
        rule = self.plan.events.get(event.name)
        if rule is None or rule.value is None or self.retracted(event):
            return 0
        if rule.value != "event":
            return rule.value
        for restatement in reversed(self._restated.get((event.name, event.order or ""), [])):
            if event.value is None or event.currency == restatement.currency:
                return self._in_plan_currency(restatement.value, restatement.currency)
        return self.sent(event)

    def final(self, event: LoggedEvent) -> int | None:
        """What the event brought: its declared worth if it is a final conversion, else 0. None as in `declared`."""
        if self.plan is None:
            return None
        rule = self.plan.events.get(event.name)
        return self.declared(event) if rule is not None and rule.final else 0

    def _in_plan_currency(self, value: int | None, currency: str | None) -> int | None:
        if value is None:
            return 0
        if self.plan is None or currency is None:
            return value
        rate = self.plan.rate(currency)
        return None if rate is None else to_currency(value, rate)
