"""The summary and its clock fields by brute force: the rules of docs/api.md, read word for word. Money is micros."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from fractions import Fraction
from itertools import pairwise
from typing import Any

from kizashi_collector.analysis import Interval, LoggedEvent
from kizashi_schemas.plan import Plan
from oracle.worth import converted, is_retracted, total, worth_declared, worth_final

__all__ = ["complete_until_answer", "complete_until_ever", "summary_answer"]

TEN_MINUTES = 600_000
MINUTE, DAY = 60_000, 86_400_000
Key = tuple[str, ...]


def summary_answer(
    log: Iterable[LoggedEvent], interval: Interval, *, plan: Plan | None = None, by: Key = ()
) -> dict[str, Any]:
    """Rows by key, the total, and the count of late events."""
    log = list(log)
    inside = [event for event in log if event.adjust is None and interval.start < event.time <= interval.end]
    counting = [event for event in inside if plan is None or event.name in plan.events]
    names = list(plan.events) if plan is not None else sorted({event.name for event in counting})

    def key_of(event: LoggedEvent) -> Key:
        return tuple(event.source.get(name, "") for name in by)

    keys = sorted({key_of(event) for event in counting}) if by else [()]
    return {
        "rows": {
            key: _figures([e for e in counting if key_of(e) == key], names, log, plan, interval.as_of) for key in keys
        },
        "total": _figures(counting, names, log, plan, interval.as_of),
        "late_events": sum(event.received_at - event.time > TEN_MINUTES and not event.imported for event in inside),
    }


def _figures(
    events: Sequence[LoggedEvent], names: Sequence[str], log: Sequence[LoggedEvent], plan: Plan | None, as_of: int
) -> dict[str, Any]:
    declared: int | None = None
    final: int | None = None
    if plan is not None and any(rule.final for rule in plan.events.values()):
        final = total([worth_final(event, log, plan, as_of) for event in events])
        declared = total([worth_declared(event, log, plan, as_of) for event in _in_declared(events, log, plan, as_of)])
    return {
        "actors": len({event.actor for event in events}),
        "events": {name: _event_figures([e for e in events if e.name == name], plan) for name in names},
        "final_value": final,
        "declared_value": declared,
    }


def _event_figures(events: Sequence[LoggedEvent], plan: Plan | None) -> dict[str, Any]:
    """Counts, actors and value stay as sent, whatever is adjusted."""
    sent = [(event.value, event.currency) for event in events if event.value is not None]
    if plan is not None:
        value = total([converted(amount, currency, plan) for amount, currency in sent])
    else:
        value = sum(amount for amount, _ in sent) if len({currency for _, currency in sent}) <= 1 else None
    return {"count": len(events), "actors": len({event.actor for event in events}), "value": value}


def _in_declared(
    events: Sequence[LoggedEvent], log: Sequence[LoggedEvent], plan: Plan, as_of: int
) -> list[LoggedEvent]:
    """The primary events that count: every one, or the first per actor and row, which a retracted one is not."""
    chosen = []
    for event in events:
        rule = plan.events[event.name]
        rivals = [
            other
            for other in events
            if (other.name, other.actor) == (event.name, event.actor)
            and not is_retracted(other, log, as_of)
            and (other.time, other.id) < (event.time, event.id)
        ]
        if rule.action == "primary" and (rule.counting == "every" or not rivals):
            chosen.append(event)
    return chosen


def complete_until_answer(receipts: Sequence[tuple[int, int]], last_receipt: int | None, as_of: int) -> int | None:
    """as_of − the 99.9th percentile of (received_at − time), and in a silence not later than the last receipt."""
    if last_receipt is None:
        return None
    # An event that came before its time was not late; nothing is complete beyond as_of.
    late = sorted(max(0, received - time) for received, time in receipts)
    until = as_of
    for rank, lateness in enumerate(late, 1):
        if Fraction(rank, len(late)) >= Fraction(999, 1000):
            until = as_of - lateness
            break
    instants = sorted({received for received, _ in receipts})
    gaps = [after - before for before, after in pairwise(instants)]
    shorter = sum(gap < as_of - last_receipt for gap in gaps)
    silent = shorter * 1000 >= 999 * len(gaps)
    return min(until, last_receipt) if silent else until


def complete_until_ever(receipts: Sequence[tuple[int, int]], as_of: int) -> int | None:
    """The same from all receipts ever: what counts came in since the minute began in which as_of − 24 h lies."""
    begins = as_of - DAY
    while begins % MINUTE:
        begins -= 1
    known = [receipt for receipt in receipts if receipt[0] <= as_of]
    last = max((received for received, _ in known), default=None)
    return complete_until_answer([receipt for receipt in known if receipt[0] >= begins], last, as_of)
