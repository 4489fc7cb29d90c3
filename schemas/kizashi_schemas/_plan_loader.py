"""Read a plan from TOML (or from the same data as JSON) and check all of it.

Every problem is reported at once, each as one line that names the file, the key and the remedy.
"""

from __future__ import annotations

import difflib
import re
import tomllib
from collections.abc import Mapping
from datetime import date, datetime
from decimal import Decimal
from typing import Any, TypeVar
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec

from kizashi_schemas._currencies import MINOR_UNITS
from kizashi_schemas._errors import FunnelError, MoneyError, PlanError, TimeError
from kizashi_schemas._events import NAME_PATTERN
from kizashi_schemas._funnels import Funnel, check_funnel, check_keys
from kizashi_schemas._money import MICROS, Micros, parse_money
from kizashi_schemas._plan_model import EventRule, Plan, Values
from kizashi_schemas._time import Millis, parse_duration

__all__ = ["load_plan", "load_plan_data"]

_NAME = re.compile(NAME_PATTERN.rstrip("$"))
_DEFAULT_WINDOWS = ("1h", "24h", "7d", "28d")
_EVENT_KEYS = ("action", "value", "use", "counting", "final", "owner", "review_by", "description")
_PLAN_KEYS = (
    *("currency", "rates", "timezone", "retention", "unplanned", "windows", "summaries"),
    *("events", "funnels", "values"),
)
_VALUES_KEYS = ("ladder", "horizon", "lookback", "credit", "min_effective_conversions")
_MIXED_KINDS = "it takes text, a number or a list as docs/plan.md shows"
T = TypeVar("T")


def load_plan(text: str, *, filename: str = "plan.toml") -> Plan:
    """Read a plan from TOML text. Numbers are read from their text, never through a float. Raises PlanError."""
    try:
        data = tomllib.loads(text, parse_float=Decimal)
    except tomllib.TOMLDecodeError as error:
        raise PlanError([f"{filename}: not TOML: {error}; check quotes and brackets there"]) from None
    return load_plan_data(data, filename=filename)


def load_plan_data(data: object, *, filename: str = "plan") -> Plan:
    """Check a plan given as plain data, as TOML or JSON decode to. Raises PlanError with all problems found."""
    if not isinstance(data, dict):
        raise PlanError([f"{filename}: a plan is a table of keys, not {type(data).__name__}"])
    return _Loader(filename, data).load()


def _canonical(value: object) -> object:
    """Plain JSON data: dates as text, decimals as numbers in their shortest exact text."""
    if isinstance(value, Mapping):
        return {str(key): _canonical(item) for key, item in sorted(value.items())}
    if isinstance(value, list):
        return [_canonical(item) for item in value]
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, Decimal | float):
        number = Decimal(str(value))
        if not number.is_finite() or abs(number.adjusted()) > 30:
            return str(number)
        return int(number) if number == int(number) else msgspec.Raw(format(number.normalize(), "f").encode())
    return value


