"""From a captured call to the bytes of one event on the wire. Whatever is wrong with a call is found here.

A sealed call is forwarded as the bytes that it is, behind id, time and what the context adds. Whatever needs a second
look (a Decimal, an int for an actor, two sources to merge) goes the long way, through an `Event`. Both ways give the
same event; a property test holds them against each other.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

import msgspec
from msgspec import UNSET, Struct

from kizashi._capture import ACTOR, MORE, SESSION, SOURCE, Ambient, Call, Record, merged
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
from kizashi._encoding._ids import MOST_COUNT, IdMaker, derived_id
from kizashi._errors import UsageError
from kizashi_schemas import MAX_EVENT_BYTES, Event

__all__ = ["Encoder"]

_open = msgspec.json.Decoder(Call).decode


class _Wire(Struct, gc=False):
    """What an Ambient and the client's own source add to an event, as parts of the wire."""

    of: object
    """The encoder that wrote it: clients have sources of their own."""
    rests: dict[int, bytes | None]
    """What a sealed call lacks, by what it says itself; None where that needs a second look."""


class _Said(Struct, gc=False, omit_defaults=True):
    actor: object = None
    session: object = None
    source: object = None
    consent: object = None


class Encoder:
    """Checks, completes and encodes captured calls. `source` is what every event has unless context or call differ."""

    def __init__(self, source: Mapping[str, str], entropy: Callable[[int], bytes]) -> None:
        self._source = dict(source) or None
        self._ids = IdMaker(entropy)
        self._json = msgspec.json.Encoder(decimal_format="number")

    def encode(self, record: Record) -> bytes:
        """The event as JSON, `{"id":"` and its id in front. Raises UsageError for what can never be sent."""
        bodies: list[bytes] = []
        self.encode_into(bodies, [record], _raise)
        return bodies[0]

    def encode_into(
        self, bodies: list[bytes], records: Iterable[Record], refuse: Callable[[Exception], object]
    ) -> list[int]:
        """Append the records' events to `bodies`; return the places of the records that became one.

        What cannot be sent is told to `refuse`: a UsageError, or whatever a stranger's class raises when it is read.
        """
        places: list[int] = []
        ids, last, now, head, tail = self._ids, None, -1, b"", b""
        rests: dict[int, bytes | None] = {}
        for place, record in enumerate(records):
            try:
                if record.ambient is not last:
                    last = record.ambient
                    rests = self._rests(last)
                says = record.says
                if says not in rests:
                    rests[says] = self._rest(last, says)
                rest = rests[says]
                if rest is not None:
                    millis = record.now_ns // 1_000_000
                    if millis == now and ids.count < MOST_COUNT:
                        ids.count += 1
                    else:
                        ids.advance(millis)
                        now, head, tail = millis, b'{"id":"' + ids.head, b'%b","time":%d,' % (ids.tail, millis)
                    body = b"%b%03x%b%b%b" % (head, ids.count, tail, rest, record.call[1:])  # type: ignore[index]  # sealed
                else:
                    body, now = self._compose(record), -1
                if len(body) > MAX_EVENT_BYTES:
                    raise _too_large(body)
            except Exception as error:  # noqa: BLE001 - what a stranger's class does when it is read is anybody's guess
                refuse(error)
            else:
                bodies.append(body)
                places.append(place)
        return places

    # -- the short way --------------------------------------------------------------------------------------------

    def _rests(self, around: Ambient) -> dict[int, bytes | None]:
        wire = around.wire
        if type(wire) is not _Wire or wire.of is not self:
            around.wire = wire = _Wire(self, {})
        return wire.rests

    def _rest(self, around: Ambient, says: int) -> bytes | None:
        """What the context and the client's own source add to a call that says so much itself."""
        if says & MORE:
            return None
        source = merged(self._source, around.source)
        if (says & SOURCE and source is not None) or not (says & ACTOR or around.actor is not None):
            return None  # two sources must be merged, and an event needs an actor: both are for the long way
        try:
            said = _Said(
                None if says & ACTOR else check_text("actor", around.actor),
                None if says & SESSION else check_text("session", around.session),
                None if source is None else check_source(source) or None,
                None if around.consent is None else check_consent(around.consent) or None,
            )
            rest = self._json.encode(said)
        except (UsageError, UnicodeEncodeError):
            return None
        if not (says & ACTOR or said.actor):
            return None
        return rest[1:-1] + b"," if len(rest) > len(b"{}") else b""

    # -- the long way ---------------------------------------------------------------------------------------------

    def _compose(self, record: Record) -> bytes:
        call = _open(record.call) if type(record.call) is bytes else record.call
        try:
            return self._json.encode(self._event(record, call))  # type: ignore[arg-type]  # opened just now
        except UnicodeEncodeError:
            raise UsageError("the event holds half a surrogate pair, which is no text", field="text") from None

    def _event(self, record: Record, call: Call) -> Event:
        name = check_name("name", call.name)
        around = record.ambient
        adjust = check_adjust(call.adjust)
        actor = check_text("actor", call.actor) or check_text("actor", around.actor)
        if actor is None and adjust is None:
            raise UsageError(
                "actor is missing; pass actor=…, or track inside kizashi.context(actor=…)",
                field="actor",
                reason="no_actor",
            )
        currency = check_currency(call.currency)
        value = check_value(call.value, currency)
        order = check_text("order", call.order)
        if adjust is not None and order is None:
            raise UsageError(f"adjust={adjust!r} needs the order of the event that it changes", field="order")
        if adjust == "restate" and value is UNSET:
            raise UsageError("adjust='restate' needs value, the new total", field="value")
        key = check_text("idempotency_key", record.idempotency_key, longest=MAX_EVENT_BYTES)
        source = merged(merged(self._source, around.source), call.source)
        consent = merged(around.consent, call.consent)
        millis = record.now_ns // 1_000_000
        return Event(
            id=(self._ids.make(millis) if key is None else _derived(name, key)).decode(),
            name=name,
            time=millis if record.time is None else check_time(record.time),
            actor=actor,
            value=value,
            currency=currency,
            order=order,
            session=check_text("session", call.session) or check_text("session", around.session),
            adjust=adjust,
            source=None if source is None else check_source(source) or None,
            properties=None if call.properties is None else check_properties(call.properties) or None,
            consent=None if consent is None else check_consent(consent) or None,
        )


def _too_large(body: bytes) -> UsageError:
    return UsageError(
        f"the event takes {len(body)} bytes, more than {MAX_EVENT_BYTES}; send fewer or shorter properties",
        field="properties",
        reason="too_large",
    )


def _raise(error: Exception) -> None:
    raise error


def _derived(name: str, key: str) -> bytes:
    try:
        return derived_id(name, key)
    except UnicodeEncodeError:
        raise UsageError(
            "idempotency_key holds half a surrogate pair, which is no text", field="idempotency_key"
        ) from None
