"""How far an import is: a bar on a terminal, a line now and then elsewhere. Always on stderr."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TextIO

__all__ = ["Progress"]

_BAR_SECONDS, _LINE_SECONDS = 0.2, 10.0
_WIDTH = 24


class Progress:
    """Shows one file's progress by its bytes on disk. Nothing is shown where `quiet`."""

    def __init__(
        self, name: str, size: int, out: TextIO, *, quiet: bool = False, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._name = name
        self._size = size
        self._out = out
        self._quiet = quiet
        self._clock = clock
        self._terminal = out.isatty()
        self._begun = self._last = clock()
        self._start: tuple[int, int] | None = None
        self._shown = ""

    def update(self, position: int, rows: int) -> None:
        """Say that so many bytes and rows are done with; shown at most a few times a second."""
        if self._start is None:
            self._start = (position, rows)  # what an earlier run did is no rate of this one
        now = self._clock()
        if self._quiet or now - self._last < (_BAR_SECONDS if self._terminal else _LINE_SECONDS):
            return
        self._last = now
        self._show(position, rows, now)

    def note(self, text: str) -> None:
        """Write a line of its own."""
        if not self._quiet:
            self._clear()
            print(text, file=self._out, flush=True)

    def close(self) -> None:
        """Take the bar away."""
        self._clear()

    def _show(self, position: int, rows: int, now: float) -> None:
        first_position, first_rows = self._start or (0, 0)
        seconds = max(now - self._begun, 1e-9)
        share = min(position / self._size, 1.0) if self._size else 1.0
        speed = (position - first_position) / seconds
        left = _duration((self._size - position) / speed) if speed > 0 else "?"
        text = f"{share:4.0%}  {rows:,} rows  {(rows - first_rows) / seconds:,.0f}/s  {left} left"
        if not self._terminal:
            print(f"{self._name}: {text.strip()}", file=self._out, flush=True)
            return
        bar = ("█" * round(share * _WIDTH)).ljust(_WIDTH, "·")
        self._clear()
        self._shown = f"{self._name[-30:]} {bar} {text}"
        self._out.write(self._shown)
        self._out.flush()

    def _clear(self) -> None:
        if self._shown:
            self._out.write("\r" + " " * len(self._shown) + "\r")
            self._out.flush()
            self._shown = ""


def _duration(seconds: float) -> str:
    whole = int(seconds)
    hours, rest = divmod(whole, 3600)
    minutes, rest = divmod(rest, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"
