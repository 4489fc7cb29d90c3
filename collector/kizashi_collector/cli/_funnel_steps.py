"""Steps of a funnel as they are written on a command line: `mv_add_to_cart[device=mobile]`."""

from __future__ import annotations

import re

import msgspec

from kizashi_schemas import KizashiError, Step

__all__ = ["StepTextError", "parse_step", "step_text"]

_STEP = re.compile(r"([^\[\]]*)(?:\[(.*)\])?", re.DOTALL)
_REMEDY = "write mv_view, or mv_add_to_cart[device=mobile,properties.qty=2]"

JsonScalar = str | int | float | bool | None


class StepTextError(KizashiError):
    """A step that cannot be read."""


def parse_step(text: str) -> Step:
    """A step from its text: an event, or `*`, and conditions in brackets, with commas.

    A key without a dot is a source field. `a|b` is one of several. A property's value is JSON where it is a number,
    true, false, null or in double quotes, and text otherwise; a source field's is text. Raises StepTextError.
    """
    found = _STEP.fullmatch(text.strip())
    if found is None or not found[1].strip():
        raise StepTextError(f"--step {text!r}: is no step; {_REMEDY}")
    where: dict[str, JsonScalar | list[JsonScalar]] = {}
    for condition in _conditions(found[2] or ""):
        key, equals, value = condition.partition("=")
        key = key.strip()
        if not equals or not key:
            raise StepTextError(f"--step {text!r}: {condition!r} is no condition; {_REMEDY}")
        key = key if "." in key else f"source.{key}"
        if key in where:
            raise StepTextError(f"--step {text!r}: {key} stands there twice; for one of several write {key}=a|b")
        choices = [_value(key, choice.strip()) for choice in value.split("|")]
        where[key] = choices if len(choices) > 1 else choices[0]
    return Step(event=found[1].strip(), where=where)


def _conditions(text: str) -> list[str]:
    return [part for part in text.split(",") if part.strip()]


def _value(key: str, text: str) -> JsonScalar:
    if key.startswith("properties."):
        try:
            value: JsonScalar = msgspec.json.decode(text, type=JsonScalar)
        except msgspec.DecodeError:
            return text
        return value
    return text


def step_text(step: str | Step) -> str:
    """A step for people: the event, and its conditions in brackets."""
    if isinstance(step, str):
        return step
    if not step.where:
        return step.event
    conditions = ",".join(f"{key.removeprefix('source.')}={_choices(value)}" for key, value in step.where.items())
    return f"{step.event}[{conditions}]"


def _choices(value: JsonScalar | list[JsonScalar]) -> str:
    choices = value if isinstance(value, list) else [value]
    return "|".join(one if isinstance(one, str) else msgspec.json.encode(one).decode() for one in choices)
