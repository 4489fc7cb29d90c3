"""The answer of GET /v1/summary: what bidding scripts poll."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, Struct, field

from kizashi_schemas._funnels import Money

__all__ = ["EventStats", "Evidence", "Reason", "SummaryAnswer", "SummaryRow", "SummaryTotal"]

Reason = Literal["no_plan", "thin", "incomplete", "tracking_break", "miscalibrated", "recomputing"]
"""Why a row is not ready to be bid on."""


class EventStats(Struct, kw_only=True, frozen=True, gc=False):
    """One event name in one row."""

    count: int
    actors: int
    value: Annotated[Money, Meta(description="Sum as sent; null where no plan says how to add several currencies")]


class Evidence(Struct, kw_only=True, frozen=True):
    """What effective_conversions adds up: finals of the row's own keys, and the weight of what they borrow."""

    own: float
    borrowed: float


class SummaryTotal(Struct, kw_only=True, frozen=True):
    """The figures of one key; `key` maps the asked `by` fields to this row's values."""

    key: dict[str, str]
    actors: Annotated[int, Meta(description="Distinct actors with a planned event (with no plan: any event)")]
    events: dict[str, EventStats]
    final_value: Money
    declared_value: Money
    journeys: int | None = None
    converted: int | None = None
    open: int | None = None
    brought_value: Money
    expected_value: Money
    low: Money
    high: Money
    effective_conversions: float | None = None
    evidence: Evidence | None = None
    ready: bool = False
    reason: Reason | None = None
    bid_value: Annotated[Money, Meta(description="expected_value, or null while not ready: bid on this alone")]


class SummaryRow(SummaryTotal, kw_only=True, frozen=True):
    """One row: the figures of one key."""


class SummaryAnswer(Struct, kw_only=True, frozen=True, omit_defaults=True):
    """The answer of GET /v1/summary, over the interval (from, to]."""

    as_of: str
    from_: str = field(name="from")
    to: str
    currency: str | None
    plan: Annotated[str | None, Meta(description="The plan's id; null while there is none")]
    complete_until: Annotated[str | None, Meta(description="Later events may still be on their way")]
    late_events_applied: Annotated[int, Meta(description="Events received more than 10 minutes after their time")]
    rows: list[SummaryRow]
    total: SummaryTotal
    reasons: Annotated[
        dict[Reason, str], Meta(description="A sentence for each reason that a row has, or the total")
    ] = field(default_factory=dict)
    next_cursor: Annotated[str | None, Meta(description="Ask again with ?cursor= for the rows after these")] = None
