"""The answer of GET /v1/increments: what somebody who uploads conversion values is to tell an ad platform."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from msgspec import Meta, Raw, Struct

from kizashi_schemas._funnels import Money

__all__ = ["Increment", "IncrementsAnswer"]

_SOURCE: dict[str, Any] = {"type": "object", "additionalProperties": {"type": "string"}}
Source = Annotated[
    Raw,
    Meta(description="The whole source that is credited: campaign, click ids and all", extra_json_schema=_SOURCE),
]


class Increment(Struct, kw_only=True, frozen=True):
    """By how much what a feed was told of a journey changes. Money is in the plan's currency."""

    cursor: Annotated[str, Meta(description="As `since`: everything after this increment")]
    time: Annotated[str, Meta(description="When it was emitted")]
    journey: Annotated[str, Meta(description="Names the journey; opaque")]
    actor: str | None
    source: Source
    kind: Literal["step", "sale", "adjustment", "expired", "correction"]
    event: Annotated[str | None, Meta(description="Name of the event that caused it; null where none did")]
    event_id: str | None
    event_time: str | None
    order: str | None
    value: Money
    emitted: Annotated[Money, Meta(description="What the journey has emitted in all after this one")]
    fit: Annotated[int | None, Meta(description="Number of the fit that a learned value is from")]


class IncrementsAnswer(Struct, kw_only=True, frozen=True):
    """Increments in the order in which they were emitted. The same cursor is always answered with the same ones."""

    as_of: str
    currency: str
    plan: Annotated[str, Meta(description="The plan's id")]
    increments: list[Increment]
    next_cursor: Annotated[str, Meta(description="As `since` of the next request; keep it with what was done")]
    more: Annotated[bool, Meta(description="Whether there are more increments already")]
