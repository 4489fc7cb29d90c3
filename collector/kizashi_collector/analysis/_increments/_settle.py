"""What is to be told of one journey.

A journey's *target* is what a feed should have been told of it: while it is open, the value of its deepest step when
it came there; once it ended, what its final brought; and nothing when its horizon is over. An increment is a target
less what was emitted before.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Literal

from msgspec import Struct
from msgspec.structs import replace

from kizashi_collector.analysis._events import LoggedEvent
from kizashi_collector.analysis._increments._standing import Emitted, Standing
from kizashi_collector.analysis._increments._step_values import SourceText, StepValues
from kizashi_collector.analysis._worth import Worth

__all__ = ["Increment", "IncrementKind", "settle", "take_back"]

IncrementKind = Literal["step", "sale", "adjustment", "expired", "correction"]


class Increment(Struct, frozen=True, kw_only=True):
    """One line of the ledger: `value` is the difference, `emitted` what it makes of the journey's sum, in micros.

    The source is a text, or the number of the entry that has it. `event` is what caused it, 0 where nothing did.
    """

    journey: int
    actor: int
    kind: IncrementKind
    event: int
    source: SourceText | int
    value: int
    emitted: int
    fit: int | None = None


def take_back(before: Emitted, kind: Literal["expired", "correction"]) -> list[Increment]:
    """What tells a feed that a journey comes to nothing, or is none any more."""
    if not before.emitted:
        return []
    return [
        Increment(
            journey=before.number,
            actor=before.actor,
            kind=kind,
            event=0,
            source=before.entry,
            value=-before.emitted,
            emitted=0,
        )
    ]


def settle(
    journey: Standing,
    before: Emitted | None,
    number: int,
    actor: int,
    event_of: Callable[[int], LoggedEvent],
    source: SourceText,
    values: StepValues,
    worth: Worth,
    as_of: int,
) -> tuple[list[Increment], Emitted | None]:
    """What is to be told of a journey, and how it stands once that was told; None where there is no more to remember.

    `number` is for one that nothing is known of `before`; `source` is the one credited. The `entry` of what is
    returned is that of before: whoever numbers the increments knows better.
    """
    digest = int.from_bytes(hashlib.blake2b(source.encode(), digest_size=8).digest(), signed=True)
    over = not journey.final and journey.until < as_of
    was = before or Emitted(
        number=number,
        actor=actor,
        first=0,
        begin=0,
        until=0,
        members=0,
        depth=0,
        final=0,
        sold=False,
        source=digest,
        emitted=0,
        entry=0,
    )
    again = was.sold and was.final == journey.final
    fit = None
    target: int | None
    if journey.final:
        target = worth.final(event_of(journey.final))
    elif over or journey.depth == 0:
        target = 0
    elif before is not None and not was.final and was.depth == journey.depth and was.source == digest:
        target = was.emitted  # what was learned meanwhile changes nothing
    else:
        target, fit = values.of(event_of(journey.step), source)
    now = replace(
        was,
        first=journey.events[0],
        begin=journey.begin,
        until=journey.until,
        members=journey.members,
        depth=journey.depth,
        final=journey.final,
        sold=bool(journey.final),
    )
    if target is None:
        return [], replace(now, members=0, sold=again)  # it is looked at again whenever its actor is
    now = replace(now, source=digest)
    told: list[Increment] = []
    moved = was.source != digest or (was.sold and not again)
    if moved and was.emitted and not over:
        told = take_back(was, "correction")
        was = replace(was, emitted=0)
    if target != was.emitted:
        kind: IncrementKind
        if journey.final and not again:
            kind = "adjustment" if worth.retracted(event_of(journey.final)) else "sale"
        elif journey.final:
            kind = "correction" if told else "adjustment"
        elif over and not was.final:
            kind = "expired"
        else:
            kind = "step" if not (over or was.final) and journey.depth > was.depth else "correction"
        value = target - was.emitted
        told.append(
            Increment(
                journey=was.number,
                actor=actor,
                kind=kind,
                event=journey.final or (0 if over or not target else journey.step),
                source=was.entry if over else source,
                value=value,
                emitted=target,
                fit=fit,
            )
        )
    if over or not (journey.final or journey.depth):
        return told, None
    return told, replace(now, emitted=target)
