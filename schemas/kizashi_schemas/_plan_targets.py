"""What a plan says that its windows are meant to come to."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from decimal import Context, Decimal
from typing import Any

from kizashi_schemas._currencies import MINOR_UNITS
from kizashi_schemas._money import MICROS
from kizashi_schemas._plan_checks import Checks, is_number
from kizashi_schemas._plan_document import dotted, shown
from kizashi_schemas._plan_model import EventRule, Target

__all__ = ["read_targets"]

_MONEY = ("expected_value", "brought_value")
_COUNTS = ("finals", "actors")
_MOST = (2**63 - 1) // MICROS
"""Units of a currency: their micros fit into 64 bits. A sum over a window may be larger than any event's value."""
_EXACT = Context(prec=1_000)


def read_targets(
    checks: Checks, raw: object, currency: str, windows: Collection[str], events: Mapping[str, EventRule]
) -> dict[str, Target]:
    """The targets of a plan by window, in the order of its windows. What is wrong is noted with `checks`."""
    tables = checks.table("targets", raw) or {}
    finals = any(rule.final for rule in events.values())
    read: dict[str, Target] = {}
    for window in sorted(tables, key=lambda name: [*windows, name].index(name)):
        place = dotted("targets", window)
        if window not in windows:
            told = ", ".join(windows) or "none"
            checks.wrong(
                place, f"{shown(window)} is none of the plan's windows ({told}); add it there, or write one of them"
            )
        table = checks.table(place, tables[window])
        if table is None:
            continue
        if not table:
            checks.warn(place, f"sets no target; write one of {', '.join((*_MONEY, *_COUNTS))}, or leave the table out")
        checks.known_keys(place, table, (*_MONEY, *_COUNTS))
        goals = {
            key: _goal(checks, f"{place}.{key}", key, table[key], currency)
            for key in table
            if key in (*_MONEY, *_COUNTS)
        }
        for key in () if finals else sorted(goals.keys() - {"actors"}):
            checks.wrong(f"{place}.{key}", "is never reached: no event is final; set final = true on what you sell")
        read[window] = Target(**goals)
    return read


def _goal(checks: Checks, place: str, key: str, value: object, currency: str) -> Any:
    """The goal of one key, money in micros; None where it is none, which is noted."""
    money = key in _MONEY
    currency = currency if currency in MINOR_UNITS else "JPY"  # that is noted elsewhere
    exact = Decimal(str(value)) if is_number(value) else None
    if exact is None or not exact.is_finite():
        fault = f"is not a {'' if money else 'whole '}number; write for example 300"
    elif exact <= 0:
        fault = "is not above 0; write what the window is meant to come to"
    elif exact > _MOST:
        fault = f"is too large for a target; write {_MOST} at most"
    elif money and _decimals(exact) > MINOR_UNITS[currency]:
        fault = f"has more decimals than {currency} has ({MINOR_UNITS[currency]}); round it"
    elif not money and _decimals(exact) > 0:
        fault = "is not a whole number; write for example 300"
    else:
        return int(exact * MICROS) if money else int(exact)
    checks.wrong(place, f"{shown(value)} {fault}")
    return None


def _decimals(exact: Decimal) -> int:
    exponent = exact.normalize(_EXACT).as_tuple().exponent
    return -exponent if isinstance(exponent, int) else 0
