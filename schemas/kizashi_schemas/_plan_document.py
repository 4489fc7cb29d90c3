"""A plan as plain data: what TOML and JSON both can say, with exact numbers, and how a message names a part of it.

A plan is stored as JSON and read again at a restart, so that nothing may depend on the form in which it came. It is
reduced first: keys sorted where their order means nothing, numbers that a reader of JSON gets back as they were, and
dates as the only other kind.
"""

from __future__ import annotations

import math
import re
import tomllib
from collections.abc import Mapping
from datetime import date, datetime, time
from decimal import Decimal, InvalidOperation
from typing import Any

__all__ = ["dotted", "one_line", "read_toml", "reduced", "shown"]

_DEEPEST = 16
_BARE_KEY = re.compile(r"[A-Za-z0-9_-]{1,80}")
_FARTHEST_EXPONENT = 999_999
_WIDEST_SHOWN_BITS = 128
# Beyond it, whole numbers are not all floats, and a reader that takes 1e16 for an integer would find another one.
_WHOLE_FLOATS = 2**53


def read_toml(text: str) -> dict[str, Any]:
    """Read TOML, its decimals from their text. Raises ValueError, which tells what is wrong, where, and the remedy."""
    try:
        return tomllib.loads(text, parse_float=_decimal)
    except tomllib.TOMLDecodeError as error:
        raise ValueError(f"{one_line(str(error), 200)}; check quotes and brackets there") from None
    except RecursionError:
        raise ValueError(f"tables or lists are nested too deep; no plan needs more than {_DEEPEST} levels") from None
    except ValueError:
        # The interpreter reads no integer of thousands of digits, and does not say where it stands.
        raise ValueError("a whole number has thousands of digits; TOML's have 64 bits, write a smaller one") from None


# The order of events is that of columns; the first funnel gives the ladder.
_ORDERED = ("events", "funnels")


def _decimal(text: str) -> Decimal:
    try:
        return Decimal(text)
    except InvalidOperation:
        # The exponent is beyond Decimal's. One that is merely beyond JSON's is refused in the same way, with its key.
        digits, _, exponent = text.lower().partition("e")
        return Decimal(f"{digits}e{'-' if exponent.startswith('-') else ''}{_FARTHEST_EXPONENT}")


def reduced(data: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, str]]:
    """The data as `json.decode(json.encode(data))` gives it back, and by key what cannot be given back, with a remedy.

    Tables are sorted by key, but for those whose order says something; whole numbers are int, and dates stay dates.
    What is refused is still there, so that the key's own check may have a better word for it: numbers as Decimal,
    times as they are.
    """
    refused: dict[str, str] = {}
    return _table(data, "", refused, 0), refused


def _table(table: Mapping[Any, Any], place: str, refused: dict[str, str], depth: int) -> dict[str, Any]:
    keys: dict[str, object] = {}
    for key in table:
        if isinstance(key, str):
            keys[_text(key, dotted(place, key), refused)] = key
        else:
            refused[place or "plan"] = f"the key {shown(key)} is no text; write it in quotes"
    names = keys if place in _ORDERED else sorted(keys)
    return {key: _reduced(table[keys[key]], dotted(place, key), refused, depth + 1) for key in names}


def _reduced(value: object, place: str, refused: dict[str, str], depth: int) -> object:
    if isinstance(value, dict | list) and depth >= _DEEPEST:
        refused[place] = f"is nested too deep; no plan needs more than {_DEEPEST} levels"
        return None
    if isinstance(value, dict):
        return _table(value, place, refused, depth)
    if isinstance(value, list):
        return [_reduced(item, f"{place}[{index}]", refused, depth + 1) for index, item in enumerate(value)]
    if isinstance(value, str):
        return _text(value, place, refused)
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int | float | Decimal):
        return _number(value, place, refused)
    if isinstance(value, datetime | time):
        refused[place] = f"{shown(value)} is a time; a plan holds dates, such as 2027-02-01"
    elif not isinstance(value, date):
        refused[place] = (
            f"{shown(value)} is nothing that TOML or JSON can say; write a text, a number, a list or a table"
        )
    return value


def _text(text: str, place: str, refused: dict[str, str]) -> str:
    try:
        text.encode()
    except UnicodeEncodeError:
        refused[place] = f"{shown(text)} is no Unicode text; save the plan as UTF-8"
        return text.encode(errors="backslashreplace").decode()
    return text


def _number(value: float | Decimal, place: str, refused: dict[str, str]) -> int | float | Decimal:
    if isinstance(value, int):
        if -(2**63) <= value < 2**63:
            return int(value)
        refused[place] = f"{shown(value)} does not fit into 64 bits; write a smaller number, or text in quotes"
        if value.bit_length() <= _WIDEST_SHOWN_BITS:
            return Decimal(value)
        # The size is enough to refuse it by, and nobody has to write out a number of megabytes.
        return Decimal((int(value < 0), (1,), int(value.bit_length() * math.log10(2))))
    exact = Decimal(repr(float(value))) if isinstance(value, float) else value
    if not exact.is_finite():
        exact = Decimal("NaN") if exact.is_nan() else exact
        refused[place] = f"{shown(exact)} is not finite; write a number in digits"
        return exact
    near = float(exact)
    if math.isinf(near):
        refused[place] = f"{shown(exact)} is too large for a JSON number; write one below 1e308"
        return exact
    if Decimal(repr(near)) != exact:
        refused[place] = f"{shown(exact)} has more digits than a JSON number carries; write {near!r}"
        return exact
    return int(near) if abs(near) < _WHOLE_FLOATS and near.is_integer() else near


def dotted(place: str, key: str) -> str:
    """The name of a key of the table at `place`, as TOML writes it: `events.mv_view`, `where."properties.x"`."""
    if not _BARE_KEY.fullmatch(key):
        key = '"' + one_line(key, 60).replace('"', '\\"') + '"'
    return f"{place}.{key}" if place else key


def shown(value: object) -> str:
    """A value in a message: on one line, and short whatever it holds."""
    if isinstance(value, str):
        return one_line(repr(value if len(value) <= 200 else value[:100] + value[-100:]), 60)
    if isinstance(value, int) and value.bit_length() > _WIDEST_SHOWN_BITS:
        return f"a whole number of {value.bit_length()} bits"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, Decimal):
        return "nan" if value.is_nan() else one_line(str(value) if value.is_finite() else str(float(value)), 60)
    if isinstance(value, int | float):
        return str(value)
    if isinstance(value, date | time):
        return value.isoformat()
    if value is None:
        return "null"
    return "a table" if isinstance(value, dict) else "a list" if isinstance(value, list) else type(value).__name__


def one_line(text: str, width: int) -> str:
    """Text as one printable line, its middle left out where it is longer than `width` characters."""
    if len(text) > width:
        text = f"{text[: width // 2]}…{text[-(width // 2) :]}"
    return "".join(letter if letter.isprintable() else letter.encode("unicode_escape").decode() for letter in text)
