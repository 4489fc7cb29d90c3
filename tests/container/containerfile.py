"""The Containerfile, as instructions to ask about."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

__all__ = ["ROOT", "Instruction", "Stage", "environment", "exec_form", "health_check", "stages"]

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Instruction:
    """One instruction: its keyword and the rest, continued lines joined."""

    keyword: str
    rest: str


Stage = list[Instruction]


def stages(text: str | None = None) -> tuple[Stage, list[Stage]]:
    """What stands before the first FROM, and the stages, each beginning with its FROM."""
    if text is None:
        text = (ROOT / "Containerfile").read_text(encoding="utf-8")
    lines = "\n".join(line for line in text.splitlines() if not line.lstrip().startswith("#"))
    before: Stage = []
    found: list[Stage] = []
    for line in re.sub(r"\s*\\\n\s*", " ", lines).splitlines():
        if not line.strip():
            continue
        keyword, _, rest = line.strip().partition(" ")
        instruction = Instruction(keyword.upper(), rest.strip())
        if instruction.keyword == "FROM":
            found.append([])
        (found[-1] if found else before).append(instruction)
    return before, found


def exec_form(rest: str) -> Sequence[str]:
    """The words of a JSON array. Raises ValueError for the shell form, which puts a shell before the program."""
    words = json.loads(rest)
    if not isinstance(words, list) or not all(isinstance(word, str) for word in words):
        raise ValueError(f"not in exec form: {rest}")
    return words


def environment(stage: Stage) -> dict[str, str]:
    """What ENV sets."""
    pairs = (pair for one in stage if one.keyword == "ENV" for pair in shlex.split(one.rest))
    return dict(pair.split("=", 1) for pair in pairs)


def health_check(stage: Stage) -> Sequence[str]:
    """The command of the health check, in exec form."""
    (check,) = [one for one in stage if one.keyword == "HEALTHCHECK"]
    return exec_form(check.rest.partition("CMD")[2])
