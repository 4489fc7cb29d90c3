"""The rules of an event as the documentation tells them: one line each, slow, and of no code of the collector's."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from typing import Any, NamedTuple

from iso4217 import Currency

from fuzz.reading import Number

__all__ = ["PlainPlan", "Rules", "envelope_fault", "faults", "instant", "stored_form"]

MINOR = {currency.code: currency.exponent for currency in Currency if currency.exponent is not None}
NAME = re.compile(r"[a-z][a-z0-9_]{0,63}")
INTEGER = re.compile(r"-?(0|[1-9][0-9]*)")
DECIMAL = re.compile(r"[0-9]+(\.[0-9]+)?")
RFC_3339 = re.compile(
    r"([0-9]{4}-[0-9]{2}-[0-9]{2})[Tt ]([0-9]{2}:[0-9]{2}:[0-9]{2})(\.[0-9]+)?([Zz]|[+-][0-9]{2}:[0-9]{2})"
)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
LAST = 253_402_300_799_999
MAX_EVENT_BYTES = 32_768


class PlainPlan(NamedTuple):
    """What a plan says to a batch that comes in."""

    currency: str
    rates: tuple[str, ...] = ()
    names: frozenset[str] | None = None
    """The names that are taken; None where every name is."""


class Rules(NamedTuple):
    """What the rules depend on: the collector's clock, the plan, the retention, all in milliseconds."""

    now: int
    plan: PlainPlan | None = None
    retention: int | None = None


def envelope_fault(batch: Any) -> str | None:
    """Why all of it is refused with 422, or None."""
    if not isinstance(batch, dict):
        return "it is no object"
    if not isinstance(batch.get("events"), list):
        return "it has no list of events"
    if not isinstance(batch.get("import", False), bool):
        return "import is no boolean"
    if batch.get("sent_at") is not None and instant(batch["sent_at"]) is None:
        return "sent_at is no instant"
    return None


def instant(value: Any) -> int | None:
    """Epoch milliseconds of a time from 1970 to 9999, or None."""
    if isinstance(value, Number) and INTEGER.fullmatch(value.text) and len(value.text) < 20:
        moment = int(value.text)
    elif isinstance(value, str) and (match := RFC_3339.fullmatch(value)):
        date, clock, fraction, offset = match.groups()
        try:
            local = datetime.fromisoformat(f"{date}T{clock}")
        except ValueError:
            return None
        away = 0
        if offset not in "Zz":
            hours, minutes = int(offset[1:3]), int(offset[4:6])
            if hours > 23 or minutes > 59:
                return None
            away = (hours * 60 + minutes) * (-1 if offset[0] == "-" else 1)
        seconds = (local.replace(tzinfo=UTC) - EPOCH) // timedelta(seconds=1) - away * 60
        moment = seconds * 1000 + int(Fraction(fraction or "0") * 1000)
    else:
        return None
    return moment if 0 <= moment <= LAST else None


def shift_of(batch: Mapping[str, Any], now: int) -> int:
    """What the times of a batch are corrected by."""
    sent_at = instant(batch.get("sent_at"))
    return now - sent_at if sent_at is not None and abs(now - sent_at) > 5_000 else 0


def faults(event: Any, batch: Mapping[str, Any], rules: Rules) -> list[str]:
    """Every rule that the event breaks; an empty list where it is to be stored."""
    if not isinstance(event, dict):
        return ["it is no object"]
    found = [name for name, holds in _form(event).items() if not holds]
    time = instant(event.get("time"))
    if time is not None:
        time += shift_of(batch, rules.now)
        if time < 0:
            found.append("before 1970")
        if time > rules.now + 600_000:
            found.append("from the future")
        if rules.retention is not None and time < rules.now - rules.retention:
            found.append("too old")
    if rules.plan is not None and rules.plan.names is not None and str(event.get("name")) not in rules.plan.names:
        found.append("unplanned")
    amount = _amount(event.get("value"))
    if amount is not None:
        currency = str(event.get("currency") or (rules.plan and rules.plan.currency))
        if currency not in MINOR:
            found.append("no currency")
        elif rules.plan is not None and currency not in (rules.plan.currency, *rules.plan.rates):
            found.append("no rate")
        elif amount * 10 ** MINOR[currency] % 1:
            found.append("more decimals than the currency has")
    if _least_size(event) > MAX_EVENT_BYTES:
        found.append("larger than 32 KiB")
    return found


