"""Conditions of steps and exclusions, and keys of breakdowns, over rows of the table."""

from __future__ import annotations

from collections.abc import Sequence

from kizashi_collector.analysis import PropertyValue
from kizashi_collector.store._clickhouse._rows import property_text, source_field
from kizashi_collector.store._clickhouse._sql import Parameters
from kizashi_schemas import Exclusion, Step

__all__ = ["fits_of", "key_of", "mask_of", "names_of", "text_of"]


def mask_of(rules: Sequence[Step | Exclusion], parameters: Parameters) -> str:
    """A UInt64 that has bit k where the row fits rule k."""
    bits = [f"bitShiftLeft(toUInt64({fits_of(rule, parameters)}), {k})" for k, rule in enumerate(rules)]
    mask = bits[0]
    for bit in bits[1:]:
        mask = f"bitOr({mask}, {bit})"
    return mask


def names_of(rules: Sequence[Step | Exclusion]) -> list[str] | None:
    """The names of all events that may fit a rule; None where any name may."""
    names = sorted({rule.event for rule in rules})
    return None if "*" in names else names


def key_of(by: Sequence[str], parameters: Parameters) -> str:
    """The values of a row as an Array(String); what is missing or null is the empty string."""
    return f"[{', '.join(_value(field, parameters) for field in by)}]"


def text_of(by: Sequence[str], parameters: Parameters) -> str:
    """The values of a row as one text: as it is where there is one field, a JSON array of several; empty where all
    are."""
    values = [_value(field, parameters) for field in by]
    if len(values) == 1:
        return values[0]
    missing = " AND ".join(f"{value} = ''" for value in values)
    return f"if({missing}, '', toJSONString([{', '.join(values)}]))"


def fits_of(rule: Step | Exclusion, parameters: Parameters) -> str:
    """Whether the row fits a rule."""
    conditions = [] if rule.event == "*" else [f"name = {parameters.add(rule.event, 'String')}"]
    for place, wanted in rule.where.items():
        choices = wanted if isinstance(wanted, list) else [wanted]
        kind, _, field = place.partition(".")
        if kind == "source":
            column = source_field(field, parameters)
            texts = [choice for choice in choices if isinstance(choice, str)]
        else:
            column = f"properties[{parameters.add(field, 'String')}]"
            texts = [text for choice in choices for text in _equal_texts(choice)]
        conditions.append(f"has({parameters.add(texts, 'Array(String)')}, toString({column}))")
    return " AND ".join(conditions) or "1"


def _equal_texts(value: PropertyValue) -> list[str]:
    """The texts of all properties that JSON holds equal to this one: 2 is 2.0, and true is not 1."""
    text = property_text(value)
    return [f"i{text[1:]}", f"f{text[1:]}"] if text[0] in "if" else [text]


def _value(field: str, parameters: Parameters) -> str:
    if field.startswith("properties."):
        name = field.removeprefix("properties.")
        return f"substring(properties[{parameters.add(name, 'String')}], 2)"
    return f"toString({source_field(field, parameters)})"
