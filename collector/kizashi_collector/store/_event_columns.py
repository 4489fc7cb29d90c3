"""Events side by side: a list for each field, which is how they are read, judged and written by the thousand."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import compress
from typing import Literal

from msgspec import Struct, field

from kizashi_collector.analysis import LoggedEvent, PropertyValue

__all__ = ["EventColumns"]


class EventColumns(Struct, kw_only=True, eq=False):
    """Events as columns of one length; see LoggedEvent for the fields.

    An object for each event costs more than all that is done with it afterwards.
    """

    id: list[str] = field(default_factory=list)
    name: list[str] = field(default_factory=list)
    time: list[int] = field(default_factory=list)
    received_at: list[int] = field(default_factory=list)
    actor: list[str | None] = field(default_factory=list)
    value: list[int | None] = field(default_factory=list)
    currency: list[str | None] = field(default_factory=list)
    order: list[str | None] = field(default_factory=list)
    session: list[str | None] = field(default_factory=list)
    adjust: list[Literal["restate", "retract"] | None] = field(default_factory=list)
    source: list[Mapping[str, str]] = field(default_factory=list)
    properties: list[Mapping[str, PropertyValue]] = field(default_factory=list)
    consent: list[Mapping[str, bool]] = field(default_factory=list)
    shift: list[int] = field(default_factory=list)
    imported: list[bool] = field(default_factory=list)
    currency_defaulted: list[bool] = field(default_factory=list)

    @classmethod
    def of(cls, events: Iterable[LoggedEvent]) -> EventColumns:
        """The columns of some events."""
        columns = cls()
        for event in events:
            columns.append(event)
        return columns

    def __len__(self) -> int:
        return len(self.id)

    def event(self, at: int) -> LoggedEvent:
        """The event at a place."""
        return LoggedEvent(**{name: getattr(self, name)[at] for name in _FIELDS})

    def append(self, event: LoggedEvent) -> None:
        """Add an event at the end."""
        for name in _FIELDS:
            getattr(self, name).append(getattr(event, name))

    def extend(self, other: EventColumns) -> None:
        """Add the events of others at the end."""
        for name in _FIELDS:
            getattr(self, name).extend(getattr(other, name))

    def only(self, wanted: Sequence[bool]) -> EventColumns:
        """The events at the places where `wanted` says so."""
        return EventColumns(**{name: list(compress(getattr(self, name), wanted)) for name in _FIELDS})


_FIELDS = EventColumns.__struct_fields__
