"""The tracking plan: what events mean, what they are worth, and which funnels and summaries are kept."""

from __future__ import annotations

import hashlib
from datetime import date
from typing import Any, Literal, NewType

import msgspec
from msgspec import Struct, field

from kizashi_schemas._funnels import Funnel
from kizashi_schemas._money import MICROS, Micros
from kizashi_schemas._time import Millis

__all__ = ["EventRule", "Plan", "PlanId", "Target", "Values"]

PlanId = NewType("PlanId", str)
"""The first 16 hex digits of the SHA-256 of the plan's canonical form: same keys and values, same id. Of
events and funnels the order counts too: columns follow it, and the default ladder."""


class EventRule(Struct, kw_only=True, frozen=True):
    """What the plan says of one event.

    `value` is micros of the plan's currency, `"event"` (what the event carries), or None where nothing is declared.
    """

    action: Literal["primary", "secondary"]
    value: Micros | Literal["event"] | None = None
    use: Literal["declared", "learned"] = "declared"
    counting: Literal["every", "once"] = "every"
    final: bool = False
    owner: str | None = None
    review_by: date | None = None
    description: str | None = None


class Values(Struct, kw_only=True, frozen=True):
    """How learned values are fitted; see docs/plan.md."""

    ladder: tuple[str, ...] = ()
    horizon: Millis
    lookback: Millis
    credit: Literal["first", "last"] = "last"
    min_effective_conversions: float = 15.0


class Target(Struct, kw_only=True, frozen=True):
    """What a window is meant to come to, over all rows; None where nothing was said.

    `expected_value` and `brought_value` are micros of the plan's currency, by the names that a summary's total has for
    them. `finals` are final conversions of all kinds within the window, `actors` those with a planned event.
    """

    expected_value: Micros | None = None
    brought_value: Micros | None = None
    finals: int | None = None
    actors: int | None = None


class Plan(Struct, kw_only=True, frozen=True):
    """A checked plan: every name, number and reference in it has been verified.

    `rates` are micros of the plan's currency per unit of the other. `targets` are by window, such as `28d`.
    `canonical` is the plan as JSON, from which it can be loaded again.
    """

    currency: str
    canonical: bytes
    rates: dict[str, int] = field(default_factory=dict)
    timezone: str = "UTC"
    retention: Millis | None = None
    unplanned: Literal["accept", "reject"] = "accept"
    windows: tuple[str, ...] = ("1h", "24h", "7d", "28d")
    summaries: tuple[tuple[str, ...], ...] = ()
    events: dict[str, EventRule] = field(default_factory=dict)
    funnels: dict[str, Funnel] = field(default_factory=dict)
    values: Values
    targets: dict[str, Target] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()

    @property
    def id(self) -> PlanId:
        """The plan's identity; a changed comment, or another order of an event's keys, does not change it."""
        return PlanId(hashlib.sha256(self.canonical).hexdigest()[:16])

    @property
    def learning_id(self) -> str:
        """The identity of all that learned values hang on: which events there are and are final, what finals bring,
        ladder, horizon, lookback, credit, currency with its rates, and summaries. Plans that have it in common, such as
        those before and after a change of a declared value or an owner, share what was learned."""
        finals = [(name, self.events[name].value) for name in self.finals]
        values = self.values
        rules = (values.ladder, values.horizon, values.lookback, values.credit)
        said = [self.currency, sorted(self.rates.items()), list(self.events), finals, *rules, self.summaries]
        return hashlib.sha256(msgspec.json.encode(said)).hexdigest()[:16]

    @property
    def finals(self) -> tuple[str, ...]:
        """The names of final conversions, in the plan's order."""
        return tuple(name for name, rule in self.events.items() if rule.final)

    def rate(self, currency: str) -> int | None:
        """Micros of the plan's currency that one unit of `currency` is worth, or None where the plan does not say."""
        return MICROS if currency == self.currency else self.rates.get(currency)

    def document(self) -> dict[str, Any]:
        """The plan as the plain data that it was loaded from."""
        return msgspec.json.decode(self.canonical, type=dict[str, Any])