class _Loader:
    """One pass over one document, collecting problems instead of stopping at the first."""

    def __init__(self, filename: str, data: dict[str, Any]) -> None:
        self.filename = filename
        self.data = data
        self.problems: list[str] = []
        self.warnings: list[str] = []

    def load(self) -> Plan:
        self.known_keys("", self.data, _PLAN_KEYS)
        currency = self.currency()
        events = self.events(currency)
        funnels = self.funnels(events)
        windows = self.windows()
        retention = self.duration("retention", self.data.get("retention"))
        values = self.values(events, funnels)
        if retention is not None and "windows" not in self.data:
            windows = tuple(window for window in windows if parse_duration(window) <= retention)
        if retention is not None:
            self.within_retention(retention, windows, values)
        plan_parts = {
            "rates": self.rates(currency),
            "timezone": self.timezone(),
            "unplanned": self.choice("unplanned", self.data.get("unplanned", "accept"), ("accept", "reject")),
            "summaries": self.summaries(),
        }
        if self.problems:
            raise PlanError(self.problems)
        return Plan(
            currency=currency,
            canonical=msgspec.json.encode(_canonical(self.data)),
            retention=retention,
            windows=windows,
            events=events,
            funnels=funnels,
            values=values,
            warnings=tuple(self.warnings),
            **plan_parts,
        )

    # -- words of complaint ---------------------------------------------------------------------------------------

    def wrong(self, key: str, message: str) -> None:
        self.problems.append(f"{self.filename}: {key}: {message}")

    def warn(self, key: str, message: str) -> None:
        self.warnings.append(f"{self.filename}: {key}: {message}")

    def known_keys(self, place: str, table: Mapping[str, object], known: tuple[str, ...]) -> None:
        for key in table:
            if key not in known:
                near = difflib.get_close_matches(key, known, n=1)
                hint = f"did you mean {near[0]}?" if near else f"known keys are {', '.join(known)}"
                self.wrong(f"{place}{key}", f"unknown key; {hint}")

    def table(self, key: str, value: object) -> dict[str, Any]:
        if isinstance(value, dict):
            return value
        self.wrong(key, f"{value!r} is not a table; write [{key}]")
        return {}

    def choice(self, key: str, value: object, choices: tuple[str, ...]) -> Any:
        if value not in choices:
            quoted = " or ".join(f'"{choice}"' for choice in choices)
            self.wrong(key, f"{value!r} is unknown; write {quoted}")
        return value

    def duration(self, key: str, value: object, default: str | None = None) -> Millis | None:
        value = default if value is None else value
        if value is None:
            return None
        try:
            if not isinstance(value, str):
                raise TimeError(f'{value!r} is not a duration; write it in quotes, for example "7d"')
            return parse_duration(value)
        except TimeError as error:
            self.wrong(key, str(error))
            return None

    def texts(self, key: str, value: object) -> list[str]:
        if isinstance(value, list) and all(isinstance(item, str) for item in value):
            return value
        self.wrong(key, f'{value!r} is not a list of texts; write for example ["a", "b"]')
        return []

    # -- the parts of a plan --------------------------------------------------------------------------------------

    def currency(self) -> str:
        currency = self.data.get("currency")
        if currency is None:
            self.wrong("currency", 'missing; name the currency of all values, for example currency = "JPY"')
        elif currency not in MINOR_UNITS:
            self.wrong("currency", f'{currency!r} is not an ISO 4217 code; write for example "JPY"')
        return str(currency)

    def rates(self, currency: str) -> dict[str, int]:
        rates: dict[str, int] = {}
        for code, value in self.table("rates", self.data.get("rates", {})).items():
            key = f"rates.{code}"
            if code not in MINOR_UNITS:
                self.wrong(key, f"{code!r} is not an ISO 4217 code")
            elif code == currency:
                self.wrong(key, "is the plan's own currency, whose rate is 1; remove it")
            elif isinstance(value, bool) or not isinstance(value, int | float | Decimal):
                self.wrong(key, f"{value!r} is not a number; write what one {code} is worth in {currency}")
            else:
                micros = Decimal(str(value)) * MICROS if Decimal(str(value)).is_finite() else Decimal(0)
                if not 1 <= micros <= 10**18 or micros != int(micros):
                    self.wrong(key, f"{value} is not a positive rate with at most 6 decimals")
                else:
                    rates[code] = int(micros)
        return rates

    def timezone(self) -> str:
        name = self.data.get("timezone", "UTC")
        try:
            ZoneInfo(name)
        except (ZoneInfoNotFoundError, ValueError, TypeError, OSError):
            self.wrong("timezone", f'{name!r} is not known here; write an IANA name such as "Asia/Tokyo"')
        return str(name)

    def windows(self) -> tuple[str, ...]:
        windows = self.texts("windows", self.data.get("windows", list(_DEFAULT_WINDOWS)))
        return tuple(window for window in windows if self.duration("windows", window) is not None)

    def summaries(self) -> tuple[tuple[str, ...], ...]:
        summaries = self.data.get("summaries", [])
        if not isinstance(summaries, list):
            self.wrong("summaries", f'{summaries!r} is not a list; write [["campaign"], ["campaign", "device"]]')
            return ()
        checked = []
        for index, keys in enumerate(summaries):
            by = self.texts(f"summaries[{index}]", keys)
            try:
                check_keys(by, properties=False)
            except FunnelError as error:
                self.wrong(f"summaries[{index}]", str(error))
            checked.append(tuple(by))
        return tuple(checked)

    def events(self, currency: str) -> dict[str, EventRule]:
        rules: dict[str, EventRule] = {}
        for name, table in self.table("events", self.data.get("events", {})).items():
            place = f"events.{name}"
            if not _NAME.fullmatch(name):
                self.wrong(place, f"is not an event name; write {NAME_PATTERN}")
            rule = self.event(place, self.table(place, table), currency)
            if rule is None:
                continue
            rules[name] = rule
            if not rule.final and not name.startswith("mv_"):
                self.warn(place, f"a micro-conversion without the mv_ prefix; consider mv_{name}, or set final = true")
        return rules

    def event(self, place: str, table: dict[str, Any], currency: str) -> EventRule | None:
        self.known_keys(f"{place}.", table, _EVENT_KEYS)
        final = table.get("final", False)
        raw = {key: value for key, value in table.items() if key in _EVENT_KEYS and key != "value"}
        raw.setdefault("action", "primary" if final is True else "secondary")
        if isinstance(raw.get("review_by"), datetime):
            self.wrong(f"{place}.review_by", "is a time; write a date such as 2027-02-01")
            return None
        raw["value"] = self.worth(f"{place}.value", table.get("value", "event" if final is True else None), currency)
        rule = self.convert(place, raw, EventRule)
        if rule is not None and rule.counting == "once" and rule.value == "event":
            self.wrong(
                f"{place}.counting",
                '"once" with value = "event" would drop all but the first amount of an actor; '
                'declare a number as value, or write counting = "every"',
            )
        return rule

    def worth(self, key: str, value: object, currency: str) -> Micros | str | None:
        if value is None or value == "event":
            return value
        if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
            self.wrong(key, f'{value!r} is neither a number nor "event"; write for example 300')
            return None
        try:
            return parse_money(str(value), currency if currency in MINOR_UNITS else "JPY")
        except MoneyError as error:
            self.wrong(key, str(error))
            return None

    def funnels(self, events: Mapping[str, EventRule]) -> dict[str, Funnel]:
        funnels: dict[str, Funnel] = {}
        for name, table in self.table("funnels", self.data.get("funnels", {})).items():
            place = f"funnels.{name}"
            if not _NAME.fullmatch(name):
                self.wrong(place, f"is not a funnel name; write {NAME_PATTERN}")
            self.known_keys(f"{place}.", self.table(place, table), Funnel.__struct_encode_fields__)
            known = {key: _plain(value) for key, value in table.items() if key in Funnel.__struct_encode_fields__}
            funnel = self.convert(place, known, Funnel)
            if funnel is None:
                continue
            try:
                check_funnel(funnel)
            except FunnelError as error:
                self.wrong(place, str(error))
                continue
            funnels[name] = funnel
            for step in funnel.normal_steps:
                if step.event != "*" and step.event not in events:
                    self.warn(f"{place}.steps", f"{step.event} is not in the plan; add [events.{step.event}]")
        return funnels

    def values(self, events: Mapping[str, EventRule], funnels: Mapping[str, Funnel]) -> Values:
        table = self.table("values", self.data.get("values", {}))
        self.known_keys("values.", table, _VALUES_KEYS)
        finals = {name for name, rule in events.items() if rule.final}
        ladder = self.texts("values.ladder", table["ladder"]) if "ladder" in table else None
        if ladder is not None:
            if ladder and not finals:
                self.wrong("values.ladder", "leads nowhere: no event is final; set final = true on what you sell")
            for step in ladder:
                if step not in events:
                    self.wrong("values.ladder", f"{step!r} is not in the plan; add [events.{step}]")
                elif step in finals:
                    self.wrong("values.ladder", f"{step!r} is final; a ladder holds the steps before")
            if len(set(ladder)) != len(ladder):
                self.wrong("values.ladder", "names a step twice; each has one place")
        else:
            ladder = _default_ladder(events, funnels, finals)
        raw = {key: _plain(value) for key, value in table.items() if key in ("credit", "min_effective_conversions")}
        raw["ladder"] = ladder
        raw["horizon"] = self.duration("values.horizon", table.get("horizon"), "14d") or 1
        raw["lookback"] = self.duration("values.lookback", table.get("lookback"), "90d") or 1
        values = self.convert("values", raw, Values)
        if values is not None and values.min_effective_conversions <= 0:
            self.wrong("values.min_effective_conversions", f"{values.min_effective_conversions} is not above 0")
        return values or Values(horizon=Millis(1), lookback=Millis(1))

    def within_retention(self, retention: Millis, windows: tuple[str, ...], values: Values) -> None:
        for window in windows:
            if parse_duration(window) > retention:
                self.wrong("windows", f"{window} is longer than the retention; shorten it, or keep events longer")
        if "values" in self.data and values.lookback + values.horizon > retention:
            self.wrong(
                "values.lookback", "lookback + horizon is longer than the retention; shorten one, or keep longer"
            )

    def convert(self, place: str, raw: dict[str, Any], kind: type[T]) -> T | None:
        try:
            return msgspec.convert(raw, kind)
        except msgspec.ValidationError as error:
            message, _, path = str(error).partition(" - at `$")
            key = f"{place}{path.rstrip('`')}" if path else place
            self.wrong(key, f"{message[:1].lower()}{message[1:]}; {_MIXED_KINDS}")
            return None


def _plain(value: object) -> object:
    """Decimals as floats, where a number is no money (thresholds, property values in a condition)."""
    if isinstance(value, Decimal):
        return float(value)
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return value


def _default_ladder(events: Mapping[str, EventRule], funnels: Mapping[str, Funnel], finals: set[str]) -> list[str]:
    """The micro-conversions of the first funnel that ends in a final conversion."""
    for funnel in funnels.values():
        names = [step.event for step in funnel.normal_steps]
        if names[-1] in finals:
            return list(dict.fromkeys(name for name in names if name in events and name not in finals))
    return []
