"""Checks of single values of a plan, which note what is wrong under its key instead of stopping at the first."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any, TypeGuard, TypeVar

import msgspec

from kizashi_schemas._currencies import MINOR_UNITS
from kizashi_schemas._errors import MoneyError, TimeError
from kizashi_schemas._events import NAME_PATTERN, is_name
from kizashi_schemas._money import Micros, parse_money
from kizashi_schemas._plan_document import dotted, one_line, shown
from kizashi_schemas._time import Millis, parse_duration

__all__ = ["Checks", "is_number"]

_CONVERT_MESSAGE = re.compile(r"(.*?)(?: - at `\$([a-z_0-9.\[\]]*)`)?", re.DOTALL)
_MIXED_KINDS = "it takes text, a number or a list as docs/plan.md shows"
T = TypeVar("T")


class Checks:
    """Problems and warnings of one file, by key, and the checks that several keys share."""

    def __init__(self, filename: str) -> None:
        self.filename = filename
        self.problems: dict[str, list[str]] = {}
        self.warnings: list[str] = []

    def wrong(self, key: str, message: str) -> None:
        """Note a problem of a key: what is wrong, and the remedy."""
        self.problems.setdefault(key, []).append(f"{self.filename}: {key}: {message}")

    def warn(self, key: str, message: str) -> None:
        """Note what a plan may do, and hardly means."""
        self.warnings.append(f"{self.filename}: {key}: {message}")

    def known_keys(self, place: str, table: Mapping[str, object], known: tuple[str, ...]) -> None:
        """Note the keys that a table does not have, each with the one that was probably meant."""
        for key in table:
            if key not in known:
                near = difflib.get_close_matches(key[:80], known, n=1)
                hint = f"did you mean {near[0]}?" if near else f"known keys are {', '.join(known)}"
                self.wrong(dotted(place, key), f"unknown key; {hint}")

    def table(self, key: str, value: object) -> dict[str, Any] | None:
        """The value as a table, or None where it is not one."""
        if isinstance(value, dict):
            return value
        self.wrong(key, f"{shown(value)} is not a table; write [{key}]")
        return None

    def tables(self, key: str, value: object, what: str) -> Iterator[tuple[str, str, dict[str, Any]]]:
        """The tables in a table, each as its name, its place and itself; `what` is "an event" or "a funnel"."""
        for name, item in (self.table(key, value) or {}).items():
            place = dotted(key, name)
            if not is_name(name):
                self.wrong(place, f"is not {what} name; write {NAME_PATTERN}")
            table = self.table(place, item)
            if table is not None:
                yield name, place, table

    def choice(self, key: str, value: object, choices: tuple[str, ...]) -> Any:
        """The value, which is one of the choices unless a problem is noted."""
        if value not in choices:
            quoted = " or ".join(f'"{choice}"' for choice in choices)
            self.wrong(key, f"{shown(value)} is unknown; write {quoted}")
        return value

    def duration(self, key: str, value: object, default: str | None = None) -> Millis | None:
        """The length of a duration, the default's where there is none, or None."""
        value = default if value is None else value
        if value is None:
            return None
        try:
            if not isinstance(value, str):
                raise TimeError(f'{shown(value)} is not a duration; write it in quotes, for example "7d"')
            return parse_duration(value)
        except TimeError as error:
            self.wrong(key, str(error))
            return None

    def money(self, key: str, value: object, currency: str) -> Micros | None:
        """A number of a currency's units, exactly; None where it is none. An unknown currency was noted elsewhere."""
        if not is_number(value):
            self.wrong(key, f"{shown(value)} is not a number; write for example 300")
            return None
        try:
            return parse_money(str(value), currency if currency in MINOR_UNITS else "JPY")
        except MoneyError as error:
            self.wrong(key, str(error))
            return None

    def texts(self, key: str, value: object) -> list[str]:
        """The texts of a list."""
        if not isinstance(value, list):
            self.wrong(key, f'{shown(value)} is not a list of texts; write for example ["a", "b"]')
            return []
        for index, item in enumerate(value):
            if not isinstance(item, str):
                self.wrong(f"{key}[{index}]", f"{shown(item)} is not a text; write it in quotes")
        return [item for item in value if isinstance(item, str)]

    def convert(self, place: str, raw: dict[str, Any], kind: type[T]) -> T | None:
        """The table as a struct, or None where a field is not as its type says."""
        try:
            return msgspec.convert(raw, kind)
        except msgspec.ValidationError as error:
            match = _CONVERT_MESSAGE.fullmatch(str(error))
            message, path = (match[1], match[2] or "") if match else (str(error), "")
            self.wrong(f"{place}{path}", f"{message[:1].lower()}{one_line(message[1:], 200)}; {_MIXED_KINDS}")
            return None


def is_number(value: object) -> TypeGuard[float | Decimal]:
    """Tell whether a value is a number, which a boolean is not."""
    return isinstance(value, int | float | Decimal) and not isinstance(value, bool)
