"""The core: for every first step the steps that follow it, and of an actor's attempts the one that counts.

This is the usual kind of funnel: ordered, every first step begins an attempt, an actor counts once, nothing excluded,
nothing optional, and no event fits two steps. Then the next step of an attempt is simply the next event that fits it,
and at one instant the order of the steps is the order that advances furthest.
"""

from __future__ import annotations

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from kizashi_collector.analysis._column_funnel._days import Days
from kizashi_collector.analysis._column_funnel._order import NO_STEP, Bucket, Layout, StepNumbers, buckets
from kizashi_collector.analysis._matching import Check
from kizashi_collector.analysis._table import Column

__all__ = [
    "ANY_START",
    "ActorAttempts",
    "Chains",
    "Winning",
    "advance",
    "winners",
    "winners_for_every_start",
    "winning",
]

ANY_START = int(np.iinfo(np.int64).min)
"""Stands for the lower edge of the starts for which nothing better is left out."""

_BEYOND = int(np.iinfo(np.int64).max)


class Chains(Struct, frozen=True, eq=False):
    """Attempts in order of actor and start. Places are those of a bucket.

    `reached` lists for each step the attempts that came to it, `place` where each of them took it. Of attempts that
    take the same event for a step, the one that began last is as good as any in all that follows; the others are taken
    to have ended before.
    """

    moment: Column
    owner: Column
    start: Column
    reached: list[Column]
    place: list[Column]


class Winning(Struct, frozen=True, eq=False):
    """For each owner the attempt that counts: its depth, and for each step where those that came to it took it."""

    owner: Column
    depth: NDArray[np.uint8]
    place: list[Column]


def advance(bucket: Bucket, layout: Layout, steps: int, days: Days | None = None) -> Chains:
    """Run every attempt of a bucket. Attempts of one actor compete, or with `days` those that begin on the same day."""
    step = bucket.packed.astype(np.uint8)
    step &= np.uint8((1 << layout.step_bits) - 1)
    size = len(step)
    moment = np.empty(size + 1, np.int64)
    np.right_shift(bucket.packed, layout.step_bits, out=moment[:size])
    moment[size] = _BEYOND
    (start,) = np.nonzero(step == 0)
    # First steps of one instant go the same way.
    begun = moment.take(start)
    first = _first_of_each(begun)
    start, begun = start[first], begun[first]
    owner = begun >> layout.time_bits
    if days is not None:
        owner = owner * days.count + days.of(layout.times(begun))
        # Where clocks are set back over midnight, a day comes twice.
        if (owner[1:] < owner[:-1]).any():
            order = owner.argsort(kind="stable")
            start, begun, owner = start[order], begun[order], owner[order]
    alive, at = np.arange(len(start)), start
    reached, place = [alive], [at]
    limit = begun + layout.reach
    for number in range(1, steps):
        here = step == number
        following = np.append(np.flatnonzero(here), size)
        if not len(alive) or len(following) == 1:
            break
        at = following.take(np.cumsum(here, dtype=np.int32).take(at))
        in_time = moment.take(at) <= limit
        alive, at, limit = alive[in_time], at[in_time], limit[in_time]
        last = np.ones(len(at), np.bool_)
        np.not_equal(at[1:], at[:-1], out=last[:-1])
        if days is not None:
            whose = owner.take(alive)
            last[:-1] |= whose[1:] != whose[:-1]
        alive, at, limit = alive[last], at[last], limit[last]
        reached.append(alive)
        place.append(at)
    return Chains(moment, owner, start, reached, place)


def winning(chains: Chains) -> Winning:
    """The attempt that counts of each owner: the deepest, of those the first to come there, then the last to begin."""
    different = _first_of_each(chains.owner)
    whose = np.cumsum(different) - 1
    attempt = np.zeros(int(np.count_nonzero(different)), np.int64)
    depth = np.zeros(len(attempt), np.uint8)
    for number, alive in enumerate(chains.reached):
        owners = whose.take(alive)
        first = _first_of_each(owners)
        attempt[owners[first]] = alive[first]
        depth[owners[first]] = number
    place = []
    for number, (alive, at) in enumerate(zip(chains.reached, chains.place, strict=True)):
        if number == 0:
            place.append(at.take(attempt))
        else:
            taken = np.empty(len(chains.start), np.int64)
            taken[alive] = at
            place.append(taken.take(attempt[depth >= number]))
    return Winning(chains.owner[different], depth, place)


