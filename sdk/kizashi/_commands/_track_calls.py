"""One call of track(), held to a plan: what is wrong with it, and what nobody can tell without running it."""

from __future__ import annotations

import ast
import difflib
from collections.abc import Iterator
from typing import Any, Literal

from msgspec import Struct

from kizashi._commands._called_names import CLIENT, partial_of
from kizashi._commands._typed_events import ARGUMENTS
from kizashi_schemas import NAME_PATTERN, MoneyError, is_decimal, is_name, parse_money
from kizashi_schemas.plan import Plan

__all__ = ["Code", "Remark", "TrackCall", "track_call"]

Code = Literal[
    "unplanned", "bad_name", "bad_currency", "no_value", "bad_value", "bad_argument", "cannot_tell", "unreadable"
]
"""The kinds of findings; `cannot_tell` is none, and `unreadable` is of a whole file."""

# How many arguments come before the name in each function that tracks, and those that it takes beside track()'s.
_LEADING = {
    "kizashi.track": 0,
    f"{CLIENT}.track": 0,
    "kizashi.django.track_on_commit": 0,
    "kizashi.sqlalchemy.track_on_commit": 1,
}
_BESIDE: dict[str, tuple[str, ...]] = {"kizashi.django.track_on_commit": ("using",)}
_MAPPINGS = ("source", "properties", "consent")
_UNTOLD = object()
_MOST_BITS, _MOST_LETTERS = 128, 60


class Remark(Struct, frozen=True):
    """What is to be said of a place: a finding, or with the code `cannot_tell` none."""

    node: ast.expr | ast.keyword
    code: Code
    message: str


