"""Unified diffs of one file, applied where they say and nowhere else.

A plan repeats itself: `value = 300` stands below many events, with the same lines around it. A hunk that is found some
lines off may therefore be another event's, and is not looked for.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from msgspec import Struct

from kizashi_schemas import KizashiError

__all__ = ["DiffError", "UnifiedDiff"]

_HUNK = re.compile(r"@@ -(\d+)(?:,(\d+))? \+(\d+)(?:,(\d+))? @@")
_NO_NEWLINE = "\\"
_SHOWN = 60


class DiffError(KizashiError):
    """A diff that cannot be read, or does not fit. The message names the line; whoever shows it names the file."""


class _Hunk(Struct, frozen=True):
    """`before` are the lines that stand at `start` (from 0), and `after` those that are to stand there, at
    `new_start`; all with their line ends."""

    start: int
    new_start: int
    before: list[str]
    after: list[str]


class UnifiedDiff(Struct, frozen=True):
    """The hunks of a diff, in their order."""

    hunks: list[_Hunk]

    @classmethod
    def of(cls, text: str) -> UnifiedDiff:
        """Read a diff as `diff -u`, git and `kizashi values review --diff` write it; empty text changes nothing.

        Raises DiffError where it is none, is cut short, or is one of several files.
        """
        if not text.strip():
            return cls([])
        lines = _lines(text if text.endswith("\n") else f"{text}\n")
        first = next((at for at, line in enumerate(lines) if line.startswith("--- ")), None)
        if first is None or first + 1 >= len(lines) or not lines[first + 1].startswith("+++ "):
            raise DiffError("is no unified diff: no lines `--- plan.toml` and `+++ plan.toml`")
        hunks = list(_hunks(lines, first + 2))
        if not hunks:
            raise DiffError("is no unified diff: no line that begins with @@")
        return cls(hunks)

    def applied(self, text: str) -> str:
        """The text with the changes in it. Raises DiffError where a line is not what the diff says, at its place."""
        lines = _lines(text)
        done: list[str] = []
        at = 0
        for hunk in self.hunks:
            if hunk.start < at:
                raise DiffError(f"changes line {hunk.start + 1} twice")
            for place, wanted in enumerate(hunk.before, hunk.start):
                found = lines[place] if place < len(lines) else None
                if found != wanted:
                    raise DiffError(_unlike(place + 1, found, wanted))
            if hunk.start > len(lines):
                raise DiffError(_unlike(hunk.start, None, ""))
            done += [*lines[at : hunk.start], *hunk.after]
            at = hunk.start + len(hunk.before)
        return "".join([*done, *lines[at:]])

    def is_in(self, text: str) -> bool:
        """Whether the text has these changes already."""
        undone = UnifiedDiff([_Hunk(hunk.new_start, hunk.start, hunk.after, hunk.before) for hunk in self.hunks])
        try:
            undone.applied(text)
        except DiffError:
            return False
        return True


def _lines(text: str) -> list[str]:
    """Lines with their ends. Only a line feed ends one, as for every program that makes diffs."""
    lines = [f"{line}\n" for line in text.split("\n")]
    lines[-1] = lines[-1][:-1]
    return lines if lines[-1] else lines[:-1]


def _hunks(lines: list[str], at: int) -> Iterator[_Hunk]:
    while at < len(lines):
        line = lines[at]
        if line.startswith(("--- ", "diff ")):
            raise DiffError(f"line {at + 1}: a second file begins; give a diff of the plan alone")
        head = _HUNK.match(line)
        if head is None:
            if not line.strip():
                at += 1
                continue
            raise DiffError(f"line {at + 1}: {_shown(line)} belongs to no hunk; give the diff as it was written")
        hunk, at = _hunk(lines, at, head)
        yield hunk


def _hunk(lines: list[str], at: int, head: re.Match[str]) -> tuple[_Hunk, int]:
    start, new_start = int(head[1]), int(head[3])
    old, new = (1 if count is None else int(count) for count in (head[2], head[4]))
    before: list[str] = []
    after: list[str] = []
    at += 1
    last: list[list[str]] = []
    while at < len(lines) and (len(before) < old or len(after) < new or lines[at].startswith(_NO_NEWLINE)):
        sign, rest = lines[at][0], lines[at][1:]
        if sign == _NO_NEWLINE:
            for side in last:
                side[-1] = side[-1].removesuffix("\n")
        else:
            # Some editors take the space away that an empty line begins with.
            last = {" ": [before, after], "-": [before], "+": [after], "\n": [before, after]}.get(sign, [])
            if not last:
                raise DiffError(f"line {at + 1}: {_shown(lines[at])} begins with no sign of a diff; give it unchanged")
            for side in last:
                side.append(rest or "\n")
        at += 1
    if (len(before), len(after)) != (old, new):
        raise DiffError(f"line {at}: the diff is cut short, or was changed; make it anew")
    # Where nothing stood, the number is that of the line before.
    return _Hunk(start - (old > 0), new_start - (new > 0), before, after), at


def _unlike(number: int, found: str | None, wanted: str) -> str:
    stands = "the file has ended" if found is None else f"stands {_shown(found)}"
    if found is not None and found.rstrip("\r\n") == wanted.rstrip("\r\n"):
        return f"line {number}: {_shown(found)} ends otherwise than in the diff (\\r\\n, \\n, or no line end)"
    return f"line {number}: {stands} where the diff has {_shown(wanted)}"


def _shown(line: str) -> str:
    text = line.rstrip("\r\n")
    text = text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"
    return repr(text)
