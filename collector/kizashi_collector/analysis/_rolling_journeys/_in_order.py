"""What an event does to its actor's last journey when it comes after all others of the actor."""

from __future__ import annotations

import numpy as np

from kizashi_collector.analysis._journeys import UNENDED, Ladder
from kizashi_collector.analysis._rolling import NONE, Held, Places
from kizashi_collector.analysis._rolling_journeys._counted import Counted
from kizashi_collector.analysis._rolling_journeys._kept import NEVER, Kept
from kizashi_collector.analysis._rolling_journeys._planned import Planned
from kizashi_collector.analysis._rolling_journeys._turns import Turn
from kizashi_collector.analysis._table import Column

__all__ = ["InOrder"]


class InOrder:
    """Takes events in, many at once: a journey is continued, or begun where none is under way."""

    def __init__(self, held: Held, planned: Planned, ladder: Ladder, kept: Kept, counted: Counted) -> None:
        self._held, self._planned, self._ladder = held, planned, ladder
        self._kept, self._counted = kept, counted

    def arrive(self, turn: Turn) -> None:
        """Take in events of different actors, each after all others of its actor."""
        kept, ladder = self._kept, self._ladder
        source = self._held.source[turn.place]
        kept.newest[turn.actor] = turn.time
        current = kept.current[turn.actor]
        joins = (current != NONE) & (kept.ended[current] == UNENDED)
        joins &= turn.time <= kept.clocks(current) + ladder.horizon_ms
        (begin,) = np.nonzero(~joins)
        (into,) = np.nonzero(joins)
        at, given = current[into], source[into]
        credit = given != 0
        if ladder.credit == "first":
            credit &= kept.source[at] == 0
        deeper = turn.depth[into] > kept.deepest[at]
        (touched,) = np.nonzero(deeper | (credit & (given != kept.source[at])))
        self._counted.leave(at[touched])
        (credited,) = np.nonzero(credit)
        kept.source[at[credited]] = given[credited]
        kept.credit[at[credited]] = turn.time[into[credited]]
        given = source[begin]
        new = kept.add(turn.actor[begin], turn.time[begin], given, np.where(given != 0, turn.time[begin], NEVER))
        stepped = np.append(at[deeper], new)
        self._step(stepped, turn.only(np.append(into[deeper], begin)))
        self._counted.enter(np.append(at[touched], new), new, stepped)

    def _step(self, at: Places, turn: Turn) -> None:
        """Let journeys take a step deeper than all before, or their final."""
        kept, final = self._kept, self._ladder.final
        (micro,) = np.nonzero(turn.depth != final)
        kept.step(at[micro], turn.depth[micro], turn.time[micro])
        (ends,) = np.nonzero(turn.depth == final)
        self.end(at[ends], turn.time[ends], turn.place[ends])

    def end(self, at: Places, time: Column, finals: Places) -> None:
        """Let journeys end with the finals at these places."""
        if len(at):
            kept = self._kept
            kept.ended[at], amounts, apart = self._planned.worth(finals)
            kept.end[at] = time
            kept.final[at] = self._held.name[finals]
            kept.set_brought(at, amounts, apart)
