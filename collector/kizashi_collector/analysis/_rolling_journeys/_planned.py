"""What the plan says of names, and the planned events of some actors in the order of journeys."""

from __future__ import annotations

import numpy as np
from msgspec import Struct

from kizashi_collector.analysis._journeys import CONVERTED, RETRACTED, Ladder
from kizashi_collector.analysis._rolling import GONE, NONE, SPECIAL, Places, RollingSummaries
from kizashi_collector.analysis._rolling import RETRACTED as TAKEN_BACK
from kizashi_collector.analysis._table import Column

__all__ = ["LONG_CHAIN", "Planned", "Timelines"]

LONG_CHAIN = 48
"""Actors with so many events have them listed: following a chain takes a turn for every event."""

_UNPLANNED = -1


class Planned:
    """Depths and worth of held events by their names, of which new ones may appear at any time."""

    def __init__(self, rolling: RollingSummaries, ladder: Ladder) -> None:
        self._rolling, self._ladder = rolling, ladder
        self._depth = self._rank = np.zeros(0, np.int64)
        self._number: Column = np.zeros(0, np.int64)
        self._carries = np.zeros(0, np.bool_)

    def depths(self, names: Places) -> Column:
        """The depth of each name code, negative where it is unplanned."""
        self._learn(names)
        return self._depth[names]

    def ranks(self, names: Places) -> Column:
        """The turn of each name code among those of one instant."""
        self._learn(names)
        return self._rank[names]

    def _learn(self, names: Places) -> None:
        if not len(names) or int(names.max()) < len(self._depth):
            return
        known, ladder, plan = self._rolling.layout.codes.names, self._ladder, self._rolling.plan
        events = plan.events if plan is not None else {}
        depths = [ladder.depths.get(name, _UNPLANNED) for name in known]
        values = [events[name].value if name in events else None for name in known]
        self._depth = np.array(depths, np.int64)
        self._rank = np.array([_UNPLANNED if depth < 0 else ladder.rank(depth) for depth in depths], np.int64)
        self._number = np.array([value if isinstance(value, int) else 0 for value in values], np.int64)
        self._carries = np.array([value == "event" for value in values], np.bool_)

    def worth(self, finals: Places) -> tuple[Column, Column, dict[int, int | None]]:
        """How finals at these places end their journeys, and what they stand at; by place what no column can say."""
        held = self._rolling.held
        flags, names = held.flags[finals], held.name[finals]
        self._learn(names)
        back, carries = (flags & TAKEN_BACK) > 0, self._carries[names]
        amounts = np.where(back, 0, np.where(carries, held.value[finals], self._number[names]))
        apart = {
            place: self._rolling.stands(int(finals[place]))
            for place in np.flatnonzero(((flags & SPECIAL) > 0) & carries & ~back).tolist()
        }
        return np.where(back, RETRACTED, CONVERTED), amounts, apart


class Timeline(Struct, frozen=True, eq=False):
    """Events of some actors: whose each is, as a place among the actors, when it was, how deep, whence, and its place.

    By actor, time, rank and number.
    """

    whose: Column
    time: Column
    depth: Column
    source: Places
    place: Places


class Timelines:
    """Finds the planned events of actors: by their chains, and of those with long ones by lists, once they are asked
    for. An event that is listed takes four bytes."""

    def __init__(self, rolling: RollingSummaries, planned: Planned, long_chain: int) -> None:
        self._held, self._planned, self._long = rolling.held, planned, long_chain
        self._listed: dict[int, tuple[Places, int]] = {}
        self._is_listed = np.zeros(0, np.bool_)

    def entered(self, places: Places) -> None:
        """Note new planned events, the last that came."""
        if not self._listed:
            return
        actor = self._held.actor[places]
        known = actor < len(self._is_listed)
        known[known] = self._is_listed[actor[known]]
        for who in np.unique(actor[known]).tolist():
            self._extend(who, places[actor == who])

    def _extend(self, actor: int, places: Places) -> None:
        room, count = self._listed.get(actor, (places[:0], 0))
        end = count + len(places)
        if end > len(room):
            longer = np.empty(end + end // 2, np.int32)
            longer[:count] = room[:count]
            room = longer
        room[count:end] = places
        self._listed[actor] = room, end

    def _list(self, actor: int) -> Places:
        if actor not in self._listed:
            if actor >= len(self._is_listed):
                self._is_listed = np.append(self._is_listed, np.zeros(actor + 1, np.bool_))
            self._is_listed[actor] = True
            places = np.array([*self._held.chain(actor)][::-1], np.int32)
            self._extend(actor, places[self._planned.depths(self._held.name[places]) >= 0])
        room, count = self._listed[actor]
        return room[:count]

    def of(self, actors: Places, after: Column) -> Timeline:
        """The planned events of different actors, each after an instant of its own."""
        held = self._held
        whose, places = self._gathered(actors)
        time = held.time[places]
        wanted = time > after[whose]
        wanted &= (held.flags[places] & GONE) == 0
        whose, places, time = whose[wanted], places[wanted], time[wanted]
        depth = self._planned.depths(held.name[places])
        (planned,) = np.nonzero(depth >= 0)
        whose, places, time, depth = whose[planned], places[planned], time[planned], depth[planned]
        rank = self._planned.ranks(held.name[places])
        # Events of one instant are held in the order of their numbers, even if they had to wait for their time.
        order = np.lexsort((places, rank, time, whose))
        places = places[order]
        return Timeline(whose[order], time[order], depth[order], held.source[places], places)

    def _gathered(self, actors: Places) -> tuple[Column, Places]:
        held = self._held
        whose: list[Column] = [np.zeros(0, np.int64)]
        found: list[Places] = [np.zeros(0, np.int32)]
        length = np.zeros(len(actors), np.int64)
        there = actors < len(held.length)
        length[there] = held.length[actors[there]]
        for number in np.flatnonzero(length >= self._long).tolist():
            listed = self._list(int(actors[number]))
            found.append(listed)
            whose.append(np.full(len(listed), number))
        (who,) = np.nonzero(length < self._long)
        at = np.array([next(held.chain(actor), NONE) for actor in actors[who].tolist()], np.int32)
        while True:
            there = at != NONE
            at, who = at[there], who[there]
            if not len(at):
                break
            found.append(at)
            whose.append(who)
            at = held.before(at)
        return np.concatenate(whose), np.concatenate(found)
