"""New events of which each comes after all others of its actor: they are taken many at once, one of each actor."""

from __future__ import annotations

import numpy as np
from msgspec import Struct

from kizashi_collector.analysis._rolling import Places
from kizashi_collector.analysis._table import Column

__all__ = ["Turn", "in_turns"]

_MOST_TURNS = 8


class Turn(Struct, frozen=True, eq=False):
    """Planned events of different actors: whose, when, how deep, and their places."""

    actor: Places
    time: Column
    depth: Column
    place: Places

    def only(self, wanted: Column) -> Turn:
        """The events at these places of the turn."""
        return Turn(self.actor[wanted], self.time[wanted], self.depth[wanted], self.place[wanted])


def in_turns(events: Turn, newest: Column) -> tuple[list[Turn], dict[int, int]]:
    """Split new events, here of any actors, into turns; and tell the actors to whom this cannot be done, and when the
    first of their events was.

    `newest` is the time of each actor's last event before. Those of one actor must come after it, differ in time, and
    be a few.
    """
    order = np.lexsort((events.time, events.actor))
    events = events.only(order)
    actor, time = events.actor, events.time
    same = actor[1:] == actor[:-1]
    begins = np.flatnonzero(np.append(True, ~same))
    sizes = np.diff(np.append(begins, len(actor)))
    bad = time[begins] <= newest[actor[begins]]
    bad |= sizes > _MOST_TURNS
    ties = np.flatnonzero(same & (time[1:] == time[:-1]))
    bad[np.searchsorted(begins, ties, side="right") - 1] = True
    turn = np.arange(len(actor)) - np.repeat(begins, sizes)
    turn[np.repeat(bad, sizes)] = -1
    turns = [events.only(np.flatnonzero(turn == number)) for number in range(int(turn.max()) + 1)]
    first = begins[bad]
    return turns, dict(zip(actor[first].tolist(), time[first].tolist(), strict=True))
