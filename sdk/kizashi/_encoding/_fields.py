"""The rule of each field of an event: what track() may be given, and what becomes of it.

Every check returns the value as the wire wants it or raises UsageError. They are kinder than the wire where no meaning
is lost: whole numbers serve as identifiers, empty text and None count as left out.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from math import isfinite
from typing import Any, Literal, TypeVar

from msgspec import UNSET, Raw, UnsetType

from kizashi._capture import is_source, known_names
from kizashi._errors import UsageError
from kizashi_schemas import (
    CONSENT_KEYS,
    LEAST_INTEGER,
    MINOR_UNITS,
    MOST_INTEGER,
    MOST_UNITS,
    NAME_PATTERN,
    PROPERTY_KEYS,
    SOURCE_CHARACTERS,
    SOURCE_KEYS,
    TEXT_CHARACTERS,
    MoneyError,
    TimeError,
    format_micros,
    is_decimal,
    is_name,
    parse_money,
    parse_time,
)

__all__ = [
    "check_adjust",
    "check_consent",
    "check_currency",
    "check_name",
    "check_properties",
    "check_source",
    "check_text",
    "check_time",
    "check_value",
]

T = TypeVar("T")

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)
_LAST_MS = 253_402_300_799_999
# Without a currency the plan's default decides, at the collector. Here only what no currency could hold is refused.
_FINEST = max(MINOR_UNITS, key=MINOR_UNITS.__getitem__)
# Exponents of a double: what every reader of JSON can hold.
_MOST_EXPONENT = 300

_KNOWN_LIMIT = 4_096


def check_name(field: str, value: object) -> str:
    """The name of an event, or a key of one of its mappings."""
    if type(value) is str and value in known_names:
        return value
    text = _exact(value)
    if not is_name(text):
        raise UsageError(f"{field} is {_shown(value)}; write letters a to z, digits and _: {NAME_PATTERN}", field=field)
    if len(known_names) < _KNOWN_LIMIT:
        known_names.add(text)
    return text


def check_text(field: str, value: object, longest: int = TEXT_CHARACTERS) -> str | None:
    """An identifier: text, or a whole number such as a primary key. Empty text counts as left out."""
    if value is None or (type(value) is str and 0 < len(value) <= longest):
        return value
    return _identifier(field, field, value, longest) or None


def _identifier(field: str, label: str, value: object, longest: int) -> str:
    if isinstance(value, str):
        text = _exact(value)
    elif isinstance(value, int) and not isinstance(value, bool) and LEAST_INTEGER <= value <= MOST_INTEGER:
        text = int.__repr__(value)
    else:
        raise UsageError(f"{label} is of type {type(value).__name__}; pass text, or an int of 64 bits", field=field)
    if len(text) > longest:
        raise UsageError(f"{label} has {len(text)} characters; {longest} are allowed", field=field)
    return text


def check_adjust(value: object) -> Literal["restate", "retract"] | None:
    """How the event changes the worth of an earlier one, if it does."""
    if value is None:
        return None
    text = _exact(value)
    if text == "restate":
        return "restate"
    if text == "retract":
        return "retract"
    raise UsageError(f"adjust is {_shown(value)}; write 'restate' or 'retract'", field="adjust")


def check_currency(value: object) -> str | None:
    """A currency that ISO 4217 lists with minor units."""
    if value is None or (type(value) is str and value in MINOR_UNITS):
        return value
    text = _exact(value)
    if text in MINOR_UNITS:
        return text
    raise UsageError(f"currency is {_shown(value)}; write an ISO 4217 code such as JPY or USD", field="currency")


def check_value(value: object, currency: str | None) -> Raw | UnsetType:
    """Money as a JSON number of exact decimal text. A float counts as its shortest repr: 12.3 is 12.3 exactly."""
    if value is None:
        return UNSET
    if type(value) is int and 0 <= value <= MOST_UNITS:
        return Raw(b"%d" % value)
    if isinstance(value, bool):
        raise UsageError(f"value is {value}, a truth and no amount; pass an int, Decimal, str or float", field="value")
    if isinstance(value, str):
        text = _exact(value)
        if not is_decimal(text):
            raise UsageError(f"value is {_shown(text)}; as text, write digits and at most one point", field="value")
    elif isinstance(value, int):
        # Turning a huge int into digits takes quadratic time, and Python refuses the hugest: any text beyond will do.
        text = int.__repr__(value) if LEAST_INTEGER <= value <= MOST_INTEGER else "1e30"
    elif isinstance(value, float):
        text = float.__repr__(value)
    elif isinstance(value, Decimal):
        text = str(value)
    else:
        raise UsageError(f"value is of type {type(value).__name__}; pass an int, Decimal, str or float", field="value")
    try:
        return Raw(format_micros(parse_money(text, currency or _FINEST)).encode())
    except MoneyError as error:
        raise UsageError(str(error), field="value") from None


def check_time(value: object) -> int:
    """When it happened, in epoch milliseconds. What is finer than a millisecond is cut off, as at the collector."""
    if isinstance(value, datetime):
        if value.utcoffset() is None:
            raise UsageError("time is a datetime without a zone; pass datetime.now(tz=UTC) or the like", field="time")
        instant = (value - _EPOCH) // _MILLISECOND
    elif isinstance(value, str) or (isinstance(value, int) and not isinstance(value, bool)):
        try:
            instant = parse_time(value)
        except TimeError as error:
            raise UsageError(str(error), field="time") from None
    else:
        raise UsageError(
            f"time is of type {type(value).__name__}; pass an aware datetime, whole milliseconds or RFC 3339",
            field="time",
        )
    if not 0 <= instant <= _LAST_MS:
        raise UsageError("time lies outside the years 1970 to 9999; whole numbers are milliseconds", field="time")
    return instant


def check_source(source: object) -> dict[str, str]:
    """Where the actor came from: at most 32 names, each with text of up to 500 characters, an int, or None (absent)."""
    if is_source(source):
        return source  # type: ignore[return-value]  # that is what was looked for
    clean: dict[str, str] = {}
    for key, value in _mapping("source", source).items():
        name = check_name("source", key)
        if type(value) is str and len(value) <= SOURCE_CHARACTERS:
            clean[name] = value
        elif value is not None:
            clean[name] = _identifier("source", f"source[{name!r}]", value, SOURCE_CHARACTERS)
    return _at_most("source", clean, SOURCE_KEYS)


def check_properties(properties: object) -> dict[str, Any]:
    """What else is known of the event: at most 64 names, each with text, a finite number, a bool or None."""
    mapping = _mapping("properties", properties)
    clean: dict[str, Any] = {}
    for key, value in mapping.items():
        name = check_name("properties", key)
        clean[name] = value if type(value) is str or value is None else _scalar(name, value)
    return _at_most("properties", clean, PROPERTY_KEYS)


def _scalar(name: str, value: object) -> str | int | float | Decimal | bool:
    if isinstance(value, bool):
        return value
    if isinstance(value, int):
        if LEAST_INTEGER <= value <= MOST_INTEGER:
            return int.__int__(value)
        fault = "is a whole number beyond 64 bits; send it as text"
    elif isinstance(value, float):
        if isfinite(value):
            return float.__float__(value)
        fault = "is not a finite number; leave it out"
    elif isinstance(value, Decimal):
        if value.is_finite() and (not value or abs(value.adjusted()) <= _MOST_EXPONENT):
            return value
        fault = "is not a finite number of common size; leave it out, or send it as text"
    elif isinstance(value, str):
        return _exact(value)
    else:
        fault = f"is of type {type(value).__name__}; send text, a number, True, False or None"
    raise UsageError(f"properties[{name!r}] {fault}", field="properties")


def check_consent(consent: object) -> dict[str, bool]:
    """What the actor agreed to: at most 32 purposes, each True or False. A None says nothing."""
    clean: dict[str, bool] = {}
    for key, value in _mapping("consent", consent).items():
        if value is None:
            continue
        if not isinstance(value, bool):
            raise UsageError(f"consent[{_shown(key)}] is of type {type(value).__name__}, not bool", field="consent")
        clean[check_name("consent", key)] = value
    return _at_most("consent", clean, CONSENT_KEYS)


def _mapping(field: str, value: object) -> dict[Any, Any]:
    if not isinstance(value, dict):
        raise UsageError(f"{field} is of type {type(value).__name__}; pass a mapping", field=field)
    return value


def _at_most(field: str, mapping: dict[str, T], most: int) -> dict[str, T]:
    if len(mapping) > most:
        raise UsageError(f"{field} has {len(mapping)} keys; {most} are allowed", field=field)
    return mapping


def _shown(value: object) -> str:
    return f"{_exact(value)[:40]!r}" if isinstance(value, str) else f"of type {type(value).__name__}"


def _exact(value: object) -> str:
    """The text itself where it is of a subclass (Django's SafeString, a StrEnum), and nothing for what is no text."""
    return str.__str__(value) if isinstance(value, str) else ""
