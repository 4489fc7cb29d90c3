"""An event as a row of the table, and a row as the event that it was: nothing is lost on the way."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import count, repeat
from typing import Any, Literal

import msgspec

from kizashi_collector.analysis import LoggedEvent, PropertyValue
from kizashi_collector.store._chunks import DIMENSIONS
from kizashi_collector.store._clickhouse._schema import COLUMNS
from kizashi_collector.store._clickhouse._sql import Parameters
from kizashi_collector.store._event_columns import EventColumns

__all__ = [
    "COLUMN_NAMES",
    "DIMENSIONS",
    "event_of",
    "property_text",
    "property_value",
    "row_of",
    "rows_of",
    "source_field",
]

COLUMN_NAMES = tuple(COLUMNS)
"""The columns of a row, in the order of `row_of`."""

# DIMENSIONS are the fields of a source that have a column of their own; the others are in `more`.
_IN_COLUMNS = frozenset(DIMENSIONS)
_ADJUST: tuple[Literal["restate", "retract"] | None, ...] = (None, "restate", "retract")
_NO_VALUE = -1


def row_of(event: LoggedEvent, batch: int, n: int) -> list[Any]:
    """The values of COLUMNS for an event, as JSON writes them.

    A field of the source that has a column and is empty is in `more` as well: only there it differs from a missing one.
    """
    source = event.source
    return [
        batch,
        n,
        event.id,
        event.name,
        event.time,
        event.received_at,
        event.actor or "",
        _NO_VALUE if event.value is None else event.value,
        event.currency or "",
        event.currency_defaulted,
        event.order or "",
        event.session or "",
        _ADJUST.index(event.adjust),
        bool(source),
        *(source.get(field, "") for field in DIMENSIONS),
        _more(source),
        _typed(event.properties),
        dict(event.consent),
        event.shift,
        event.imported,
    ]


def rows_of(events: EventColumns, batch: int) -> bytes:
    """The rows of one batch, numbered from 0, each a JSON array in a line; as `row_of` makes them, by the column."""
    sources = events.source
    columns: list[Iterable[Any]] = [
        repeat(batch),
        count(),
        events.id,
        events.name,
        events.time,
        events.received_at,
        [actor or "" for actor in events.actor],
        [_NO_VALUE if value is None else value for value in events.value],
        [currency or "" for currency in events.currency],
        events.currency_defaulted,
        [order or "" for order in events.order],
        [session or "" for session in events.session],
        map(_ADJUST.index, events.adjust),
        map(bool, sources),
    ]
    columns += [[source.get(field, "") for source in sources] for field in DIMENSIONS]
    columns += [
        [_more(source) for source in sources],
        [_typed(properties) for properties in events.properties],
        events.consent,
        events.shift,
        events.imported,
    ]
    return b"\n".join(map(msgspec.json.encode, zip(*columns, strict=False)))


def _more(source: Mapping[str, str]) -> dict[str, str]:
    return {field: text for field, text in source.items() if field not in _IN_COLUMNS or not text}


def _typed(properties: Mapping[str, PropertyValue]) -> dict[str, str]:
    return {key: f'"{value}' if type(value) is str else property_text(value) for key, value in properties.items()}


def source_field(field: str, parameters: Parameters) -> str:
    """A field of an event's source, the empty text where it is missing."""
    return field if field in DIMENSIONS else f"more[{parameters.add(field, 'String')}]"


def event_of(row: Sequence[Any]) -> LoggedEvent:
    """The event that a row was made of; `row` has the values of COLUMNS as the driver reads them."""
    at: Mapping[str, Any] = dict(zip(COLUMN_NAMES, row, strict=True))
    return LoggedEvent(
        id=at["id"],
        name=at["name"],
        time=at["time"],
        received_at=at["received_at"],
        actor=at["actor"] or None,
        value=None if at["value"] == _NO_VALUE else at["value"],
        currency=at["currency"] or None,
        order=at["order_id"] or None,
        session=at["session"] or None,
        adjust=_ADJUST[at["adjust"]],
        source={**{field: at[field] for field in DIMENSIONS if at[field]}, **at["more"]},
        properties={key: property_value(text) for key, text in at["properties"].items()},
        consent=dict(at["consent"]),
        shift=at["shift"],
        imported=bool(at["imported"]),
        currency_defaulted=bool(at["currency_defaulted"]),
    )


def property_text(value: PropertyValue) -> str:
    """A property as the table keeps it: a character for its type, then the text that breakdowns show.

    Whole numbers sent with a fraction or an exponent are `f` and written without them: 2.0 is `f2`.
    """
    if value is None:
        return "0"
    if isinstance(value, bool):
        return "btrue" if value else "bfalse"
    if isinstance(value, int):
        return f"i{value}"
    if isinstance(value, float):
        return f"f{int(value)}" if value.is_integer() else f"f{value}"
    return f'"{value}'


def property_value(text: str) -> PropertyValue:
    """The property that became this text."""
    kind, rest = text[0], text[1:]
    if kind == "0":
        return None
    if kind == "b":
        return rest == "true"
    if kind == "i":
        return int(rest)
    return float(rest) if kind == "f" else rest
