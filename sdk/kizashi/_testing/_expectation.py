"""What a test expects of an event, and words for how an event differs from it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal, InvalidOperation
from typing import Any

from kizashi._testing._memory import Event

__all__ = ["Expectation"]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_FIELDS = tuple(name for name in Event.__struct_fields__ if name != "name")
_MAPPINGS = {"source", "properties", "consent"}
_MOST_CLOSE = 3


class Expectation:
    """A name and some fields of an event."""

    def __init__(self, name: str, fields: Mapping[str, Any]) -> None:
        unknown = [field for field in fields if field not in _FIELDS]
        if unknown:
            raise TypeError(f"an event has no field {unknown[0]!r}; its fields are {', '.join(_FIELDS)}")
        for field in _MAPPINGS & fields.keys():
            if not isinstance(fields[field], Mapping | None):
                raise TypeError(f"{field} is of type {type(fields[field]).__name__}; give a mapping, or None")
        self._name = name
        self._fields = dict(fields)

    def __str__(self) -> str:
        if not self._fields:
            return f"{self._name!r}"
        return f"{self._name!r} with " + ", ".join(f"{field}={_shown(want)}" for field, want in self._fields.items())

    def met_by(self, event: Event) -> bool:
        """Tell whether the event has the name and the fields."""
        return event.name == self._name and not self._differences(event)

    def miss(self, tracked: Sequence[Event]) -> list[str]:
        """Why none of the events will do, beginning with the nearest."""
        lines = [f"no event {self}"]
        namesakes = [event for event in tracked if event.name == self._name]
        if namesakes:
            nearest = min(reversed(namesakes), key=lambda event: len(self._differences(event)))
            return [*lines, "", f"nearest: {nearest!r}", *self._differences(nearest)]
        # Imported here: only a test that fails needs it.
        from difflib import get_close_matches

        close = get_close_matches(self._name, {event.name for event in tracked}, _MOST_CLOSE, 0.6)
        return [*lines, f"did you mean {' or '.join(map(repr, close))}?"] if close else lines

    def too_many(self, found: Sequence[Event]) -> list[str]:
        """That more than one event will do."""
        return [f"{len(found)} events {self}, where one was expected"]

    def unwanted(self, found: Sequence[Event]) -> list[str]:
        """That an event will do, though none should."""
        return [f"{len(found)} event{'' if len(found) == 1 else 's'} {self}, where none was expected"]

    def _differences(self, event: Event) -> list[str]:
        lines: list[str] = []
        for field, want in self._fields.items():
            have = getattr(event, field)
            if field in _MAPPINGS and want:
                lines += [
                    f"  {field}[{key!r}]: expected {_shown(part)}, was {_shown(have.get(key))}"
                    for key, part in want.items()
                    if not _alike(field, part, have.get(key))
                ]
            elif field in _MAPPINGS:
                # {} and None both say that there is nothing.
                lines += [f"  {field}: expected none, was {_shown(have)}"] if have else []
            elif not _alike(field, want, have):
                lines.append(f"  {field}: expected {_shown(want)}, was {_shown(have)}")
        return lines


def _alike(field: str, want: object, have: object) -> bool:
    if want is None or have is None or isinstance(want, bool) or isinstance(have, bool):
        return want is have
    if field == "time" and isinstance(want, datetime):
        return (want - _EPOCH) // timedelta(milliseconds=1) == have
    if field == "value" or (isinstance(want, int | float | Decimal) and isinstance(have, int | float | Decimal)):
        return _exact(want) == _exact(have)
    if isinstance(want, int) and field != "properties":
        want = str(want)  # identifiers may be given as whole numbers, and travel as text
    return want == have


def _exact(amount: object) -> object:
    # A float is its shortest text, as it is for track().
    try:
        return Decimal(repr(amount) if isinstance(amount, float) else str(amount))
    except InvalidOperation:
        return amount


def _shown(value: object) -> str:
    if value is None:
        return "none"
    return str(value) if isinstance(value, Decimal) else repr(value)
