"""From a captured call to the bytes of one event on the wire. Whatever is wrong with a call is found here."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import msgspec
from msgspec import UNSET

from kizashi._capture import Record, merged
from kizashi._encoding._fields import (
    check_adjust,
    check_consent,
    check_currency,
    check_name,
    check_properties,
    check_source,
    check_text,
    check_time,
    check_value,
)
from kizashi._encoding._ids import IdMaker, derived_id
from kizashi._errors import UsageError
from kizashi_schemas import MAX_EVENT_BYTES, Event

__all__ = ["Encoder"]


class Encoder:
    """Checks, completes and encodes captured calls. `source` is what every event has unless context or call differ."""

    def __init__(self, source: Mapping[str, str], entropy: Callable[[int], bytes]) -> None:
        self._source = dict(source) or None
        self._ids = IdMaker(entropy)
        self._json = msgspec.json.Encoder(decimal_format="number")

    def encode(self, record: Record) -> tuple[str, bytes]:
        """The event's id and its JSON. Raises UsageError for what can never be sent."""
        event = self._event(record)
        try:
            body = self._json.encode(event)
        except UnicodeEncodeError:
            raise UsageError("the event holds half a surrogate pair, which is no text", field="text") from None
        if len(body) > MAX_EVENT_BYTES:
            raise UsageError(
                f"the event takes {len(body)} bytes, more than {MAX_EVENT_BYTES}; send fewer or shorter properties",
                field="properties",
                reason="too_large",
            )
        return event.id, body

    def _event(self, record: Record) -> Event:
        name = check_name("name", record.name)
        around = record.ambient
        adjust = check_adjust(record.adjust)
        actor = check_text("actor", record.actor) or check_text("actor", around.actor)
        if actor is None and adjust is None:
            raise UsageError(
                "actor is missing; pass actor=…, or track inside kizashi.context(actor=…)",
                field="actor",
                reason="no_actor",
            )
        currency = check_currency(record.currency)
        value = check_value(record.value, currency)
        order = check_text("order", record.order)
        if adjust is not None and order is None:
            raise UsageError(f"adjust={adjust!r} needs the order of the event that it changes", field="order")
        if adjust == "restate" and value is UNSET:
            raise UsageError("adjust='restate' needs value, the new total", field="value")
        key = check_text("idempotency_key", record.idempotency_key, longest=MAX_EVENT_BYTES)
        source = merged(merged(self._source, around.source), record.source)
        consent = merged(around.consent, record.consent)
        now_ns = record.now_ns
        return Event(
            id=self._ids.make(now_ns) if key is None else _derived(name, key),
            name=name,
            time=now_ns // 1_000_000 if record.time is None else check_time(record.time),
            actor=actor,
            value=value,
            currency=currency,
            order=order,
            session=check_text("session", record.session) or check_text("session", around.session),
            adjust=adjust,
            source=None if source is None else check_source(source) or None,
            properties=None if record.properties is None else check_properties(record.properties) or None,
            consent=None if consent is None else check_consent(consent) or None,
        )


def _derived(name: str, key: str) -> str:
    try:
        return derived_id(name, key)
    except UnicodeEncodeError:
        raise UsageError(
            "idempotency_key holds half a surrogate pair, which is no text", field="idempotency_key"
        ) from None
