"""What a terminal shows: text measured in cells, tables, bars, and colour where somebody sees it."""

from __future__ import annotations

import os
import shutil
import unicodedata
from collections.abc import Mapping, Sequence
from typing import TextIO

from msgspec import Struct

__all__ = ["Screen", "cells", "clipped", "padded", "plain", "table"]

_ELSEWHERE = 100
_LEAST, _MOST = 40, 160
_EIGHTHS = " ▏▎▍▌▋▊▉"
_CODES = {"bold": "1", "dim": "2", "bar": "36", "loss": "33", "alarm": "31;1", "good": "32"}


class Screen(Struct, frozen=True):
    """Where text goes: how many cells a line has, and whether it takes colour and block characters."""

    width: int
    colour: bool
    blocks: bool

    @classmethod
    def of(cls, out: TextIO, environment: Mapping[str, str] = os.environ) -> Screen:
        """The screen behind a stream. Colour needs a terminal, and neither NO_COLOR nor TERM=dumb (no-color.org)."""
        terminal = out.isatty()
        # COLUMNS, or else what the terminal says of itself.
        width = shutil.get_terminal_size((_ELSEWHERE, 24)).columns if terminal else _ELSEWHERE
        return cls(
            width=min(max(width, _LEAST), _MOST),
            colour=terminal and not environment.get("NO_COLOR") and environment.get("TERM") != "dumb",
            blocks=_can_write("█▏▲─", out.encoding),
        )

    def paint(self, text: str, what: str) -> str:
        """The text in the colour of what it is, or as it is."""
        return f"\x1b[{_CODES[what]}m{text}\x1b[0m" if self.colour else text

    def bar(self, share: float, width: int) -> str:
        """A bar of `width` cells, filled to a share from 0 to 1 by eighths; a sliver for what is not nothing."""
        if not self.blocks:
            return ("#" * max(round(share * width), 1 if share else 0)).ljust(width)
        eighths = max(round(share * width * 8), 1 if share else 0)
        return ("█" * (eighths // 8) + _EIGHTHS[eighths % 8].strip()).ljust(width)


def _can_write(text: str, encoding: str | None) -> bool:
    try:
        text.encode(encoding or "ascii")
    except (UnicodeEncodeError, LookupError):
        return False
    return True


def cells(text: str) -> int:
    """How many cells a terminal gives a text: two for wide characters, none for marks on others (UAX #11)."""
    if text.isascii():
        return len(text)
    return sum(map(_cells_of, text))


def _cells_of(character: str) -> int:
    if unicodedata.category(character) in ("Mn", "Me", "Cf"):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


def padded(text: str, width: int, *, right: bool = False) -> str:
    """The text with blanks up to `width` cells, after it or, with `right`, before it."""
    blanks = " " * max(0, width - cells(text))
    return blanks + text if right else text + blanks


def clipped(text: str, width: int) -> str:
    """The text in at most `width` cells; what is cut ends with …"""
    if cells(text) <= width:
        return text
    taken, room = "", width - 1
    for character in text:
        room -= _cells_of(character)
        if room < 0:
            break
        taken += character
    return f"{taken}…"


def plain(text: str) -> str:
    """Text that no terminal obeys: names come from whoever sent them."""
    return "".join(one if one.isprintable() else one.encode("unicode_escape").decode() for one in text)


def table(head: Sequence[str], rows: Sequence[Sequence[str]], *, left: int = 1) -> list[str]:
    """Lines of a table, its heading first. The first `left` columns read from the left, the others from the right."""
    widths = [max(map(cells, column)) for column in zip(head, *rows, strict=True)]
    return [
        "  ".join(
            padded(cell, width, right=at >= left) for at, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in (head, *rows)
    ]
