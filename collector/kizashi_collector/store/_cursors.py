"""Cursors: how a feed names the last increment that it knows."""

from __future__ import annotations

import re
from collections.abc import Sequence

from kizashi_collector.store._protocol import UnknownCursorError

__all__ = ["Names", "cursor_of", "read_cursor"]

Names = Sequence[tuple[int, str]]
"""The names that a log had, each with the last line that was told before; the first with 0."""

_TAG = 16
_CURSOR = re.compile(rf"([0-9a-f]{{{_TAG}}})\.([0-9]{{1,18}})", re.ASCII)


def cursor_of(line: int, names: Names) -> str:
    """What says that everything up to this line is known: 0 for nothing."""
    name = next((name for since, name in reversed(names) if since < line), None)
    return f"{(name or names[0][1])[:_TAG]}.{line}"


def read_cursor(text: str | None, names: Names, lines: int) -> int:
    """The line that a cursor stands for, of so many; 0 for none. Raises UnknownCursorError."""
    if text is None:
        return 0
    match = _CURSOR.fullmatch(text)
    if match is None:
        raise UnknownCursorError(
            f"since {text[:40]!r} is no cursor; send next_cursor of the last answer, or leave it out"
        )
    line = int(match[2])
    ends = [*(since for since, _ in names[1:]), lines]
    for (since, name), end in zip(names, ends, strict=True):
        if name.startswith(match[1]) and since <= line <= end:
            return line
    raise UnknownCursorError(
        f"since {text!r} belongs to another log, or to what came after the backup that this one was restored from; "
        "begin again without it, and compare journeys with what was uploaded"
    )
