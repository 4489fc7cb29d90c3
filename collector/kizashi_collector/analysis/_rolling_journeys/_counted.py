"""What journeys add up to: among all, and among those that each window has left behind; and how time changes it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from kizashi_collector.analysis._journeys import CONVERTED, UNENDED
from kizashi_collector.analysis._rolling import Layout, Places
from kizashi_collector.analysis._rolling_journeys._calendar import MINUTE_MS, Calendar
from kizashi_collector.analysis._rolling_journeys._cells import JourneyCells
from kizashi_collector.analysis._rolling_journeys._kept import CLOSED, Kept
from kizashi_collector.analysis._rolling_journeys._sums import JourneySums
from kizashi_collector.analysis._table import Column

__all__ = ["Counted"]

_MANY_MINUTES = 30


class _Window(Struct, eq=False):
    """A window: where it begins now, and the sums of the journeys that began before."""

    start: int
    left: JourneySums
    changes: int = 0


class Counted:
    """Counts journeys by row, and the open ones by depth and bin of age besides, for windows that begin at `starts`.

    A calendar tells which journeys leave a window, come into another bin as a minute begins, or expire: no others are
    looked at, unless half an hour and more passes at once.
    """

    def __init__(
        self, kept: Kept, layout: Layout, *, starts: Mapping[int, int], edges: Sequence[int], horizon: int, now: int
    ) -> None:
        self.now = now
        self._kept, self._layout, self._horizon = kept, layout, horizon
        self._edges = np.array(edges, np.int64)
        self._ever = JourneySums(layout, kept.depths, len(edges))
        self._windows = {
            length: _Window(start, JourneySums(layout, kept.depths, len(edges))) for length, start in starts.items()
        }
        self._begins, self._clocks = Calendar(), Calendar()
        self._changes = 0

    def version(self, length: int) -> str:
        """A text that changes whenever a number of this window may have changed."""
        return f"{self._changes}-{self._windows[length].changes}"

    def cells(self, length: int, g: int, rows: Column | None) -> JourneyCells:
        """What the journeys begun in a window add up to, by the rows of a grouping."""
        return JourneyCells.of(self._ever, self._windows[length].left, self._layout, g, rows)

    # -- journeys come and go -----------------------------------------------------------------------------------------

    def enter(self, at: Places, begun: Places, stepped: Places) -> None:
        """Count journeys in, of which some have just begun, and some just taken a step."""
        if len(at):
            self._kept.bin[at] = self._bins(at)
            self._count(at, 1)
            self._note(begun, stepped)

    def leave(self, at: Places) -> None:
        """Count journeys out."""
        if len(at):
            self._count(at, -1)
            self._kept.bin[at] = CLOSED

    def moved(self) -> None:
        """Journeys have other indices now."""
        self._begins, self._clocks = Calendar(), Calendar()
        at = np.arange(self._kept.count, dtype=np.int32)
        self._note(at, at)

    def _note(self, begun: Places, stepped: Places) -> None:
        """Note when they will leave the windows, and grow older."""
        kept = self._kept
        least = min((window.start for window in self._windows.values()), default=self.now)
        begun = begun[kept.begin[begun] > least]
        self._begins.add(kept.begin[begun], begun)
        stepped = stepped[kept.bin[stepped] != CLOSED]
        self._clocks.add(kept.clocks(stepped), stepped)

    def _bins(self, at: Places) -> NDArray[np.int16]:
        """The bins of age now."""
        kept = self._kept
        clock = kept.clocks(at)
        age = self.now // MINUTE_MS - clock // MINUTE_MS
        bins = np.maximum(np.searchsorted(self._edges, age, side="right") - 1, 0).astype(np.int16)
        is_open = (kept.ended[at] == UNENDED) & (clock + self._horizon >= self.now)
        bins[~is_open] = CLOSED
        return bins

    def _count(self, at: Places, sign: int) -> None:
        self._changes += 1
        for sums, own in self._where(at):
            self._add(sums, own, sign)

    def _where(self, at: Places) -> Sequence[tuple[JourneySums, Places]]:
        begin = self._kept.begin[at]
        least = int(begin.min())
        left = [(w.left, at[begin <= w.start]) for w in self._windows.values() if least <= w.start]
        return [(self._ever, at), *left]

    def _add(self, sums: JourneySums, at: Places, sign: int) -> None:
        kept = self._kept
        sums.add(kept.source[at], kept.brought[at], kept.ended[at] == CONVERTED, sign)
        self._add_open(sums, at, sign)
        for place in at.tolist() if kept.apart else ():
            if place in kept.apart:
                sums.add_apart(int(kept.source[place]), kept.apart[place], sign)

    def _add_open(self, sums: JourneySums, at: Places, sign: int) -> None:
        kept = self._kept
        at = at[kept.bin[at] != CLOSED]
        if len(at):
            cell = kept.deepest[at] * np.int64(len(self._edges)) + kept.bin[at]
            sums.add_open(kept.source[at], cell, sign)

    # -- time passes --------------------------------------------------------------------------------------------------

    def advance(self, now: int) -> None:
        """Let time pass until `now`, which is not past."""
        before, self.now = self.now, now
        self._age(before)
        for length, window in self._windows.items():
            self._slide(window, now - length)
        self._begins.forget(min((window.start for window in self._windows.values()), default=now) // MINUTE_MS)
        self._clocks.forget((now - self._horizon) // MINUTE_MS)

    def _age(self, before: int) -> None:
        """Move on those that are in another bin than before, or expired."""
        kept = self._kept
        first, last = before // MINUTE_MS, self.now // MINUTE_MS
        if last - first > _MANY_MINUTES:
            parts = [np.arange(kept.count, dtype=np.int32)]
        else:
            parts = self._clocks.within((before - self._horizon) // MINUTE_MS, (self.now - self._horizon) // MINUTE_MS)
            for edge in self._edges[1:].tolist() if last > first else ():
                parts += self._clocks.within(first - edge + 1, last - edge)
        if not parts:
            return
        at = np.concatenate(parts)
        at = at[kept.bin[at] != CLOSED]
        bins = self._bins(at)
        (moved,) = np.nonzero(bins != kept.bin[at])
        if not len(moved):
            return
        # A journey that took several steps in one minute stands there as often.
        at, once = np.unique(at[moved], return_index=True)
        self._changes += 1
        for sums, own in self._where(at):
            self._add_open(sums, own, -1)
        kept.bin[at] = bins[moved][once]
        for sums, own in self._where(at):
            self._add_open(sums, own, 1)

    def _slide(self, window: _Window, start: int) -> None:
        """Let a window begin at `start`."""
        kept, before = self._kept, window.start
        window.start = start
        parts = self._begins.within(before // MINUTE_MS, start // MINUTE_MS)
        if not parts:
            return
        at = np.concatenate(parts)
        begin = kept.begin[at]
        at = at[(begin > before) & (begin <= start) & kept.live[at]]
        if len(at):
            window.changes += 1
            self._add(window.left, at, 1)
