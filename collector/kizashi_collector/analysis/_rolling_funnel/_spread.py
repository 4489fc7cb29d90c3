"""The times between steps in order, by window, grouping and step: for medians and percentiles without sorting them all.

What changes is noted, and merged into the ordered times when somebody asks for them or when much is noted.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from kizashi_collector.analysis._rolling_funnel._step_sums import Changes
from kizashi_collector.analysis._table import Column

__all__ = ["SPAN_BITS", "Spread"]

SPAN_BITS = 40
"""A time is below 2⁴⁰ milliseconds; the row of its attempt stands in the bits above."""

_FEW = 1 << 13
_SHARE = 8
_MOST_PARTS = 24


class Spread:
    """Times between steps, each with its attempt's row: 8 bytes for each window and grouping that it is in.

    What is noted is cut into parts, and each window and grouping takes them in when it is asked for, or when it has
    fallen furthest behind and there are many: one at a time, so that no change has to wait for all of them. Up to
    `few` changes are pending, or an eighth as many as there are attempts.
    """

    def __init__(self, windows: int, groupings: int, steps: int, few: int = _FEW) -> None:
        none = np.zeros(0, np.int64)
        self._ordered = {(w, g): [none] * steps for w in range(windows) for g in range(groupings)}
        self._seen = dict.fromkeys(self._ordered, 0)
        """How many parts each has taken in, of all that ever were."""
        self._steps, self._few = steps, few
        self._noted: list[Changes] = []
        self._noted_size = 0
        self._parts: list[_Part] = []
        self._dropped = 0
        self._size = 0

    def add(self, changes: Changes) -> None:
        """Note attempts that begin or cease to count."""
        self._noted.append(changes)
        self._noted_size += len(changes.low)
        self._size += int(changes.sign.sum())
        most = max(self._few, self._size // _SHARE)
        if self._noted_size > most // _MOST_PARTS:
            self._cut()
        if len(self._parts) > _MOST_PARTS or sum(part.size for part in self._parts) > most:
            self._relieve()

    def ordered(self, window: int, g: int) -> list[Column]:
        """For each step the rows and times, row · 2⁴⁰ + milliseconds, in order."""
        if self._noted:
            self._cut()
        self._settle((window, g))
        return self._ordered[window, g]

    def _cut(self) -> None:
        """Make a part of what is noted."""
        self._parts.append(_Part(self._noted, self._steps))
        self._noted, self._noted_size = [], 0

    def _relieve(self) -> None:
        """Have the one that is furthest behind take in what there is, and drop the parts that all have taken in."""
        self._settle(min(self._seen, key=self._seen.__getitem__))
        seen = min(self._seen.values()) - self._dropped
        del self._parts[:seen]
        self._dropped += seen

    def _settle(self, place: tuple[int, int]) -> None:
        ordered = self._ordered[place]
        parts = self._parts[self._seen[place] - self._dropped :]
        self._seen[place] = self._dropped + len(self._parts)
        for step in range(self._steps if parts else 0):
            found = [part.of(*place, step) for part in parts]
            keys, net = np.concatenate([one for one, _ in found]), np.concatenate([one for _, one in found])
            if len(parts) > 1:
                order = np.argsort(keys, kind="stable")
                keys, net = _netted(keys[order], net[order])
            if len(keys):
                ordered[step] = _merged(ordered[step], keys, net)


class _Part:
    """Some changes, for each step in the order of their times."""

    def __init__(self, noted: list[Changes], steps: int) -> None:
        low, high, sign = (np.concatenate([getattr(one, name) for one in noted]) for name in ("low", "high", "sign"))
        rows = np.concatenate([one.rows for one in noted], axis=1)
        spans = np.concatenate([one.spans for one in noted])
        self.size = len(low)
        self._steps: list[tuple[Column, Column, Column, Column, NDArray[np.int32]]] = []
        for step in range(steps):
            (at,) = np.nonzero(spans[:, step] >= 0)
            span = spans[at, step]
            order = np.argsort(span)
            at = at[order]
            self._steps.append((span[order], low[at], high[at], sign[at], rows[:, at]))

    def of(self, window: int, g: int, step: int) -> tuple[Column, Column]:
        """What changes at one place: different rows and times in order, and how many there are more or fewer."""
        span, low, high, sign, rows = self._steps[step]
        inside = (low <= window) & (window < high)
        keys, net = span[inside], sign[inside]
        if not len(keys):
            return keys, net
        if g:
            row = rows[g][inside]
            narrow = row.astype(np.uint16) if int(row.max()) < 1 << 16 else row
            order = np.argsort(narrow, kind="stable")
            keys = row[order].astype(np.int64) << SPAN_BITS | keys[order]
            net = net[order]
        return _netted(keys, net)


def _netted(keys: Column, net: Column) -> tuple[Column, Column]:
    """Numbers in order without repetition, with the sums of their changes where those are not 0."""
    if not len(keys):
        return keys, net
    first = np.concatenate(([True], keys[1:] != keys[:-1]))
    if not first.all():
        (begins,) = np.nonzero(first)
        keys, net = keys[begins], np.add.reduceat(net, begins)
    changed = net != 0
    return keys[changed], net[changed]


def _merged(ordered: Column, keys: Column, net: Column) -> Column:
    """The ordered numbers with so many more or fewer of some."""
    less = net < 0
    if less.any():
        counts = -net[less]
        first = np.repeat(np.searchsorted(ordered, keys[less]) - (np.cumsum(counts) - counts), counts)
        ordered = np.delete(ordered, first + np.arange(len(first)))
        keys, net = keys[~less], net[~less]
    if not len(keys):
        return ordered
    new = np.repeat(keys, net)
    merged = np.empty(len(ordered) + len(new), np.int64)
    at = np.searchsorted(ordered, new) + np.arange(len(new))
    old = np.ones(len(merged), np.bool_)
    old[at] = False
    merged[at] = new
    merged[old] = ordered
    return merged