class ActorAttempts(Struct, frozen=True, eq=False):
    """Attempts in order of actor and start: `row[i, k]` is the event that took step k in attempt i, or -1; and `tied`
    says whether there are others alike in actor, time and step.

    Attempt i is the one that counts of its actor for every interval that begins in [since[i], until[i]) and reaches
    to the last event; ANY_START is from the beginning. `until` is its own start, which must be after the interval's.
    """

    actor: Column
    row: Column
    tied: NDArray[np.bool_]
    depth: NDArray[np.uint8]
    since: Column
    until: Column


def winners(actor: Column, time: Column, step: StepNumbers, *, steps: int, window: int) -> ActorAttempts:
    """The attempt that counts of each actor that began one, over events in any order.

    Events with NO_STEP are passed by; give it to those of step 0 outside of the interval too. Codes of actors are from
    0 to 2³¹ - 1, the window is in milliseconds. Of events alike in actor, time and step the first is taken, and
    `tied` tells of them.
    """
    return _gathered(actor, time, step, steps, window, every=False)


def winners_for_every_start(
    actor: Column, time: Column, step: StepNumbers, *, steps: int, window: int
) -> ActorAttempts:
    """Every attempt that counts for its actor for some beginning of the interval; else as `winners`."""
    return _gathered(actor, time, step, steps, window, every=True)


def _gathered(
    actor: Column, time: Column, step: StepNumbers, steps: int, window: int, *, every: bool, check: Check = lambda: None
) -> ActorAttempts:
    none = np.zeros(0, np.int64)
    rows = none.reshape(0, steps)
    empty = ActorAttempts(none, rows, rows.astype(np.bool_), none.astype(np.uint8), none, none)
    taking = step[step != NO_STEP]
    if not len(taking):
        return empty
    layout = Layout.of(
        actor=int(actor.max()),
        first=int(time.min()),
        last=int(time.max()),
        steps=steps,
        window=window,
        rows=len(taking),
    )
    parts = []
    for bucket in buckets(layout, actor, time, step, None, check):
        chains = advance(bucket, layout, steps)
        if len(chains.start):
            parts.append((_every if every else _one)(chains, bucket, layout, steps))
    if not parts:
        return empty
    fields = ActorAttempts.__struct_fields__
    return ActorAttempts(*(np.concatenate([getattr(part, name) for part in parts]) for name in fields))


def _one(chains: Chains, bucket: Bucket, layout: Layout, steps: int) -> ActorAttempts:
    won = winning(chains)
    row = np.full((len(won.depth), steps), -1, np.int64)
    tied = np.zeros(row.shape, np.bool_)
    for number, place in enumerate(won.place):
        came = won.depth >= number
        row[came, number], tied[came, number] = bucket.rows[place], bucket.tied(place)
    begun = chains.moment[won.place[0]]
    since = np.full(len(row), ANY_START)
    return ActorAttempts(layout.actors(begun, bucket.number), row, tied, won.depth, since, layout.times(begun))


def _every(chains: Chains, bucket: Bucket, layout: Layout, steps: int) -> ActorAttempts:
    count = len(chains.start)
    depth, came = np.zeros(count, np.uint8), chains.start.copy()
    row = np.full((count, steps), -1, np.int64)
    tied = np.zeros(row.shape, np.bool_)
    for number, (alive, at) in enumerate(zip(chains.reached, chains.place, strict=True)):
        depth[alive], came[alive] = number, at
        row[alive, number], tied[alive, number] = bucket.rows[at], bucket.tied(at)
    # A place is later than another of the same actor if the event is, so that it stands for the time.
    better = depth.astype(np.int64) * (len(bucket.packed) + 1) + (len(bucket.packed) - came)
    kept = np.flatnonzero(_beating_all_later(chains.owner, better))
    begun = chains.moment[chains.start[kept]]
    until = layout.times(begun)
    since = np.full(len(kept), ANY_START)
    same = ~_first_of_each(chains.owner[kept])[1:]
    since[1:][same] = until[:-1][same]
    return ActorAttempts(layout.actors(begun, bucket.number), row[kept], tied[kept], depth[kept], since, until)


def _beating_all_later(owner: Column, better: Column) -> NDArray[np.bool_]:
    """Which attempts, in order of owner and start, are better than all later ones of the same owner."""
    groups = np.cumsum(_first_of_each(owner))
    # From the end, the next owner's are greater than all of the last one's.
    score = ((groups[-1] - groups) * (better.max() + 1) + better)[::-1]
    best = np.maximum.accumulate(score)
    record = np.ones(len(score), np.bool_)
    np.greater(score[1:], best[:-1], out=record[1:])
    return record[::-1]


def _first_of_each(values: Column) -> NDArray[np.bool_]:
    """Which values differ from the one before."""
    first = np.ones(len(values), np.bool_)
    np.not_equal(values[1:], values[:-1], out=first[1:])
    return first
