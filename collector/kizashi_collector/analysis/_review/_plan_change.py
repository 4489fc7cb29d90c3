"""One change of a plan, as plain text that crosses the wire."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

__all__ = ["PlanChange"]


class PlanChange(Struct, frozen=True):
    """A key of an event, what it says (decimal text, `event`, or an action; None: nothing), and what it is to say."""

    event: str
    key: Literal["action", "value"]
    before: str | None
    after: str | None
    reason: str
