"""Events as rows of the `events` table, and back."""

from __future__ import annotations

from typing import Any

import msgspec

from kizashi_collector.analysis import LoggedEvent, PropertyValue

__all__ = ["COLUMNS", "INSERT", "from_row", "to_row"]

COLUMNS = (
    "id, name, time, received_at, shift, actor, value, currency, currency_defaulted, order_id, session, adjust, "
    "source, properties, consent, imported"
)
INSERT = f"INSERT INTO events ({COLUMNS}) VALUES ({', '.join('?' * 16)})"  # noqa: S608  # both are constants

_source = msgspec.json.Decoder(dict[str, str])
_properties = msgspec.json.Decoder(dict[str, PropertyValue])
_consent = msgspec.json.Decoder(dict[str, bool])


def to_row(event: LoggedEvent) -> tuple[Any, ...]:
    """The event's values in the order of COLUMNS; an empty map is NULL."""
    return (
        event.id,
        event.name,
        event.time,
        event.received_at,
        event.shift,
        event.actor,
        event.value,
        event.currency,
        int(event.currency_defaulted),
        event.order,
        event.session,
        event.adjust,
        _map(event.source),
        _map(event.properties),
        _map(event.consent),
        int(event.imported),
    )


def _map(items: object) -> str | None:
    return msgspec.json.encode(items).decode() if items else None


def from_row(row: tuple[Any, ...]) -> LoggedEvent:
    """The event of a row selected as COLUMNS."""
    return LoggedEvent(
        id=row[0],
        name=row[1],
        time=row[2],
        received_at=row[3],
        shift=row[4],
        actor=row[5],
        value=row[6],
        currency=row[7],
        currency_defaulted=bool(row[8]),
        order=row[9],
        session=row[10],
        adjust=row[11],
        source=_source.decode(row[12]) if row[12] else {},
        properties=_properties.decode(row[13]) if row[13] else {},
        consent=_consent.decode(row[14]) if row[14] else {},
        imported=bool(row[15]),
    )
