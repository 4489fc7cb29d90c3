"""What differs between two plans: by key, and in sentences for whoever answers for the plan."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from kizashi_schemas import PlanError, format_duration
from kizashi_schemas.plan import JourneyRules, Plan, load_plan_data

__all__ = ["change_lines", "change_sentences", "compare"]

_KINDS = {"events": "event", "funnels": "funnel"}
_ACTIONS = {
    "primary": "counts in declared_value",
    "secondary": "is reported, and counts in no declared_value",
}


def compare(old: object, new: object) -> tuple[dict[str, object], dict[str, object], dict[str, tuple[object, object]]]:
    """What was added, removed and changed between two plans as plain data, by dotted key. Lists compare as a whole."""
    before, after = _flat(old), _flat(new)
    added = {key: value for key, value in after.items() if key not in before}
    removed = {key: value for key, value in before.items() if key not in after}
    changed = {key: (before[key], after[key]) for key in before.keys() & after.keys() if before[key] != after[key]}
    return added, removed, dict(sorted(changed.items()))


def change_lines(old: object, new: object) -> list[str]:
    """The same as lines, sorted by key: `+ key = value`, `- key = value`, `~ key: before → after`."""
    added, removed, changed = compare(old, new)
    lines = {key: f"+ {key} = {_text(value)}" for key, value in added.items()}
    lines |= {key: f"- {key} = {_text(value)}" for key, value in removed.items()}
    lines |= {key: f"~ {key}: {_text(before)} → {_text(after)}" for key, (before, after) in changed.items()}
    return [lines[key] for key in sorted(lines)]


def change_sentences(old: Mapping[str, Any], new: Plan) -> list[str]:
    """What a plan, as plain data, becomes when another takes its place: a sentence for each change, in the order of
    keys, and last what it means for bidding."""
    document = new.document()
    told = dict(_of_whole_tables(old, document))
    added, removed, changed = compare(old, document)
    for key in {**added, **removed, **changed}:
        # An empty table has come or gone with the keys in it.
        if {} not in (added.get(key), removed.get(key)) and not any(
            key == place or key.startswith(f"{place}.") for place in told
        ):
            told[key] = _sentence(key, added, removed, changed)
    sentences = [told[key] for key in sorted(told)]
    if not sentences and old != {} and _orders(old) != _orders(document):
        sentences.append("Events or funnels stand in another order, and with them the columns of answers.")
    return [*sentences, *_for_bidding(old, new)]


def _of_whole_tables(old: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, str]:
    """Events and funnels that came or went."""
    told = {}
    for table, kind in _KINDS.items():
        before, after = old.get(table) or {}, new.get(table) or {}
        for name in after.keys() - before.keys():
            says = ", ".join(f"{key} {_text(value)}" for key, value in _flat(after[name]).items() if key)
            told[f"{table}.{name}"] = f"The {kind} {name} is new{f': {says}' if says else ''}."
        for name in before.keys() - after.keys():
            told[f"{table}.{name}"] = f"The {kind} {name} is no longer in the plan."
    return told


def _sentence(
    key: str,
    added: Mapping[str, object],
    removed: Mapping[str, object],
    changed: Mapping[str, tuple[object, object]],
) -> str:
    table, _, rest = key.partition(".")
    name, _, field = rest.partition(".")
    before, after = changed.get(key, (removed.get(key), added.get(key)))
    if table == "events" and field == "value":
        if key in removed:
            return f"{name} has no declared value any more; it was {_text(before)}."
        instead = f" instead of {_text(before)}" if key in changed else ""
        return f"{name} is declared to be worth {_text(after)}{instead}."
    if table == "events" and field == "action" and after in _ACTIONS:
        return f"{name} is now {after}: it {_ACTIONS[str(after)]}."
    if key in added:
        return f"{key} is new: {_text(after)}."
    if key in removed:
        return f"{key} is no longer given; it was {_text(before)}."
    return f"{key} is {_text(after)}; it was {_text(before)}."


def _for_bidding(old: Mapping[str, Any], new: Plan) -> list[str]:
    """Which change, if any, makes rows wait for a whole horizon before they are ready again."""
    try:
        before = JourneyRules.of(load_plan_data(old)) if old else None
    except PlanError:  # of a collector whose plans this version does not read
        return []
    after = JourneyRules.of(new)
    if before is None or after is None or before == after:
        return []
    keys = ", ".join(before.changes(after))
    return [
        f"Journeys are told apart otherwise than before ({keys}): once a collector counts by this plan, no row is "
        f"ready to be bid on until a horizon ({format_duration(after.horizon)}) has passed."
    ]


def _orders(document: Mapping[str, Any]) -> list[list[str]]:
    return [list(document.get(table) or {}) for table in _KINDS]


def _flat(value: object, prefix: str = "") -> dict[str, object]:
    if not isinstance(value, dict) or (not value and prefix):
        return {prefix: value}
    flat: dict[str, object] = {}
    for key, item in sorted(value.items()):
        flat |= _flat(item, f"{prefix}.{key}" if prefix else str(key))
    return flat


def _text(value: Any) -> str:
    """A value as the plan writes it, in signs that no terminal obeys."""
    text = json.dumps(value, ensure_ascii=False)
    return text if text.isprintable() else json.dumps(value)
