"""One raw event becomes a candidate for the log: its form, then the rules of plan and clock."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence

import msgspec
from msgspec import UNSET, Raw

from kizashi_collector.analysis import LoggedEvent
from kizashi_collector.ingest._amounts import json_number, msgpack_number
from kizashi_collector.ingest._decode import Format, decode_event, decode_id, to_json
from kizashi_collector.ingest._usual import UsualEvents
from kizashi_collector.store import Candidate, EventColumns, Refusal
from kizashi_schemas import (
    LEAST_INTEGER,
    MAX_EVENT_BYTES,
    MAX_TIME_MS,
    MOST_INTEGER,
    Event,
    MoneyError,
    TimeError,
    check_currency,
    check_minor,
    format_duration,
    format_time,
    parse_amount,
    parse_time,
)
from kizashi_schemas.plan import Plan

__all__ = ["FUTURE_TOLERANCE_MS", "Checker"]

FUTURE_TOLERANCE_MS = 10 * 60 * 1000
"""A time further ahead of the collector's clock than this is refused."""

Properties = Mapping[str, str | int | float | bool | None]

_BOUND = re.compile(r"`str` of length (>= 1|<= \d+) - at `\$\.[a-z_]+`")
_INSTEAD = {"id": "send one that no other event has", "actor": "send who did it"}
_FIELD = re.compile(r"(?:`\$\.|required field `)([a-z_]+)")


