"""What the log hands to the analysis: events in plain integers, and the interval that is asked about."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Literal

from msgspec import Struct, field

__all__ = ["Interval", "LoggedEvent", "PropertyValue", "by_actor"]

PropertyValue = str | int | float | bool | None


class LoggedEvent(Struct, frozen=True, kw_only=True):
    """An event, or an adjustment, as the log keeps it.

    `time` and `received_at` are milliseconds since 1970, `value` is micros of `currency`. With `adjust` it is an
    adjustment of the event with the same (name, order): no step, no count, no actor.
    """

    id: str
    name: str
    time: int
    received_at: int
    actor: str | None = None
    value: int | None = None
    currency: str | None = None
    order: str | None = None
    session: str | None = None
    adjust: Literal["restate", "retract"] | None = None
    source: Mapping[str, str] = field(default_factory=dict)
    properties: Mapping[str, PropertyValue] = field(default_factory=dict)
    consent: Mapping[str, bool] = field(default_factory=dict)
    shift: int = 0
    imported: bool = False
    currency_defaulted: bool = False

    @property
    def position(self) -> tuple[int, str]:
        """The total order of events: by time, and within one instant by id, whatever order they arrived in."""
        return (self.time, self.id)


class Interval(Struct, frozen=True):
    """The interval (start, end] as it is seen at `as_of`, all in milliseconds since 1970."""

    start: int
    end: int
    as_of: int

    def __contains__(self, time: int) -> bool:
        return self.start < time <= self.end


def by_actor(events: Iterable[LoggedEvent]) -> dict[str, list[LoggedEvent]]:
    """Split events by actor, each actor's in the total order; adjustments, which have no actor's part, are left out."""
    actors: dict[str, list[LoggedEvent]] = {}
    for event in sorted((e for e in events if e.adjust is None), key=lambda e: e.position):
        if event.actor is not None:
            actors.setdefault(event.actor, []).append(event)
    return actors
