"""The summary, counted plainly: one pass over the events of the interval, one tally per row."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from msgspec import Struct

from kizashi_collector.analysis._events import Interval, LoggedEvent
from kizashi_collector.analysis._matching import Check
from kizashi_collector.analysis._worth import Worth
from kizashi_schemas import Reason
from kizashi_schemas.plan import Plan

__all__ = ["LATE_AFTER_MS", "EventFigures", "Figures", "Outcome", "Summary", "summarize"]

LATE_AFTER_MS = 10 * 60 * 1000
"""An event received more than this after its time was late."""


class EventFigures(Struct, frozen=True, gc=False):
    """One event name in one row: how many, by how many actors, and the sum of values as sent in micros, or None."""

    count: int
    actors: int
    value: int | None


class Outcome(Struct, frozen=True):
    """What the journeys that began in the interval came to, and will come to; money in micros of the plan's currency.

    `expected`, `low`, `high` and the evidence are None before anything was learned; `brought` is None, and they too,
    where a final's currency has no rate. `reason` is why it is not ready, None where it is.
    """

    journeys: int
    converted: int
    open: int
    brought: int | None
    expected: int | None = None
    low: int | None = None
    high: int | None = None
    own: float | None = None
    borrowed: float | None = None
    reason: str | None = "recomputing"


class Figures(Struct, frozen=True):
    """One row. `key` holds the values of the asked fields in their order; money is micros of the plan's currency.

    final_value and declared_value are None without a plan, without a final conversion in it, and where an event's
    currency has no rate. `outcome` is None without a final conversion, too.
    """

    key: tuple[str, ...]
    actors: int
    events: dict[str, EventFigures]
    final_value: int | None
    declared_value: int | None
    outcome: Outcome | None = None


class Summary(Struct, frozen=True):
    """Rows sorted by key, and the total. `currency` is the plan's, or without one the only one seen, or None.

    `reasons` has a sentence for each reason that a row may have not to be ready, as far as there is more to say of it
    than in general.
    """

    rows: Sequence[Figures]
    total: Figures
    currency: str | None
    late_events: int
    reasons: Mapping[Reason, str] = {}


def summarize(
    events: Iterable[LoggedEvent],
    *,
    plan: Plan | None,
    worth: Worth,
    interval: Interval,
    by: tuple[str, ...] = (),
    check: Check = lambda: None,
) -> Summary:
    """Count the events of the interval by the source fields in `by`; events outside it and adjustments are passed over.

    With a plan only planned events count. Without `by` there is exactly one row, with key (). `check` is called for
    each event, and what it raises ends the work.
    """
    total = _Tally(worth, plan)
    rows: dict[tuple[str, ...], _Tally] = {}
    late = 0
    for event in events:
        check()
        if event.adjust is not None or event.time not in interval:
            continue
        late += event.received_at - event.time > LATE_AFTER_MS and not event.imported
        if plan is not None and event.name not in plan.events:
            continue
        key = tuple(event.source.get(field, "") for field in by)
        row = rows.get(key)
        if row is None:
            row = rows[key] = _Tally(worth, plan)
        row.add(event)
        total.add(event)
    names = list(plan.events) if plan is not None else sorted(total.names)
    whole = total.figures((), names)
    return Summary(
        rows=[rows[key].figures(key, names) for key in sorted(rows)] if by else [whole],
        total=whole,
        currency=plan.currency if plan is not None else total.only_currency(),
        late_events=late,
    )


class _Name:
    """The events of one name in one row."""

    def __init__(self) -> None:
        self.count = 0
        self.actors: set[str | None] = set()
        self.credited: set[str | None] = set()
        self.value: int | None = 0
        self.final: int | None = 0
        self.declared: int | None = 0
        self.currencies: set[str] = set()


class _Tally:
    """One row in the making."""

    def __init__(self, worth: Worth, plan: Plan | None) -> None:
        self.worth = worth
        self.plan = plan
        self.actors: set[str | None] = set()
        self.names: dict[str, _Name] = {}

    def add(self, event: LoggedEvent) -> None:
        self.actors.add(event.actor)
        tally = self.names.get(event.name)
        if tally is None:
            tally = self.names[event.name] = _Name()
        tally.count += 1
        tally.actors.add(event.actor)
        tally.value = _plus(tally.value, self.worth.sent(event))
        if event.value is not None and event.currency is not None:
            tally.currencies.add(event.currency)
        if self.plan is None:
            return
        rule = self.plan.events[event.name]
        tally.final = _plus(tally.final, self.worth.final(event))
        if rule.action != "primary" or self.worth.retracted(event):
            return
        # A retracted event, passed over above, does not use up the one that `once` counts.
        if rule.counting == "every" or event.actor not in tally.credited:
            tally.credited.add(event.actor)
            tally.declared = _plus(tally.declared, self.worth.declared(event))

    def figures(self, key: tuple[str, ...], names: list[str]) -> Figures:
        tallies = [self.names.get(name) or _Name() for name in names]
        valued = self.plan is not None and bool(self.plan.finals)
        return Figures(
            key=key,
            actors=len(self.actors),
            events={
                name: EventFigures(tally.count, len(tally.actors), self._sent(tally))
                for name, tally in zip(names, tallies, strict=True)
            },
            final_value=_sum(tally.final for tally in tallies) if valued else None,
            declared_value=_sum(tally.declared for tally in tallies) if valued else None,
        )

    def _sent(self, tally: _Name) -> int | None:
        """Without a plan nothing says what one currency is worth in another, so a mixed sum is no number."""
        return None if self.plan is None and len(tally.currencies) > 1 else tally.value

    def only_currency(self) -> str | None:
        currencies = set[str]().union(*(tally.currencies for tally in self.names.values()))
        return currencies.pop() if len(currencies) == 1 else None


def _plus(total: int | None, amount: int | None) -> int | None:
    return None if total is None or amount is None else total + amount


def _sum(amounts: Iterable[int | None]) -> int | None:
    total: int | None = 0
    for amount in amounts:
        total = _plus(total, amount)
    return total
