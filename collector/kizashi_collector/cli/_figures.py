"""Figures as people read them in a terminal: amounts, shares and lengths of time."""

from __future__ import annotations

from decimal import Decimal

import msgspec

__all__ = ["amount", "amount_text", "length", "ratio", "share"]

_UNITS = ((86_400, "d"), (3_600, "h"), (60, "m"))


def amount(raw: msgspec.Raw) -> Decimal | None:
    """An amount of an answer, a JSON number or a string; None for null."""
    return msgspec.json.decode(raw, type=Decimal | None)


def amount_text(value: Decimal | None) -> str:
    """An amount, whole from 100 on: digits below are no news there; - for None."""
    if value is None:
        return "-"
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.2f}".removesuffix(".00")


def share(value: float | None, digits: int = 1) -> str:
    """A share as a percentage with so many decimals, 100% for all and nothing less; - for None."""
    if value is None:
        return "-"
    most = 1 - 10 ** -(digits + 2)
    return f"{min(value, most) if value < 1 else value:.{digits}%}"


def ratio(number: float) -> str:
    """How many times as much."""
    return f"{number:,.0f}" if number >= 100 else f"{number:.2f}"


def length(seconds: float | None) -> str:
    """A length of time in the largest unit that it fills; - for None."""
    if seconds is None:
        return "-"
    for size, unit in _UNITS:
        if seconds >= size:
            return f"{seconds / size:.1f}{unit}"
    return f"{seconds:.0f}s"