def _form(event: Mapping[str, Any]) -> dict[str, bool]:
    adjust, order = event.get("adjust"), event.get("order")
    return {
        "id": _text(event.get("id"), 1, 64),
        "name": _is_name(event.get("name")),
        "time": instant(event.get("time")) is not None,
        "actor": _text(event.get("actor"), 1, 200) or (event.get("actor") is None and adjust is not None),
        "value": event.get("value") is None or _amount(event["value"]) is not None,
        "currency": event.get("currency") is None
        or (isinstance(event["currency"], str) and event["currency"] in MINOR),
        "order": order is None or _text(order, 1, 200),
        "session": event.get("session") is None or _text(event["session"], 1, 200),
        "adjust": adjust is None or (adjust in ("restate", "retract") and isinstance(adjust, str)),
        "adjust without order": adjust is None or order is not None,
        "restate without value": adjust != "restate" or event.get("value") is not None,
        "source": _map(event.get("source"), 32, lambda value: _text(value, 0, 500)),
        "properties": _map(event.get("properties"), 64, _is_scalar),
        "consent": _map(event.get("consent"), 32, lambda value: isinstance(value, bool)),
    }


def _text(value: Any, least: int, most: int) -> bool:
    return isinstance(value, str) and least <= len(value) <= most


def _is_name(value: Any) -> bool:
    return isinstance(value, str) and NAME.fullmatch(value) is not None


def _map(value: Any, most: int, fits: Any) -> bool:
    if value is None:
        return True
    return isinstance(value, dict) and len(value) <= most and all(_is_name(k) and fits(v) for k, v in value.items())


def _is_scalar(value: Any) -> bool:
    if isinstance(value, Number):
        number = _number(value)
        return number is not None and not (isinstance(number, int) and not -(2**63) <= number < 2**64)
    return value is None or isinstance(value, str | bool)


def _number(number: Number) -> int | float | None:
    """A property's number, or None where it is not finite or has thousands of digits."""
    if INTEGER.fullmatch(number.text):
        return int(number.text) if len(number.text) <= 4_300 else None
    value = float(number.text)
    return value if math.isfinite(value) else None


def _amount(value: Any) -> Fraction | None:
    """The amount that a value says: from 0 to 10¹⁰, in at most 64 characters, with at most 4 decimals; or None."""
    if isinstance(value, str) and not DECIMAL.fullmatch(value):
        return None
    text = value if isinstance(value, str) else value.text if isinstance(value, Number) else None
    if text is None or len(text) > 64:
        return None
    digits, _, exponent = text.lower().partition("e")
    if not any(digit in "123456789" for digit in digits):
        return Fraction(0) if digits.strip("-0.") == "" and len(exponent) < 19 else None
    if len(exponent) > 4:
        return None
    amount = Fraction(text)
    return amount if 0 <= amount <= 10**10 and amount * 10**4 % 1 == 0 else None


def _least_size(event: Any) -> int:
    """So many bytes an event has however it is written: those of its texts."""
    size, rest = 0, [event]
    while rest:
        value = rest.pop()
        if isinstance(value, dict):
            rest += [*value, *value.values()]
        elif isinstance(value, list):
            rest += value
        elif isinstance(value, str):
            size += len(value.encode())
    return size


def stored_form(event: Mapping[str, Any], batch: Mapping[str, Any], rules: Rules) -> dict[str, Any]:
    """What the log must hold of an event that breaks no rule."""
    time, shift, amount = instant(event["time"]), shift_of(batch, rules.now), _amount(event.get("value"))
    assert time is not None
    currency = event.get("currency")
    if currency is None and amount is not None and rules.plan is not None:
        currency = rules.plan.currency
    properties = event.get("properties") or {}
    return {
        **{name: event.get(name) for name in ("id", "name", "actor", "order", "session", "adjust")},
        **{name: event.get(name) or {} for name in ("source", "consent")},
        "properties": {k: _number(v) if isinstance(v, Number) else v for k, v in properties.items()},
        "time": time + shift,
        "shift": shift,
        "value": None if amount is None else int(amount * 10**6),
        "currency": currency,
        "imported": batch.get("import", False),
    }
