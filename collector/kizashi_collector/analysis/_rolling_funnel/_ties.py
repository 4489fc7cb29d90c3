"""Events alike in actor, instant and step: the smaller id takes the step, where it matters which one does."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from kizashi_collector.analysis._column_funnel import ActorAttempts, StepNumbers
from kizashi_collector.analysis._rolling import SPECIAL, Held, Places
from kizashi_collector.analysis._table import Column

__all__ = ["Ids", "Ties"]

Ids = Callable[[Sequence[int]], Sequence[str]]
"""Tells the ids of events by their numbers in the log, which ascend and do not repeat."""

_MOST_KNOWN = 50_000


class Ties:
    """Settles ties, and remembers the ids that it asked for."""

    def __init__(self, held: Held, ids: Ids) -> None:
        self._held, self._ids = held, ids
        self._known: dict[int, str] = {}

    def settle(self, found: ActorAttempts, taken: Places, whose: Column, places: Places, step: StepNumbers) -> None:
        """Mend `taken`, the places of the events taken in these attempts by step.

        They were found among the events at `places`, whose they are and which step they fit beside.
        """
        cells = np.argwhere(found.tied).tolist()
        if not cells:
            return
        time = self._held.time[places]
        (near,) = np.nonzero(np.isin(time, self._held.time[taken[found.tied]]))
        alike: dict[tuple[int, int, int], list[int]] = {}
        for actor, at, number, place in zip(
            whose[near].tolist(), time[near].tolist(), step[near].tolist(), places[near].tolist(), strict=True
        ):
            alike.setdefault((actor, at, number), []).append(place)
        open_: list[tuple[int, int, list[int]]] = []
        for row, number in cells:
            own = alike[int(found.actor[row]), int(self._held.time[taken[row, number]]), number]
            if self._differ(own):
                open_.append((row, number, own))
        self._learn({place for _, _, own in open_ for place in own})
        for row, number, own in open_:
            taken[row, number] = min(own, key=self._known.__getitem__)

    def _differ(self, alike: list[int]) -> bool:
        held = self._held
        return (
            len(set(held.source[alike].tolist())) > 1
            or len(set(held.value[alike].tolist())) > 1
            or bool((held.flags[alike] & SPECIAL).any())
        )

    def _learn(self, places: set[int]) -> None:
        if len(self._known) > _MOST_KNOWN:
            self._known.clear()
        numbers = {self._held.number(place): place for place in places if place not in self._known}
        if numbers:
            ascending = sorted(numbers)
            for number, id_ in zip(ascending, self._ids(ascending), strict=True):
                self._known[numbers[number]] = id_
