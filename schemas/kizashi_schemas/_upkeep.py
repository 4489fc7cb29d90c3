"""Requests and answers of erasure and of the replay of rejected events."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct

__all__ = ["MOST_REPLAYED", "ErasureAnswer", "ReplayAnswer", "ReplayRequest"]

MOST_REPLAYED = 100_000
"""So many rejected events are replayed in one call at most."""

Time = Annotated[int | str, Meta(description="Epoch milliseconds, or RFC 3339 with an offset")]


class ErasureAnswer(Struct, kw_only=True, frozen=True):
    """How many events of the actor were erased, adjustments of its orders included, and how many rejected ones."""

    events: int
    rejected: int


class ReplayRequest(Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """Which rejected events to try again, oldest first: with one of these codes and ids, received in (since, until]."""

    codes: list[str] | None = None
    ids: list[str] | None = None
    since: Time | None = None
    until: Time | None = None
    limit: Annotated[int, Meta(ge=1, le=MOST_REPLAYED)] = MOST_REPLAYED


class ReplayAnswer(Struct, kw_only=True, frozen=True):
    """What became of the `tried`: `accepted` and `duplicates` have left the rejected ones, `rejected` stay.

    `codes` counts those that stay, by their new code.
    """

    tried: int
    accepted: int
    duplicates: int
    rejected: int
    codes: dict[str, int]
