"""What GET /v1/live tells of each batch that was answered."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, Struct

__all__ = ["LiveBatch", "LiveEvent"]


class LiveEvent(Struct, kw_only=True, frozen=True):
    """An event and what became of it. Of one that is not of an event's form, what could be read of it."""

    id: str | None
    name: str | None
    time: Annotated[int | None, Meta(description="Epoch milliseconds, corrected where the sender's clock was wrong")]
    actor: str | None
    value: Annotated[str | None, Meta(description="Exact decimal text")]
    currency: str | None
    source: dict[str, str]
    verdict: Literal["accepted", "duplicate", "rejected"]
    code: str | None
    message: str | None


class LiveBatch(Struct, kw_only=True, frozen=True, omit_defaults=True):
    """A batch that was answered."""

    at: Annotated[int, Meta(description="When it was received, in epoch milliseconds")]
    events: list[LiveEvent]
    left_out: Annotated[
        int, Meta(ge=0, description="Events that were answered since the last message and not told")
    ] = 0
