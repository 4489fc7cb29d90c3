"""What a cell of an export says: a time, an amount, a legal name. Pure; errors say what to change in the mapping."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, tzinfo
from decimal import ROUND_HALF_EVEN, Context, Decimal, InvalidOperation
from functools import lru_cache
from typing import Literal

from kizashi_schemas import MAX_TIME_MS, MINOR_UNITS, KizashiError

__all__ = [
    "AmountUnit",
    "CellError",
    "TimeUnit",
    "amount_reader",
    "boolean_of",
    "legal_name",
    "number_of",
    "time_reader",
]

TimeUnit = Literal["auto", "iso", "s", "ms", "us", "ns"]
AmountUnit = Literal["unit", "minor", "micros"]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)
_PER_UNIT = {"s": Decimal("1e3"), "ms": Decimal(1), "us": Decimal("1e-3"), "ns": Decimal("1e-6")}
# Milliseconds below this are of 1973 or earlier: seconds, most likely.
_LEAST_PLAUSIBLE_MS = 100_000_000_000
_EXACT = Context(prec=128)
_DIGITS_LIMIT = 64
_PLAIN = re.compile(r"[0-9]+(?:\.[0-9]+)?", re.ASCII)
_NUMBER = re.compile(r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]{1,3})?", re.ASCII)
_YES, _NO, _OPEN = ({"true", "yes", "y", "t", "1"}, {"false", "no", "n", "f", "0"}, {"unset", "null", "none"})


class CellError(KizashiError, ValueError):
    """A cell that cannot be read as what it should be. The message names the remedy; the caller names the place."""


def _decimal(cell: object) -> Decimal:
    if isinstance(cell, bool) or not isinstance(cell, int | str | Decimal):
        raise CellError(f"is of type {type(cell).__name__}, not a number; map another field")
    if isinstance(cell, Decimal):
        number = cell
    else:
        text = str(cell)
        if len(text) > _DIGITS_LIMIT or _NUMBER.fullmatch(text) is None:
            raise CellError("is not a number; mend it, or map another column")
        number = Decimal(text)
    # 1e999999 is short to write and long to compute with.
    if not number.is_finite() or (number and abs(number.adjusted()) > _DIGITS_LIMIT):
        raise CellError("is not a number that can be; mend it, or map another column")
    return number


def time_reader(unit: TimeUnit, zone: tzinfo | None, pattern: str | None) -> Callable[[object], int]:
    """Make a reader of times: a cell becomes epoch milliseconds, what is below them cut off.

    `pattern` is strptime's and rules where given. `zone` says where a time without an offset was noted; without it such
    a time is refused. `auto` reads digits as milliseconds and everything else as ISO 8601. The reader raises CellError.
    """

    def of_text(text: str) -> int:
        try:
            if pattern is not None:
                moment = datetime.strptime(text, pattern)
            else:
                moment = datetime.fromisoformat(text.removesuffix(" UTC") + "+00:00" if text.endswith(" UTC") else text)
        except ValueError:
            form = f"a time of the form {pattern!r}" if pattern is not None else "an ISO 8601 time"
            raise CellError(f"is not {form}; say `unit` or `format` of the time in the mapping") from None
        if moment.tzinfo is None:
            if zone is None:
                raise CellError('is a time without an offset; say `timezone = "Asia/Tokyo"` in the mapping')
            moment = moment.replace(tzinfo=zone)
        return _in_range((moment - _EPOCH) // _MILLISECOND)

    def of_number(cell: object, unit: str) -> int:
        number = _decimal(cell)
        return _in_range(int(_EXACT.multiply(number, _PER_UNIT[unit]).to_integral_value("ROUND_FLOOR")))

    if unit in _PER_UNIT and pattern is None:
        return lambda cell: of_number(cell, unit)

    def read(cell: object) -> int:
        number = isinstance(cell, int | Decimal) or (isinstance(cell, str) and cell.isdigit())
        if not number:
            if not isinstance(cell, str):
                raise CellError(f"is of type {type(cell).__name__}, not a time; map another field")
            return of_text(cell)
        if pattern is not None or unit == "iso":
            return of_text(str(cell))
        milliseconds = of_number(cell, "ms")
        if milliseconds < _LEAST_PLAUSIBLE_MS:
            raise CellError('would lie before 1974 as milliseconds; say `unit = "s"` (or ms, us, ns) in the mapping')
        return milliseconds

    return read


def _in_range(milliseconds: int) -> int:
    if not 0 <= milliseconds <= MAX_TIME_MS:
        raise CellError("lies outside the years 1970 to 9999; check `unit` in the mapping")
    return milliseconds


def amount_reader(
    unit: AmountUnit, decimal_mark: str, thousands: str, round_to: int | None
) -> Callable[[object, str | None], str]:
    """Make a reader of money: a cell and its currency become exact decimal text in units of the currency.

    Nothing passes through a float. Without `round_to`, digits below the currency's minor unit are refused. The reader
    raises CellError.
    """
    plain = unit == "unit" and decimal_mark == "." and round_to is None

    def read(cell: object, currency: str | None) -> str:
        if isinstance(cell, str):
            text = cell.replace(thousands, "") if thousands else cell
            if decimal_mark != ".":
                if "." in text:
                    raise CellError(f'has a point, and `decimal_mark = "{decimal_mark}"`; say `thousands = "."` too')
                text = text.replace(decimal_mark, ".")
            if plain and len(text) < _DIGITS_LIMIT and text.isascii() and text.isdigit() and int(text) <= 10**10:
                return text
            if not _NUMBER.fullmatch(text):
                raise CellError(
                    "is not an amount; write digits and a point, or say `decimal_mark` and `thousands` in the mapping"
                )
            amount = _decimal(text)
        else:
            amount = _decimal(cell)
        digits = MINOR_UNITS.get(currency) if currency is not None else None
        if unit == "minor":
            if currency is None:
                raise CellError("is in minor units of no known currency; map `currency` too")
            amount = _EXACT.scaleb(amount, -(digits or 0))
        elif unit == "micros":
            amount = _EXACT.scaleb(amount, -6)
        if round_to is not None:
            amount = amount.quantize(Decimal(1).scaleb(-round_to), ROUND_HALF_EVEN, _EXACT)
        if amount < 0:
            raise CellError("is negative; what takes value back is an event with `adjust`, its row is left out here")
        if amount > 10**10:
            raise CellError("is more than 10000000000; check `unit` in the mapping")
        text = format(_EXACT.normalize(amount), "f")
        if digits is not None and len(text.partition(".")[2]) > digits:
            raise CellError(
                f"has more decimals than {currency} has ({digits}); "
                f'mend it, or say `unit = "minor"` or `round_to = {digits}` in the mapping'
            )
        return text

    return read


def number_of(cell: object) -> int | Decimal:
    """Read a number for a property. Raises CellError."""
    number = _decimal(cell)
    try:
        return int(number) if number == number.to_integral_value() and abs(number) < 2**63 else number
    except InvalidOperation:
        return number


def boolean_of(cell: object) -> bool | None:
    """Read yes or no; None where the export says that it was never decided. Raises CellError."""
    if isinstance(cell, bool):
        return cell
    text = str(cell).lower()
    if text in _OPEN:
        return None
    if text not in _YES and text not in _NO:
        raise CellError("is neither yes nor no; write true or false, or map another column")
    return text in _YES


@lru_cache(maxsize=8192)
def legal_name(text: str) -> str | None:
    """Turn any name into one that the wire allows: `Order Completed` and `orderCompleted` become `order_completed`.

    None where letters other than Latin ones would be lost, or nothing is left.
    """
    plain = "".join(c for c in unicodedata.normalize("NFKD", text) if not unicodedata.combining(c))
    if any(not c.isascii() and c.isalnum() for c in plain):
        return None
    words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", plain).lower()
    name = re.sub(r"[^a-z0-9]+", "_", words).strip("_")
    if not name:
        return None
    return (name if name[0].isalpha() else f"n_{name}")[:64].rstrip("_")
