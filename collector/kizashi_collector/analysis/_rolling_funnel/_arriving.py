"""New events of which each comes after all others of its actor: they change little, and need no look at history.

Such an event takes its step in every attempt that has come to the step before and has time left, and in no other. Of
those attempts the one that began last is better than the others from then on. One that does not count is not missed:
a later and better one has come to this step before, or comes there by the same event.
"""

from __future__ import annotations

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from kizashi_collector.analysis._rolling import Places
from kizashi_collector.analysis._rolling_funnel._histories import Actors
from kizashi_collector.analysis._table import Column

__all__ = ["Arriving", "in_turns"]

_MOST_TURNS = 8


class Arriving(Struct, frozen=True, eq=False):
    """Events of different actors, with the step that each fits."""

    actors: Actors
    places: Places
    step: Column


def in_turns(
    actor: Actors, time: Column, step: NDArray[np.uint8], places: Places, ahead: NDArray[np.bool_]
) -> tuple[list[Arriving], Actors]:
    """Split new events into turns, one event of an actor in each, and tell the actors to whom this cannot be done.

    `ahead` says of each event whether it comes after all that were there. Those of one actor must differ in time, and
    be a few.
    """
    order = np.lexsort((time, actor)) if (time[1:] < time[:-1]).any() else np.argsort(actor, kind="stable")
    actor, time, step, places, ahead = actor[order], time[order], step[order], places[order], ahead[order]
    same = actor[1:] == actor[:-1]
    begins = np.flatnonzero(np.concatenate(([True], ~same)))
    unclear = ~ahead
    unclear[1:] |= same & (time[1:] == time[:-1])
    sizes = np.diff(np.append(begins, len(actor)))
    bad = np.logical_or.reduceat(unclear, begins) | (sizes > _MOST_TURNS)
    turn = np.arange(len(actor)) - np.repeat(begins, sizes)
    turn[np.repeat(bad, sizes)] = -1
    turns = []
    for number in range(int(turn.max()) + 1):
        (at,) = np.nonzero(turn == number)
        turns.append(Arriving(actor[at], places[at], step[at].astype(np.int64)))
    return turns, actor[begins[bad]]
