"""The events of some actors, all at once."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from kizashi_collector.analysis._rolling import GONE, NONE, Held, Places
from kizashi_collector.analysis._table import Column

__all__ = ["LONG_CHAIN", "Actors", "Histories"]

Actors = NDArray[np.int32]
"""Codes of actors."""

LONG_CHAIN = 48
"""Actors with so many events have them listed: following a chain takes a turn for every event."""


class Histories:
    """Finds the events of actors: by their chains, and of those with long ones by lists that grow with them."""

    def __init__(self, held: Held, long_chain: int = LONG_CHAIN) -> None:
        self._held = held
        self._long = long_chain
        self._listed: dict[int, _List] = {}
        self._newest: Column = np.zeros(0, np.int64)
        many = np.flatnonzero(held.length >= long_chain)
        if len(many[many > 0]):
            is_long = held.length >= long_chain
            is_long[0] = False
            places = np.flatnonzero(is_long[held.actor[: held.count]]).astype(np.int32)
            for actor, own in self._by_actor(places):
                self._listed[actor] = _List(own)

    def ahead(self, places: Places) -> NDArray[np.bool_]:
        """Which of these events come after all of their actor that were passed before."""
        actor = self._held.actor[places]
        self._reach(actor)
        ahead: NDArray[np.bool_] = self._held.time[places] > self._newest[actor]
        return ahead

    def passed(self, places: Places) -> None:
        """Note when these events were."""
        actor = self._held.actor[places]
        self._reach(actor)
        np.maximum.at(self._newest, actor, self._held.time[places])

    def _reach(self, actor: Actors) -> None:
        if len(actor) and (most := int(actor.max())) >= len(self._newest):
            more = max(most + 1, 2 * len(self._newest)) - len(self._newest)
            self._newest = np.append(self._newest, np.full(more, np.iinfo(np.int64).min))

    def entered(self, places: Places) -> None:
        """Note new events, which are side by side and the last that came."""
        actor = self._held.actor[places]
        long = self._held.length[actor] >= self._long
        long &= actor > 0
        if not long.any():
            return
        for who, own in self._by_actor(places[long]):
            listed = self._listed.get(who)
            if listed is None:
                before = []
                place = int(self._held.before(own[:1])[0])
                while place != NONE:
                    before.append(place)
                    place = int(self._held.before(np.array([place]))[0])
                listed = self._listed[who] = _List(np.array(before[::-1], np.int32))
            listed.extend(own)

    def of(self, actors: Actors, last: Places, since: int) -> tuple[Places, Places]:
        """The events of different actors, all with time > since: whose each is, as a place among the actors, and it.

        `last` is a place of each actor, or NONE: of its events that one and all before it are found.
        """
        who_parts: list[Places] = []
        parts: list[Places] = []
        long = self._held.length[actors] >= self._long
        for number in np.flatnonzero(long).tolist():
            listed = self._listed.get(int(actors[number]))
            if listed is not None:
                own = listed.places(self._held, since)
                parts.append(own)
                who_parts.append(np.full(len(own), number, np.int32))
        who: Places = np.flatnonzero(~long & (last != NONE)).astype(np.int32)
        at = last[who]
        while len(at):
            parts.append(at)
            who_parts.append(who)
            at = self._held.before(at)
            there = at != NONE
            at, who = at[there], who[there]
        if not parts:
            return np.zeros(0, np.int32), np.zeros(0, np.int32)
        return np.concatenate(who_parts), np.concatenate(parts)

    def _by_actor(self, places: Places) -> Sequence[tuple[int, Places]]:
        actor = self._held.actor[places]
        order = np.argsort(actor, kind="stable")
        actor, places = actor[order], places[order]
        begins = np.flatnonzero(np.concatenate(([True], actor[1:] != actor[:-1])))
        return list(zip(actor[begins].tolist(), np.split(places, begins[1:]), strict=True))


class _List:
    """Places that grow in number; those of deleted events and of bygone ones are dropped now and then."""

    __slots__ = ("_count", "_room")

    def __init__(self, places: Places) -> None:
        self._room = places
        self._count = len(places)

    def extend(self, places: Places) -> None:
        end = self._count + len(places)
        if end > len(self._room):
            longer = np.empty(end + end // 2, np.int32)
            longer[: self._count] = self._room[: self._count]
            self._room = longer
        self._room[self._count : end] = places
        self._count = end

    def places(self, held: Held, since: int) -> Places:
        own = self._room[: self._count]
        kept = (held.time[own] > since) & ((held.flags[own] & GONE) == 0)
        if not kept.all():
            own = own[kept]
            if len(own) * 2 < self._count:
                self._room, self._count = own, len(own)
        return own.copy()