class TrackCall:
    """A call of one of the functions that track, or a `functools.partial` of one."""

    def __init__(self, target: str, call: ast.Call, args: list[ast.expr], *, partial: bool) -> None:
        self.node = call
        self._function = target.rpartition(".")[2]
        self._leading = _LEADING[target]
        self._beside = _BESIDE.get(target, ())
        self._args = args
        self._partial = partial
        self._given = {keyword.arg: keyword.value for keyword in call.keywords if keyword.arg is not None}
        starred = any(isinstance(arg, ast.Starred) for arg in args)
        self._open = partial or starred or any(keyword.arg is None for keyword in call.keywords)

    @property
    def name(self) -> str | None:
        """The event's name, where it is a literal."""
        name = self._name_node()
        return name.value if isinstance(name, ast.Constant) and isinstance(name.value, str) else None

    def remarks(self, plan: Plan) -> Iterator[Remark]:
        """All that is to be said of the call."""
        yield from self._arguments()
        yield from self._name(plan)
        yield from self._money(plan)
        yield from self._adjustment()
        for argument in _MAPPINGS:
            yield from self._keys(argument)

    def _name_node(self) -> ast.expr | None:
        before = self._args[: self._leading + 1]
        if any(isinstance(arg, ast.Starred) for arg in before):
            return None
        return before[-1] if len(before) > self._leading else self._given.get("name")

    def _arguments(self) -> Iterator[Remark]:
        known = ("name", *ARGUMENTS, *self._beside)
        for keyword in self.node.keywords:
            if keyword.arg is not None and keyword.arg not in known:
                near = difflib.get_close_matches(keyword.arg, known, n=1)
                hint = f"did you mean {near[0]}?" if near else "put what else is known into properties"
                yield Remark(keyword, "bad_argument", f"{self._function}() has no argument {keyword.arg}; {hint}")
        most = self._leading + 1
        if len(self._args) > most and not isinstance(self._args[most], ast.Starred):
            message = f"{self._function}() takes all that follows the name by keyword; write for example value=…"
            yield Remark(self._args[most], "bad_argument", message)

    def _name(self, plan: Plan) -> Iterator[Remark]:
        node = self._name_node()
        if node is None:
            if self._open:
                yield Remark(self.node, "cannot_tell", "cannot tell which event this is: its name is not a literal")
            else:
                yield Remark(self.node, "bad_argument", f"{self._function}() needs the event's name")
        elif not isinstance(node, ast.Constant):
            yield Remark(node, "cannot_tell", "cannot tell which event this is: its name is not a literal")
        elif not isinstance(node.value, str):
            yield Remark(node, "bad_name", f"{_shown(node.value)} is no event name; write text: {NAME_PATTERN}")
        elif node.value not in plan.events:
            near = difflib.get_close_matches(node.value[:80], plan.events, n=1)
            if not is_name(node.value):
                hint = f"did you mean {near[0]}?" if near else f"write {NAME_PATTERN}"
                yield Remark(node, "bad_name", f"{_shown(node.value)} is no event name; {hint}")
            else:
                hint = f"did you mean {near[0]}? Else add" if near else "add"
                yield Remark(node, "unplanned", f"{node.value} is not in the plan; {hint} [events.{node.value}]")

    def _money(self, plan: Plan) -> Iterator[Remark]:
        codes = [plan.currency, *sorted(plan.rates)]
        currency = self._literal("currency")
        if currency not in (None, _UNTOLD, *codes):
            told = f"the plan counts {' and '.join(codes)}; write one of them, or add rates.CODE to the plan"
            yield Remark(
                self._given["currency"], "bad_currency", f"currency {_shown(currency)} is not the plan's: {told}"
            )
            currency = _UNTOLD
        value, name = self._literal("value"), self.name
        rule = plan.events.get(name) if name is not None else None
        if value is None:
            # Whether a value follows cannot be told of a partial or a `**`. A retraction carries none.
            unknown = self._open and "value" not in self._given
            if rule is not None and rule.value == "event" and not unknown and self._literal("adjust") is None:
                yield Remark(
                    self.node, "no_value", f"{name} is worth what it carries, and carries no value; add value=…"
                )
        elif value is not _UNTOLD:
            fault = _amount_fault(value, None if currency is _UNTOLD else currency or plan.currency)
            if fault is not None:
                yield Remark(self._given["value"], "bad_value", fault)

    def _adjustment(self) -> Iterator[Remark]:
        adjust = self._literal("adjust")
        if adjust in (None, _UNTOLD):
            return
        if adjust not in ("restate", "retract"):
            yield Remark(
                self._given["adjust"], "bad_argument", f"adjust is {_shown(adjust)}; write 'restate' or 'retract'"
            )
            return
        if self._literal("order") is None and not (self._open and "order" not in self._given):
            yield Remark(self.node, "bad_argument", f"{adjust} needs the order of the event that it adjusts")
        if adjust == "restate" and self._literal("value") is None and not (self._open and "value" not in self._given):
            yield Remark(self.node, "no_value", "restate needs a value: the new total")

    def _keys(self, argument: str) -> Iterator[Remark]:
        mapping = self._given.get(argument)
        for key in mapping.keys if isinstance(mapping, ast.Dict) else ():
            if isinstance(key, ast.Constant) and not (isinstance(key.value, str) and is_name(key.value)):
                message = (
                    f"{_shown(key.value)} is no key of {argument}; write letters a to z, digits and _: {NAME_PATTERN}"
                )
                yield Remark(key, "bad_name", message)

    def _literal(self, argument: str) -> Any:
        """The value of a literal argument, None where it is left out, and _UNTOLD where only running it tells."""
        node = self._given.get(argument)
        if node is None:
            return None
        if isinstance(node, ast.Constant):
            return node.value
        match node:
            case ast.UnaryOp(op=ast.USub(), operand=ast.Constant(value=int() | float() as number)):
                return -number
            case _:
                return _UNTOLD


def track_call(target: str, call: ast.Call) -> TrackCall | None:
    """The call of what has this dotted name, if that is a function that tracks."""
    if target in _LEADING:
        return TrackCall(target, call, call.args, partial=False)
    whole = partial_of(target)
    return TrackCall(whole, call, call.args[1:], partial=True) if whole in _LEADING else None


def _shown(value: object) -> str:
    """A literal in a message: short, and on one line of printable characters."""
    if isinstance(value, int) and value.bit_length() > _MOST_BITS:
        return "a number of many digits"
    text = repr(value)
    return text if len(text) <= _MOST_LETTERS else f"{text[:_MOST_LETTERS]}…"


def _amount_fault(value: object, currency: str | None) -> str | None:
    """What is wrong with a literal amount of a currency (None: nobody knows which), or None."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return f"value is {_shown(value)}; write an amount, such as 1200 or '12.50'"
    if isinstance(value, str) and not is_decimal(value):
        return f"value is {_shown(value)}; as text, write digits and at most one point"
    if isinstance(value, int) and value.bit_length() > _MOST_BITS:
        return f"value is {_shown(value)}; no amount is as large"
    if currency is None:
        return f"value is {_shown(value)}; an amount is not negative" if str(value).startswith("-") else None
    try:
        parse_money(str(value), currency)
    except MoneyError as error:
        return str(error)
    return None
