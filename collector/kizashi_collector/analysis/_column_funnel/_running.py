"""Attempts, all of some timelines at once: from their first events on, one step a round."""

from __future__ import annotations

from typing import Any

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from kizashi_collector.analysis._column_funnel._conditions import Masks
from kizashi_collector.analysis._column_funnel._kind import Kind
from kizashi_collector.analysis._column_funnel._timelines import Timelines
from kizashi_collector.analysis._matching import Check
from kizashi_collector.analysis._table import Column

__all__ = ["Attempts", "run"]


class Attempts(Struct, frozen=True, eq=False):
    """Attempts in order of their first events. `place[k]` tells where each took step k, -1 where it did not; `came` is
    the place of the last step taken, `limit` the last moment within the window.

    In an unordered funnel steps are numbered by the order in which they were taken.
    """

    place: NDArray[np.int64]
    depth: NDArray[np.uint8]
    came: Column
    limit: Column

    @property
    def start(self) -> Column:
        """Where each began."""
        start: Column = self.place[0]
        return start

    def __len__(self) -> int:
        return len(self.depth)

    def only(self, wanted: Column) -> Attempts:
        """Those of these numbers, in this order."""
        return Attempts(self.place.take(wanted, 1), self.depth[wanted], self.came[wanted], self.limit[wanted])

    def reached(self, step: int) -> Column:
        """Where each came to a step or, where that one was skipped, beyond it; -1 if it did not."""
        reached: Column = self.place[step].copy()
        for beyond in self.place[step + 1 :]:
            skipped = reached < 0
            reached[skipped] = beyond[skipped]
        return reached


def run(lines: Timelines, kind: Kind, start: Column, check: Check) -> Attempts:
    """The attempts that begin at these places, which ascend and fit."""
    place = np.full((kind.steps, len(start)), -1, np.int64)
    place[0] = start
    limit: Column = lines.moment.take(start) + lines.layout.reach
    if kind.ordered:
        depth = _run_in_order(lines, kind, place, limit, check)
    else:
        depth = _run_in_any_order(lines, kind, place, limit, check)
    came = start if kind.steps == 1 else place.max(axis=0, initial=-1)
    return Attempts(place, depth, came, limit)


def _run_in_order(
    lines: Timelines, kind: Kind, place: NDArray[np.int64], limit: Column, check: Check
) -> NDArray[np.uint8]:
    depth = np.zeros(len(limit), np.uint8)
    alive, at = np.arange(len(limit)), place[0]
    latest = at.copy() if kind.optional else at
    for last, open_ in enumerate(kind.open_after):
        check()
        if kind.optional:
            (alive,) = np.nonzero(depth == last)
            at = latest.take(alive)
        if not len(alive):
            continue
        fits = (lines.mask & lines.mask.dtype.type(open_)) != 0
        if kind.strict:
            following = at + 1
            in_time = np.append(fits, False).take(following)
            in_time &= lines.moment.take(following) <= limit.take(alive)
        else:
            following = _next(fits, at)
            in_time = lines.moment.take(following) <= limit.take(alive)
        alive, at = alive[in_time], following[in_time]
        if kind.optional:
            step = _highest(lines.mask.take(at), open_)
            place[step, alive] = at
            depth[alive] = step
            latest[alive] = at
        else:
            place[last + 1, alive] = at
            depth[alive] = last + 1
    return depth


def _run_in_any_order(
    lines: Timelines, kind: Kind, place: NDArray[np.int64], limit: Column, check: Check
) -> NDArray[np.uint8]:
    mask, whole = lines.mask, kind.begins()
    one = mask.dtype.type(1)
    depth = np.zeros(len(limit), np.uint8)
    following: list[Column] = []
    for step in range(kind.steps):
        check()
        following.append(_next((mask & (one << mask.dtype.type(step))) != 0, None))
    alive, at = np.arange(len(limit)), place[0]
    several = bool((mask & (mask - one)).any())

    def furthest(fits: Masks) -> Masks:
        return one << _highest(fits, whole).astype(mask.dtype) if several else fits

    taken = furthest(mask.take(at))
    for number in range(1, kind.steps):
        if not len(alive):
            break
        soonest = np.full(len(alive), len(mask), following[0].dtype)
        for step in range(kind.steps):
            check()
            then = following[step].take(at)
            then[(taken & (one << mask.dtype.type(step))) != 0] = len(mask)
            np.minimum(soonest, then, out=soonest)
        in_time = lines.moment.take(soonest) <= limit.take(alive)
        alive, at, taken = alive[in_time], soonest[in_time].astype(np.int64), taken[in_time]
        taken |= furthest(mask.take(at) & ~taken)
        place[number, alive] = at
        depth[alive] = number
    return depth


def _next(fits: NDArray[np.bool_], at: Column | None) -> Column:
    """The next place after each of these, or after every place, that fits; the number of places where there is none."""
    following: Column = np.append(np.flatnonzero(fits), len(fits))
    before: NDArray[np.signedinteger[Any]] = np.cumsum(fits, dtype=np.int32 if len(fits) < 1 << 31 else np.int64)
    if at is not None:
        before = before.take(at)
    found: Column = following.take(before)
    return found


def _highest(masks: Masks, among: int) -> NDArray[np.intp]:
    """The number of the highest bit of each mask among some; each has one at least."""
    found = np.zeros(len(masks), np.intp)
    for bit in range(among.bit_length()):
        if among >> bit & 1:
            found[(masks & masks.dtype.type(1 << bit)) != 0] = bit
    return found
