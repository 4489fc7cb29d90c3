"""A calendar: which journeys have an instant of theirs in which minute."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from kizashi_collector.analysis._rolling import Places
from kizashi_collector.analysis._table import Column

__all__ = ["MINUTE_MS", "Calendar"]

MINUTE_MS = 60_000
_MOST_PARTS = 32


class Calendar:
    """Indices by a minute, as they were added: whose instant has changed since stands in both minutes.

    Whoever looks something up checks what it finds. Four bytes each, and some 250 for a minute.
    """

    def __init__(self) -> None:
        self._minutes: dict[int, list[Places]] = {}
        self._since: int | None = None

    def add(self, time: Column, at: Places) -> None:
        """Note that these have these instants."""
        if not len(at):
            return
        minute = time // MINUTE_MS
        if int(minute.min()) == int(minute.max()):
            self._append(int(minute[0]), at)
            return
        order = np.argsort(minute, kind="stable")
        minute, at = minute[order], at[order]
        starts = np.flatnonzero(np.append(True, minute[1:] != minute[:-1]))
        for number, part in zip(minute[starts].tolist(), np.split(at, starts[1:]), strict=True):
            self._append(number, part)

    def _append(self, number: int, at: Places) -> None:
        parts = self._minutes.setdefault(number, [])
        parts.append(at)
        if len(parts) > _MOST_PARTS:
            parts[:] = [np.concatenate(parts)]

    def within(self, first: int, last: int) -> list[Places]:
        """What was noted for the minutes from `first` to `last`, in parts."""
        numbers: Sequence[int] = range(first, last + 1)
        if len(numbers) > len(self._minutes):
            numbers = [number for number in self._minutes if first <= number <= last]
        return [part for number in numbers for part in self._minutes.get(number, ())]

    def forget(self, before: int) -> None:
        """Let go of the minutes before this one."""
        if self._since is not None and before - self._since < len(self._minutes):
            for number in range(self._since, before):
                self._minutes.pop(number, None)
        else:
            self._minutes = {number: parts for number, parts in self._minutes.items() if number >= before}
        self._since = before if self._since is None else max(before, self._since)
