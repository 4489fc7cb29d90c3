"""The review in words that a marketer understands: a sentence for each event, and one for the whole."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from kizashi_collector.analysis._review._figures import EventReview, Review
from kizashi_schemas import MINOR_UNITS, format_duration
from kizashi_schemas.plan import Plan

__all__ = ["event_sentence", "whole_sentence"]

_HARDLY_WITHOUT = 50
"""From such a lift on, hardly anybody converts without it, and the ratio itself is anybody's guess."""


def event_sentence(event: EventReview, plan: Plan) -> str:
    """The verdict with its reason; then what it is worth, where it is kept to be paid for, how that moves, and a review
    overdue.
    """
    parts = [_verdict(event, plan)]
    if event.verdict == "keep" and event.learned is not None and not event.only_watched:
        parts.append(_worth(event, plan.currency))
    if event.trend.direction in ("rising", "falling"):
        parts.append(f"The chance that it leads to a conversion is {event.trend.direction}.")
    if event.overdue:
        whose = "" if event.owner is None else f" by {event.owner}"
        parts.append(f"Its review was due on {event.review_by}{whose}.")
    return " ".join(parts)


def _verdict(event: EventReview, plan: Plan) -> str:
    lift = event.lift
    ratio, low, high = ("", "", "") if lift is None else map(_times, (lift.ratio, lift.low, lift.high))
    enough = f"{plan.values.min_effective_conversions:g}"
    match event.reason:
        case "lifts" if event.only_watched:
            often = f"{ratio} times as often as those without ({low} to {high})"
            if lift is not None and lift.ratio >= _HARDLY_WITHOUT:
                often = f"more than {low} times as often as those without"
            return (
                f"Keep it as a sign: those who come this far are likelier to buy; their journeys convert {often}. "
                "It need not be the cause; off the ladder and without a value, it is nothing to pay for."
            )
        case "lifts":
            if lift is not None and lift.ratio >= _HARDLY_WITHOUT:
                return f"Keep it: journeys with it convert more than {low} times as often as those without."
            return f"Keep it: journeys with it convert {ratio} times as often as those without ({low} to {high})."
        case "everywhere":
            return (
                f"Prune it: {_percent(event.share or 0)} of journeys have it, those that convert and those that do "
                "not, so that it tells nothing."
            )
        case "no_gain":
            return (
                f"Prune it: once it has happened, {event.next_step} is as good as certain, and tells the same; "
                "one of them is enough."
            )
        case "no_lift":
            return (
                f"Prune it: journeys with it convert no more often than those without ({ratio} times as often, "
                f"{low} to {high})."
            )
        case "weak_lift":
            return (
                f"Prune it: much was seen, and journeys with it convert at best {high} times as often as those "
                f"without, perhaps no more often at all ({low})."
            )
        case "no_final":
            return "Unknown: the plan has no final conversion that it could lead to; mark one with final = true."
        case "no_conversions":
            return f"Unknown: {_count(event.journeys, 'journey')} had it, and none of all journeys converted yet."
        case "unseen":
            return "Unknown: no journey had it; is it sent at all?"
        case "too_early":
            return (
                f"Unknown: {_count(event.waiting, 'journey')} had it, and it is too early to say how they end; "
                f"a journey has {format_duration(plan.values.horizon)}."
            )
        case "thin":
            return (
                f"Unknown: {event.converted} of {_count(event.journeys, 'journey')} with it converted, which is too "
                f"little to tell; about {enough} conversions are needed."
            )
        case "unclear":
            return (
                f"Unknown: journeys with it convert {ratio} times as often as those without, but anything from "
                f"{low} to {high} times fits what was seen."
            )


def _worth(event: EventReview, currency: str) -> str:
    learned = event.learned
    if learned is None:
        return ""
    worth = f"It is worth about {_money(learned.value, currency)}"
    if event.declared == "event":
        return f"{worth}; the plan takes what it carries."
    if event.declared is None:
        return f"{worth}; the plan declares no value."
    declared = _money(event.declared, currency)
    if event.declared < learned.low:
        return f"{worth}; the {declared} that the plan declares are too little."
    if event.declared > learned.high:
        return f"{worth}; the {declared} that the plan declares are too much."
    return f"{worth}, and the {declared} that the plan declares fit."


def whole_sentence(review: Review) -> str:
    """How many to keep and to prune, what counts twice, and which reviews are overdue."""
    names = {
        verdict: [event.event for event in review.events if event.verdict == verdict]
        for verdict in ("keep", "prune", "unknown")
    }
    if not review.events:
        return "The plan has no micro-conversion to review."
    parts = [
        f"Of {_count(len(review.events), 'micro-conversion')}, keep {len(names['keep'])}, "
        f"prune {_named(names['prune'])}; too little is known of {len(names['unknown'])}."
    ]
    if review.double_counts:
        events = list(dict.fromkeys(double.event for double in review.double_counts))
        parts.append(f"Counted twice: {', '.join(events)}.")
    if review.overdue:
        whose = ", ".join(f"{owner.owner or 'nobody'} {len(owner.events)}" for owner in review.overdue)
        parts.append(f"Reviews overdue: {whose}.")
    return " ".join(parts)


def _named(names: Sequence[str]) -> str:
    return f"{len(names)} ({', '.join(names)})" if names else "0"


def _count(number: int, thing: str) -> str:
    return f"{number:,} {thing}{'' if number == 1 else 's'}"


def _times(ratio: float) -> str:
    return f"{ratio:,.0f}" if ratio >= 100 else f"{ratio:.1f}" if ratio >= 0.95 else f"{ratio:.2f}"


def _percent(share: float) -> str:
    # All but a few are not all.
    return f"{share:.0%}" if share == 1 or share < 0.995 else "more than 99%"


def _money(micros: int, currency: str) -> str:
    digits = MINOR_UNITS[currency]
    exact = Decimal(micros).scaleb(-6)
    # Below the smallest coin, two digits say more than 0.
    if exact and abs(exact) < Decimal(1).scaleb(-digits):
        return f"{exact:.2g} {currency}"
    return f"{exact:,.{digits}f} {currency}"