class _FormError(Exception):
    """What was sent is not of an event's form."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class Checker:
    """Checks the events of one batch.

    `shift` milliseconds are added to every time, since the sender's clock differs by that. Form comes first: an event
    of the wrong form has no identity. Rules come second and leave a refusal beside the event, because an id that is
    stored already is answered before them.
    """

    def __init__(
        self, kind: Format, plan: Plan | None, *, received_at: int, shift: int, imported: bool, retention: int | None
    ) -> None:
        self._kind: Format = kind
        self._plan = plan
        self._received_at = received_at
        self._shift = shift
        self._imported = imported
        self._retention = retention
        self._usual = UsualEvents(
            kind,
            plan,
            received_at=received_at,
            shift=shift,
            imported=imported,
            retention=retention,
            latest=received_at + FUTURE_TOLERANCE_MS,
        )

    def check(self, raws: Sequence[Raw]) -> Sequence[EventColumns | Candidate]:
        """Return what some raw events are for the log, in their order; best USUAL_EVENTS at a time.

        Raises BadBodyError where one is not well-formed at all.
        """
        usual = self._usual.read(raws)
        return [usual] if usual is not None else [self.check_in_full(raw) for raw in raws]

    def check_in_full(self, raw: Raw) -> Candidate:
        """Return one event as a candidate, checked rule by rule."""
        try:
            event = self._read(raw)
        except _FormError as error:
            return self._candidate(raw, None, Refusal(error.code, str(error)), decode_id(raw, self._kind))
        return self._candidate(raw, event, self._refusal(event), event.id)

    def _candidate(self, raw: Raw, event: LoggedEvent | None, refusal: Refusal | None, key: str | None) -> Candidate:
        # What is accepted needs no second copy; what is refused is kept as it was sent. Whether a restatement is, only
        # its original tells.
        kept = refusal is not None or (event is not None and event.adjust == "restate")
        body = to_json(raw, self._kind, MAX_EVENT_BYTES) if kept else b""
        return Candidate(event=event, refusal=refusal, id=key, body=body, received_at=self._received_at)

    # -- form ---------------------------------------------------------------------------------------------------------

    def _read(self, raw: Raw) -> LoggedEvent:
        size = len(memoryview(raw))
        if size > MAX_EVENT_BYTES:
            raise _FormError("too_large", f"the event has {size} bytes, {MAX_EVENT_BYTES} may be; shorten properties")
        try:
            event = decode_event(raw, self._kind)
        except msgspec.ValidationError as error:
            raise _misshapen(error) from None
        if event.adjust is None and event.actor is None:
            raise _FormError("bad_actor", "actor is missing; send who did it, or `adjust`")
        if event.adjust is not None and event.order is None:
            raise _FormError("bad_order", f"{event.adjust} needs the order of the event that it adjusts")
        value = self._value(event)
        if event.adjust == "restate" and value is None:
            raise _FormError("bad_value", "restate needs a value: the new total")
        currency, defaulted = self._currency(event, value)
        return LoggedEvent(
            id=event.id,
            name=event.name,
            time=self._time(event),
            received_at=self._received_at,
            shift=self._shift,
            actor=event.actor,
            value=value,
            currency=currency,
            currency_defaulted=defaulted,
            order=event.order,
            session=event.session,
            adjust=event.adjust,
            source=event.source or {},
            properties=_kept_exactly(event.properties or {}),
            consent=event.consent or {},
            imported=self._imported,
        )

    def _time(self, event: Event) -> int:
        try:
            time = parse_time(event.time) + self._shift
        except TimeError as error:
            raise _FormError("bad_time", str(error)) from None
        if time < 0:
            raise _FormError("bad_time", "time lies before 1970 once corrected by sent_at; mend the sender's clock")
        return time

    def _value(self, event: Event) -> int | None:
        if event.value is UNSET:
            return None
        try:
            text = json_number(event.value) if self._kind == "json" else msgpack_number(event.value)
            return None if text is None else parse_amount(text)
        except MoneyError as error:
            raise _FormError(error.code, str(error)) from None

    def _currency(self, event: Event, value: int | None) -> tuple[str | None, bool]:
        if event.currency is not None:
            try:
                return check_currency(event.currency), False
            except MoneyError as error:
                raise _FormError(error.code, str(error)) from None
        if value is not None and self._plan is not None:
            return self._plan.currency, True
        return None, False

    # -- rules --------------------------------------------------------------------------------------------------------

    def _refusal(self, event: LoggedEvent) -> Refusal | None:
        plan = self._plan
        if plan is not None and plan.unplanned == "reject" and event.name not in plan.events:
            return Refusal("unplanned", f"{event.name} is not in the plan; add [events.{event.name}]")
        if event.value is not None:
            refusal = self._money_refusal(event.value, event.currency)
            if refusal is not None:
                return refusal
        if event.time > self._received_at + FUTURE_TOLERANCE_MS:
            # A correction may carry it past the last instant that can be written.
            time = format_time(min(event.time, MAX_TIME_MS))
            return Refusal(
                "from_the_future",
                f"time {time} is more than 10 minutes ahead of the collector's clock; "
                "mend the sender's clock, or send sent_at with the batch",
            )
        if self._retention is not None and event.time < self._received_at - self._retention:
            return Refusal(
                "too_old",
                f"time {format_time(event.time)} is older than the retention of {format_duration(self._retention)}",
            )
        return None

    def _money_refusal(self, value: int, currency: str | None) -> Refusal | None:
        if currency is None:
            return Refusal("bad_currency", "a value needs a currency where no plan gives one; send for example JPY")
        if self._plan is not None and self._plan.rate(currency) is None:
            return Refusal(
                "bad_currency",
                f"{currency} is not the plan's {self._plan.currency} and has no rate; add rates.{currency} to the plan",
            )
        try:
            check_minor(value, currency)
        except MoneyError as error:
            return Refusal(error.code, str(error))
        return None


def _misshapen(error: msgspec.ValidationError) -> _FormError:
    match = _FIELD.search(str(error))
    message, _, _ = str(error).partition(" - at ")
    if match is None:
        return _FormError("bad_event", f"not an event: {message}")
    if "required field" in message:
        return _FormError(f"bad_{match[1]}", f"{match[1]} is missing; every event needs one")
    if "matching regex" in message:
        what = "" if match[1] == "name" else " as a key"
        return _FormError(
            f"bad_{match[1]}",
            f"{match[1]}: write a lower-case letter, then letters, digits and underscores, at most 64 in all{what}",
        )
    if (bound := _BOUND.search(str(error))) is not None:
        return _FormError(f"bad_{match[1]}", _out_of_bounds(match[1], bound[1]))
    return _FormError(f"bad_{match[1]}", f"{match[1]}: {message[:1].lower()}{message[1:]}")


def _out_of_bounds(field: str, bound: str) -> str:
    if bound == ">= 1":
        return f"{field} is empty; {_INSTEAD.get(field, 'leave it out where there is none')}"
    return f"{field} has more than {bound.removeprefix('<= ')} characters; send a shorter one"


def _kept_exactly(properties: Properties) -> Properties:
    for name, value in properties.items():
        if isinstance(value, float) and not math.isfinite(value):
            raise _FormError("bad_properties", f"properties: {name} is {value}; send a finite number or null")
        if isinstance(value, int) and not LEAST_INTEGER <= value <= MOST_INTEGER:
            raise _FormError("bad_properties", f"properties: {name} has more than 64 bits; send it as text")
    return properties
