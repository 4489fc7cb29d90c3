"""The smaller answers: newest events, rejected events, the plan with its health, the plan's funnels."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from msgspec import Meta, Raw, Struct, field

from kizashi_schemas._funnels import Funnel, Money

__all__ = [
    "EventListing",
    "FunnelListing",
    "PlanAnswer",
    "PlanHealth",
    "RejectedEvent",
    "RejectedListing",
    "StoredEvent",
    "TrackingBreak",
    "UnplannedEvent",
]

AnyJson = Annotated[Raw, Meta(extra_json_schema={"description": "Any JSON"})]


class StoredEvent(Struct, kw_only=True, frozen=True, omit_defaults=True):
    """An event as it was stored. `shift_ms` is what the sender's clock was corrected by."""

    id: str
    name: str
    time: str
    received_at: str
    actor: str | None = None
    value: Money | None = None
    currency: str | None = None
    order: str | None = None
    session: str | None = None
    adjust: str | None = None
    source: dict[str, str] = field(default_factory=dict)
    properties: dict[str, str | int | float | bool | None] = field(default_factory=dict)
    consent: dict[str, bool] = field(default_factory=dict)
    shift_ms: int = 0
    import_: bool = field(default=False, name="import")


class EventListing(Struct, kw_only=True, frozen=True):
    """The newest events, last received first."""

    events: list[StoredEvent]


class RejectedEvent(Struct, kw_only=True, frozen=True):
    """An event that was refused, with the reason. `event` is what was sent, as far as it could be read."""

    received_at: str
    id: str | None
    code: str
    message: str
    event: AnyJson


class RejectedListing(Struct, kw_only=True, frozen=True):
    """The newest rejected events, last received first, and how many there are of each code."""

    total: int
    codes: dict[str, int]
    rejected: list[RejectedEvent]


class UnplannedEvent(Struct, kw_only=True, frozen=True):
    """A name that was seen but that the plan does not know."""

    name: str
    count: int
    last_seen: str


class TrackingBreak(Struct, kw_only=True, frozen=True):
    """A planned event that does not come as it did, since about `since`.

    `seen` and `expected` are counts: of the silence where it stopped, else of 24 hours. `sentence` says it for people.
    While `blocks_bids`, the event being on the ladder or final, no row is ready to be bid on.
    """

    event: str
    kind: Literal["stopped", "fell", "jumped"]
    seen: int
    expected: float
    since: str
    sentence: str
    blocks_bids: bool


class PlanHealth(Struct, kw_only=True, frozen=True):
    """Where plan and reality differ. `breaks` is null while that cannot be told, as right after a start."""

    never_seen: list[str]
    unplanned: list[UnplannedEvent]
    breaks: list[TrackingBreak] | None = None


class PlanAnswer(Struct, kw_only=True, frozen=True):
    """The plan in force; all null and empty while there is none."""

    id: str | None
    plan: dict[str, Any] | None
    warnings: list[str]
    health: PlanHealth


class FunnelListing(Struct, kw_only=True, frozen=True):
    """The funnels of the plan, by name; ask each at /v1/funnels/{name}."""

    funnels: dict[str, Funnel]
