"""Money as integer micros (10⁻⁶ of the currency's unit), read from decimal text and never through a float."""

from __future__ import annotations

import re
from decimal import Context, Decimal, InvalidOperation
from typing import NewType

from kizashi_schemas._currencies import MINOR_UNITS
from kizashi_schemas._errors import MoneyError

__all__ = [
    "MAX_MICROS",
    "MICROS",
    "Micros",
    "check_currency",
    "check_minor",
    "format_micros",
    "is_decimal",
    "parse_amount",
    "parse_money",
    "to_currency",
]

Micros = NewType("Micros", int)
"""An amount of money: 1 yen is 1,000,000 micros, 1 sen would be 10,000."""

MICROS = 1_000_000
MAX_MICROS = Micros(10**10 * MICROS)
"""The largest value of one event: 10¹⁰ units of its currency."""

_DECIMAL = re.compile(r"[0-9]+(\.[0-9]+)?", re.ASCII)
_WHOLE_LIMIT = 11
_DIGITS_LIMIT = 64
_MOST_DECIMALS = max(MINOR_UNITS.values())
_EXACT = Context(prec=2 * _DIGITS_LIMIT)


def check_currency(code: str) -> str:
    """Return the code if ISO 4217 lists it as a currency with minor units, else raise MoneyError (`bad_currency`)."""
    if code not in MINOR_UNITS:
        raise MoneyError(
            f"currency {code[:16]!r} is not an ISO 4217 code; write three capital letters such as JPY or USD",
            code="bad_currency",
        )
    return code


def parse_money(text: str, currency: str) -> Micros:
    """Read an amount of `currency` from a JSON number's text or a decimal string: `parse_amount`, then `check_minor`.

    `12.50` USD is 12,500,000 micros; `12.5` JPY is refused, since a yen has no parts. Raises MoneyError.
    """
    amount = parse_amount(text)
    check_minor(amount, currency)
    return amount


def parse_amount(text: str) -> Micros:
    """Read a decimal number as micros, whatever its currency: 0 ≤ value ≤ 10¹⁰, at most 4 decimals.

    No currency has more than 4 decimals. Trailing zeros carry no money and are accepted. Raises MoneyError.
    """
    if len(text) < _WHOLE_LIMIT and text.isascii() and text.isdigit():
        return Micros(int(text) * MICROS)
    if len(text) > _DIGITS_LIMIT:
        raise MoneyError(f"value {text[:16]}… has {len(text)} characters; an amount needs no more than {_DIGITS_LIMIT}")
    try:
        amount = Decimal(text)
    except InvalidOperation:
        raise MoneyError(f"value {text[:40]!r} is not a decimal number; send 1200 or '12.50'") from None
    if not amount.is_finite() or not 0 <= amount <= 10**10:
        raise MoneyError(f"value {text[:40]} lies outside 0 to 10000000000; send the amount in units of its currency")
    # The exponent is bounded first, so that 1e-999999 costs nothing; scaling is exact within 64 digits.
    scaled = _EXACT.scaleb(amount, _MOST_DECIMALS) if not amount or amount.adjusted() >= -_MOST_DECIMALS else None
    if scaled is None or scaled != int(scaled):
        raise MoneyError(f"value {text[:40]} has more decimals than any currency ({_MOST_DECIMALS}); round it")
    return Micros(int(scaled) * 10 ** (6 - _MOST_DECIMALS))


def check_minor(amount: int, currency: str) -> None:
    """Raise MoneyError if the currency is unknown, or if the amount in micros has digits below its minor unit."""
    digits = MINOR_UNITS[check_currency(currency)]
    if amount % 10 ** (6 - digits):
        raise MoneyError(
            f"value {format_micros(amount)} has more decimals than {currency} has ({digits}); round it before sending"
        )


def is_decimal(text: str) -> bool:
    """Tell whether a string is a plain ASCII decimal: digits, and perhaps a point and digits."""
    return _DECIMAL.fullmatch(text) is not None


def format_micros(amount: int) -> str:
    """Write micros as exact decimal text without needless zeros: 12,500,000 is `12.5`, 3,000,000 is `3`."""
    sign = "-" if amount < 0 else ""
    whole, part = divmod(abs(amount), MICROS)
    return f"{sign}{whole}.{part:06d}".rstrip("0") if part else f"{sign}{whole}"


def to_currency(amount: int, rate: int) -> Micros:
    """Convert micros at `rate` (micros of the target per unit of the source), rounded half to even, exactly."""
    whole, rest = divmod(amount * rate, MICROS)
    return Micros(whole + (2 * rest > MICROS or (2 * rest == MICROS and whole % 2 == 1)))
