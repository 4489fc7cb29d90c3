"""Read a plan from TOML (or from the same data as JSON) and check all of it.

Every problem is reported at once, each as one line that names the file, the key and the remedy.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from datetime import datetime, time
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec

from kizashi_schemas._currencies import MINOR_UNITS
from kizashi_schemas._errors import FunnelError, PlanError
from kizashi_schemas._funnels import MAX_STEPS, Funnel, check_funnel, check_keys
from kizashi_schemas._money import MICROS, Micros
from kizashi_schemas._plan_checks import Checks, is_number
from kizashi_schemas._plan_document import dotted, read_toml, reduced, shown
from kizashi_schemas._plan_model import EventRule, Plan, Values
from kizashi_schemas._plan_targets import read_targets
from kizashi_schemas._time import Millis, parse_duration

__all__ = ["DEFAULT_WINDOWS", "load_plan", "load_plan_data"]

DEFAULT_WINDOWS = ("1h", "24h", "7d", "28d")
"""The windows of a plan that names none."""

_EVENT_CHOICES = {
    "action": ("primary", "secondary"),
    "use": ("declared", "learned"),
    "counting": ("every", "once"),
}
_EVENT_KEYS = ("action", "value", "use", "counting", "final", "owner", "review_by", "description")
_PLAN_KEYS = (
    *("currency", "rates", "timezone", "retention", "unplanned", "windows", "summaries"),
    *("events", "funnels", "values", "targets"),
)
_VALUES_KEYS = ("ladder", "horizon", "lookback", "credit", "min_effective_conversions")
_HIGHEST_RATE = 10**12


def load_plan(text: str, *, filename: str = "plan.toml") -> Plan:
    """Read a plan from TOML text. Numbers are read from their text, never through a float. Raises PlanError."""
    try:
        data = read_toml(text)
    except ValueError as error:
        raise PlanError([f"{filename}: not TOML: {error}"]) from None
    return load_plan_data(data, filename=filename)


def load_plan_data(data: object, *, filename: str = "plan") -> Plan:
    """Check a plan given as plain data, as TOML or JSON decode to. Raises PlanError with all problems found.

    `load_plan_data(plan.document())` is the same plan: the way back from JSON changes nothing.
    """
    if not isinstance(data, dict):
        raise PlanError([f"{filename}: a plan is a table of keys, not {shown(data)}; write keys such as currency"])
    return _Loader(filename, data).load()


class _Loader(Checks):
    """One pass over one document, collecting problems instead of stopping at the first."""

    def __init__(self, filename: str, data: dict[str, Any]) -> None:
        super().__init__(filename)
        self.data, self.refused = reduced(data)

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
            "targets": read_targets(self, self.data.get("targets", {}), currency, windows, events),
        }
        # Where a key's own check has told of it already, in its better words, once is enough.
        for key, message in self.refused.items():
            if key not in self.problems:
                self.wrong(key, message)
        if self.problems:
            raise PlanError([line for lines in self.problems.values() for line in lines])
        return Plan(
            currency=currency,
            canonical=msgspec.json.encode(self.data),
            retention=retention,
            windows=windows,
            events=events,
            funnels=funnels,
            values=values,
            warnings=tuple(self.warnings),
            **plan_parts,
        )

    def currency(self) -> str:
        currency = self.data.get("currency")
        if currency is None:
            self.wrong("currency", 'missing; name the currency of all values, for example currency = "JPY"')
        elif not isinstance(currency, str) or currency not in MINOR_UNITS:
            self.wrong("currency", f'{shown(currency)} is not an ISO 4217 code; write for example "JPY"')
        else:
            return currency
        return ""

    def rates(self, currency: str) -> dict[str, int]:
        rates: dict[str, int] = {}
        for code, value in (self.table("rates", self.data.get("rates", {})) or {}).items():
            key = dotted("rates", code)
            remedy = f"write what one {code} is worth in {currency or 'the currency of the plan'}"
            if code not in MINOR_UNITS:
                self.wrong(key, f'{shown(code)} is not an ISO 4217 code; write for example "USD"')
            elif code == currency:
                self.wrong(key, "is the plan's own currency, whose rate is 1; remove it")
            elif not is_number(value):
                self.wrong(key, f"{shown(value)} is not a number; {remedy}")
            else:
                rate = Decimal(str(value))
                # The bounds come first: with an exponent without bounds, multiplying would raise.
                if not rate.is_finite() or not 0 < rate <= _HIGHEST_RATE or (micros := rate * MICROS) != int(micros):
                    self.wrong(key, f"{shown(value)} is not a positive rate with at most 6 decimals; {remedy}")
                else:
                    rates[code] = int(micros)
        return rates

    def timezone(self) -> str:
        name = self.data.get("timezone", "UTC")
        if isinstance(name, str) and _is_zone(name):
            return name
        self.wrong("timezone", f'{shown(name)} is not known here; write an IANA name such as "Asia/Tokyo"')
        return ""

    def windows(self) -> tuple[str, ...]:
        windows = self.texts("windows", self.data.get("windows", list(DEFAULT_WINDOWS)))
        return tuple(window for window in windows if self.duration("windows", window) is not None)

    def summaries(self) -> tuple[tuple[str, ...], ...]:
        summaries = self.data.get("summaries", [])
        if not isinstance(summaries, list):
            self.wrong("summaries", f'{shown(summaries)} is not a list; write [["campaign"], ["campaign", "device"]]')
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
        for name, place, table in self.tables("events", self.data.get("events", {}), "an event"):
            rule = self.event(place, table, currency)
            if rule is None:
                continue
            rules[name] = rule
            if not rule.final and not name.startswith("mv_"):
                self.warn(place, f"a micro-conversion without the mv_ prefix; consider mv_{name}, or set final = true")
        return rules

    def event(self, place: str, table: dict[str, Any], currency: str) -> EventRule | None:
        self.known_keys(place, table, _EVENT_KEYS)
        final = table.get("final", False)
        raw = {key: value for key, value in table.items() if key in _EVENT_KEYS and key != "value"}
        raw.setdefault("action", "primary" if final is True else "secondary")
        for key, choices in _EVENT_CHOICES.items():
            if key in raw and raw[key] not in choices:
                self.choice(f"{place}.{key}", raw.pop(key), choices)
                raw.setdefault("action", "secondary")
        if not isinstance(final, bool):
            self.wrong(f"{place}.final", f"{shown(raw.pop('final'))} is neither true nor false; write final = true")
        if isinstance(raw.get("review_by"), datetime | time):
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
        if not is_number(value):
            self.wrong(key, f'{shown(value)} is neither a number nor "event"; write for example 300')
            return None
        return self.money(key, value, currency)

    def funnels(self, events: Mapping[str, EventRule]) -> dict[str, Funnel]:
        funnels: dict[str, Funnel] = {}
        for name, place, table in self.tables("funnels", self.data.get("funnels", {}), "a funnel"):
            self.known_keys(place, table, Funnel.__struct_encode_fields__)
            known = {key: value for key, value in table.items() if key in Funnel.__struct_encode_fields__}
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
                    near = difflib.get_close_matches(step.event, events, n=1)
                    hint = f"did you mean {near[0]}? Else add" if near else "add"
                    self.warn(f"{place}.steps", f"{step.event} is not in the plan; {hint} [events.{step.event}]")
        return funnels

    def values(self, events: Mapping[str, EventRule], funnels: Mapping[str, Funnel]) -> Values:
        table = self.table("values", self.data.get("values", {})) or {}
        self.known_keys("values", table, _VALUES_KEYS)
        finals = {name for name, rule in events.items() if rule.final}
        ladder = self.texts("values.ladder", table["ladder"]) if "ladder" in table else None
        if ladder is not None:
            if ladder and not finals:
                self.wrong("values.ladder", "leads nowhere: no event is final; set final = true on what you sell")
            for step in ladder:
                if step not in events:
                    self.wrong("values.ladder", f"{shown(step)} is not in the plan; add [{dotted('events', step)}]")
                elif step in finals:
                    self.wrong("values.ladder", f"{shown(step)} is final; a ladder holds the steps before")
            if len(set(ladder)) != len(ladder):
                self.wrong("values.ladder", "names a step twice; each has one place")
            if len(ladder) > MAX_STEPS:
                self.wrong("values.ladder", f"{len(ladder)} steps given; name at most {MAX_STEPS}")
        else:
            ladder = _default_ladder(events, funnels, finals)
        raw = {key: value for key, value in table.items() if key in ("credit", "min_effective_conversions")}
        raw["ladder"] = ladder
        raw["horizon"] = self.duration("values.horizon", table.get("horizon"), "14d") or 1
        raw["lookback"] = self.duration("values.lookback", table.get("lookback"), "90d") or 1
        values = self.convert("values", raw, Values)
        if values is not None and not values.min_effective_conversions > 0:
            told = f"{values.min_effective_conversions} is not above 0; write for example 15"
            self.wrong("values.min_effective_conversions", told)
        return values or Values(horizon=Millis(1), lookback=Millis(1))

    def within_retention(self, retention: Millis, windows: tuple[str, ...], values: Values) -> None:
        for window in windows:
            if parse_duration(window) > retention:
                self.wrong("windows", f"{window} is longer than the retention; shorten it, or keep events longer")
        if "values" in self.data and values.lookback + values.horizon > retention:
            self.wrong(
                "values.lookback", "lookback + horizon is longer than the retention; shorten one, or keep longer"
            )


def _is_zone(name: str) -> bool:
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return False
    return True


def _default_ladder(events: Mapping[str, EventRule], funnels: Mapping[str, Funnel], finals: set[str]) -> list[str]:
    """The micro-conversions of the first funnel that ends in a final conversion."""
    for funnel in funnels.values():
        names = [step.event for step in funnel.normal_steps]
        if names[-1] in finals:
            return list(dict.fromkeys(name for name in names if name in events and name not in finals))
    return []
