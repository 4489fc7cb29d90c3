"""A plan's TOML with a few values changed, line by line: comments, order and spacing stay as somebody wrote them.

Nothing in the standard library writes TOML. So single lines are edited, and each edit is proved by reading the plan
again: the edited text must say what the plan says with the one change in it, and nothing else.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable
from typing import Any

from kizashi_collector.analysis._review._plan_change import PlanChange
from kizashi_schemas import PlanError, format_micros
from kizashi_schemas.plan import Plan, load_plan

__all__ = ["changed_plan_text", "plan_text_diff"]

_HEADER = re.compile(r"\s*\[")
_SEPARATED = r"\s*\.\s*"


def changed_plan_text(text: str, changes: Iterable[PlanChange]) -> tuple[str, tuple[PlanChange, ...]]:
    """The text with the changes, and those that it could not take: where the plan says something else than `before`,
    or says it otherwise than in a line `key = value` under `[events.name]`.

    A value that goes becomes a comment. Raises PlanError where the text is no plan.
    """
    plan = load_plan(text)
    unplaced = []
    for change in changes:
        edited = _edited(text, change) if _says(plan, change) == change.before else None
        proved = None if edited is None else _proved(edited, plan, change)
        if edited is None or proved is None:
            unplaced.append(change)
        else:
            text, plan = edited, proved
    return text, tuple(unplaced)


def plan_text_diff(before: str, after: str, filename: str) -> str:
    """A unified diff of a file, as `patch` reads it; empty where nothing changed."""
    lines = difflib.unified_diff(
        before.splitlines(keepends=True), after.splitlines(keepends=True), f"{filename}", f"{filename}"
    )
    return "".join(line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n" for line in lines)


def _says(plan: Plan, change: PlanChange) -> str | None:
    """What the plan says now of the event's key; no text that a change names where it does not know the event."""
    rule = plan.events.get(change.event)
    if rule is None:
        return ""
    if change.key == "action":
        return rule.action
    return format_micros(rule.value) if isinstance(rule.value, int) else rule.value


def _edited(text: str, change: PlanChange) -> str | None:
    """The text with one line edited or added; None where there is no table of the event."""
    lines = text.splitlines(keepends=True)
    header = re.compile(rf"\s*\[\s*{_key('events')}{_SEPARATED}{_key(change.event)}\s*\]\s*(#.*)?$")
    begin = next((at for at, line in enumerate(lines) if header.match(line)), None)
    if begin is None:
        return None
    end = next((at for at in range(begin + 1, len(lines)) if _HEADER.match(lines[at])), len(lines))
    section = range(begin + 1, end)
    at = _line_of(change.key, lines, section)
    after = None if change.after is None else _toml(change)
    if at is not None:
        lines[at] = _replaced(lines[at], change.key, after)
        return "".join(lines)
    if after is None:
        return None
    above = _line_of("action", lines, section)
    place = begin if above is None else above
    ending = "\r\n" if lines[place].endswith("\r\n") else "\n"
    if not lines[place].endswith(("\n", "\r")):
        lines[place] += ending
    indent = "" if above is None else lines[place][: len(lines[place]) - len(lines[place].lstrip())]
    lines.insert(place + 1, f"{indent}{change.key} = {after}{ending}")
    return "".join(lines)


def _line_of(key: str, lines: list[str], section: range) -> int | None:
    start = re.compile(rf"\s*{_key(key)}\s*=")
    return next((at for at in section if start.match(lines[at])), None)


def _replaced(line: str, key: str, after: str | None) -> str:
    """The line with another value; what stands around that stays. None makes a comment of it."""
    indent = line[: len(line) - len(line.lstrip())]
    if after is None:
        return f"{indent}# {line[len(indent) :]}"
    parts = re.match(rf"(\s*{_key(key)}\s*=\s*)([^#\s]*)(.*)", line, re.DOTALL)
    return line if parts is None else f"{parts[1]}{after}{parts[3]}"


def _toml(change: PlanChange) -> str:
    return f'"{change.after}"' if change.key == "action" else str(change.after)


def _key(name: str) -> str:
    """A key as TOML may write it: names of events and keys need no escapes."""
    escaped = re.escape(name)
    return rf"(?:{escaped}|\"{escaped}\"|'{escaped}')"


def _proved(text: str, plan: Plan, change: PlanChange) -> Plan | None:
    """The plan that an edited text is, if it differs from the one before by the change alone."""
    try:
        edited = load_plan(text)
    except PlanError:
        return None
    if _says(edited, change) != change.after:
        return None
    return edited if _without(edited, change) == _without(plan, change) else None


def _without(plan: Plan, change: PlanChange) -> list[Any]:
    """The plan's document without the key, its events and funnels in their order."""
    document = plan.document()
    document["events"][change.event].pop(change.key, None)
    return [document, list(document["events"]), list(document.get("funnels", {}))]
