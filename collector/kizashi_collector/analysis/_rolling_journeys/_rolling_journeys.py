"""The journeys of a plan, kept current as events come and time passes, and what those begun in each window add up to.

A new event that comes after all others of its actor changes at most the last journey of that actor; a late one has the
actor's journeys found anew from where it falls on. As time passes, journeys grow older from minute to minute, and
expire to the millisecond; only those that do are looked at. Each grouping has the sums of all journeys, and each window
of those that it has left behind: an answer is their difference.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from kizashi_collector.analysis._journeys import Journeys, Ladder
from kizashi_collector.analysis._rolling import NONE, Places, RollingSummaries
from kizashi_collector.analysis._rolling_journeys._cells import JourneyCells
from kizashi_collector.analysis._rolling_journeys._counted import Counted
from kizashi_collector.analysis._rolling_journeys._in_order import InOrder
from kizashi_collector.analysis._rolling_journeys._kept import NEVER, ROOM, UNKNOWN, Kept
from kizashi_collector.analysis._rolling_journeys._planned import LONG_CHAIN, Planned, Timelines
from kizashi_collector.analysis._rolling_journeys._replay import Prefix, Replayed, replay, rewind
from kizashi_collector.analysis._rolling_journeys._turns import Turn, in_turns
from kizashi_collector.analysis._table import Column, EventTable

__all__ = ["RollingJourneys"]

_BLOCK = 1 << 18


class RollingJourneys:
    """Journeys beside rolling summaries, over the events that those are told of; see `find_journeys`.

    It follows the summaries from when it is made; take it out of their `followers` to end that. `edges` are the lower
    edges of the bins of age, in whole minutes of the clock, the first 0. Kept is what began after now − `reach`, and a
    while before.
    """

    def __init__(
        self,
        rolling: RollingSummaries,
        ladder: Ladder,
        *,
        edges: Sequence[int],
        long_chain: int = LONG_CHAIN,
        room: int = ROOM,
    ) -> None:
        self.dirty: set[int] = set()
        """The actors of whom only the log can tell, as of the last question or `advance`: take each out, and `mend` it.

        Until then numbers may be wrong.
        """
        longest = max(rolling.starts, default=0)
        longest_journey = ladder.horizon_ms * (ladder.steps + 2)
        self.reach = max(longest, ladder.lookback_ms + longest_journey)
        # What is under way where the reach begins may still be found anew.
        self._kept_for = self.reach + longest_journey
        self._rolling, self._held, self._ladder = rolling, rolling.held, ladder
        self._planned = Planned(rolling, ladder)
        self._timelines = Timelines(rolling, self._planned, long_chain)
        # Each step deeper restarts the horizon.
        self._kept = Kept(ladder.final, ladder.steps * ladder.horizon_ms, room)
        self._counted = Counted(
            self._kept,
            rolling.layout,
            starts=rolling.starts,
            edges=edges,
            horizon=ladder.horizon_ms,
            now=rolling.now,
        )
        self._in_order = InOrder(self._held, self._planned, ladder, self._kept, self._counted)
        self._places = {by: at for at, by in enumerate(rolling.layout.groupings)}
        self._waiting: dict[int, int] = {}
        self._floor = rolling.since
        self._floors: dict[int, int] = {}
        """After these instants every planned event is held, of some actors, and of all others (`_floor`)."""
        rolling.followers.append(self)

    @property
    def now(self) -> int:
        """The instant that the answers describe, unless the summaries have gone on."""
        return self._counted.now

    # -- answers ------------------------------------------------------------------------------------------------------

    def version(self, length: int) -> str:
        """A text that changes whenever a number of this window may have changed."""
        self._follow()
        return self._counted.version(length)

    def cells(self, length: int, by: tuple[str, ...], rows: Column | None = None) -> JourneyCells:
        """What the journeys begun in the window of this length that ends now add up to, by source fields.

        The rows are those with a journey, or those given by their numbers in the layout. Raises KeyError for a window
        or grouping that is not kept.
        """
        self._follow()
        return self._counted.cells(length, self._places[by], rows)

    def columns(self) -> Journeys:
        """Copies of all journeys that began after now − `reach`. A million takes some 100 ms."""
        self._follow()
        return self._kept.journeys(self.now - self.reach)

    def for_values(self) -> list[Journeys]:
        """Copies of those in parts, as far as values are learned from them: sources, times, and what was brought.

        A million takes some 50 ms and, with four depths, 61 MB.
        """
        self._follow()
        return self._kept.for_values(self.now - self.reach)

    def begun_until(self, instant: int) -> int:
        """How many journeys began up to an instant, as far back as they are kept. A million takes a millisecond."""
        kept = self._kept
        return int(np.count_nonzero(kept.live[: kept.count] & (kept.begin[: kept.count] <= instant)))

    def __len__(self) -> int:
        """How many journeys there is room taken for, those included that are to be let go of."""
        return self._kept.count

    # -- from the log -------------------------------------------------------------------------------------------------

    def take_in(self, found: Journeys, credited: Column | None = None) -> None:
        """Take in the journeys of the whole log, as they stand now, when all events are in the summaries.

        `credited` tells when the event was that each is credited to the source of; without it a late event may make
        actors dirty that were under way when the longest window began. Raises ValueError where journeys are here.
        """
        held, kept = self._held, self._kept
        if kept.count:
            raise ValueError(f"{kept.count} journeys are here already: keep journeys anew, and take in the log's first")
        self._floor = self._rolling.since
        sourced = np.zeros(int(found.actor.max(initial=0)) + 1, np.bool_)
        for first in range(0, held.count, _BLOCK):
            planned = self._of(np.arange(first, min(first + _BLOCK, held.count), dtype=np.int32))
            if len(planned.actor):
                kept.reach(int(planned.actor.max()))
                np.maximum.at(kept.newest, planned.actor, planned.time)
            own = planned.actor[held.source[planned.place] != 0]
            sourced[own[own < len(sourced)]] = True
        if credited is None:
            # As far as it matters and can be told: before what is held, or not known.
            credited = np.where(sourced[found.actor], UNKNOWN, self._floor)
            credited[found.source == 0] = NEVER
        for first in range(0, len(found), _BLOCK):
            rows = self._mattering(found, np.arange(first, min(first + _BLOCK, len(found))))
            self._put(found, rows, credited[rows])

    def passed_over(self, events: EventTable) -> None:
        """Tell of new events before the summaries take them in: of those that lie before all windows only the log can
        tell what they change."""
        self._follow()
        kept = self._kept
        (at,) = np.nonzero((events.time <= self._rolling.since) & (events.actor != 0))
        at = at[self._planned.depths(np.asarray(events.name[at], np.int32)) >= 0]
        for actor, time in zip(events.actor[at].tolist(), events.time[at].tolist(), strict=True):
            known = actor < len(kept.current) and kept.current[actor] != NONE
            if known or time > self.now - self._kept_for:
                self.dirty.add(actor)

    def mend(self, actor: int, found: Journeys, as_of: int) -> None:
        """Replace the journeys of an actor by those among these: the log's, with the events up to `as_of` and all
        adjustments up to now.

        `as_of` is where the longest window began (`RollingSummaries.since`) when the log was read, or later. What
        happened after it is found here. An actor that is dirty again since then is to be looked up again.
        """
        self._catch_up()
        kept, since = self._kept, self._rolling.since
        kept.reach(actor)
        self._drop(np.array(self._own(actor), np.int32))
        kept.current[actor] = NONE
        rows = self._mattering(found, np.arange(*np.searchsorted(found.actor, [actor, actor + 1])))
        self._put(found, rows, np.where(found.source[rows] == 0, NEVER, as_of))
        self._floors[actor], self._waiting[actor] = as_of, as_of + 1
        self._catch_up()
        if as_of > since:
            # All that is held after the window's beginning is there, so that one may go back so far from now on.
            self._floors[actor] = since
            sourced = self._timelines.of(np.array([actor], np.int32), np.array([since])).source.any()
            for at in self._own(actor):
                if kept.credit[at] == as_of:
                    kept.credit[at] = UNKNOWN if sourced else since

    def _own(self, actor: int) -> list[int]:
        """The journeys of an actor, the last first."""
        own = []
        at = int(self._kept.current[actor])
        while at != NONE:
            own.append(at)
            at = int(self._kept.before[at])
        return own

    def _mattering(self, found: Journeys, rows: Column) -> Column:
        """Those of some rows that began late enough to matter."""
        return rows[found.begin[rows] > self.now - self._kept_for]

    def _put(self, found: Journeys, rows: Column, credited: Column) -> None:
        """Put in some journeys that were found in the log, with the times when they were credited."""
        if not len(rows):
            return
        kept = self._kept
        kept.reach(int(found.actor[rows].max()))
        source = np.asarray(found.source[rows], np.int32)
        self._rolling.layout.learn_sources(source)
        at = kept.add(np.asarray(found.actor[rows], np.int32), found.begin[rows], source, credited)
        kept.reach_all(at, found.deepest[rows].astype(np.int64), found.reached[rows])
        kept.ended[at], kept.end[at], kept.final[at] = found.ended[rows], found.end[rows], found.final[rows]
        kept.brought[at] = found.brought[rows]
        for place in np.flatnonzero(np.isin(rows, list(found.apart))).tolist() if found.apart else ():
            kept.apart[int(at[place])] = found.apart[int(rows[place])]
        np.maximum.at(kept.newest, kept.actor[at], np.maximum(kept.clocks(at), kept.end[at]))
        self._counted.enter(at, at, at)

    # -- following ----------------------------------------------------------------------------------------------------

    def entered(self, places: Places) -> None:
        """Take new events in."""
        events = self._of(places)
        if not len(events.actor):
            return
        kept = self._kept
        kept.reach(int(events.actor.max()))
        self._timelines.entered(events.place)
        if kept.count + len(places) > kept.room:
            self._make_room()
        # Whoever waits to be found anew is so from before these events on: what they do until then is of no account.
        turns, late = in_turns(events, kept.newest)
        for turn in turns:
            self._in_order.arrive(turn)
        if late:
            for actor, time in late.items():
                self._wait(actor, time)
            self._catch_up()

    def changing(self, places: Places) -> None:
        """Note whose journeys are to be found anew."""
        events = self._of(places)
        for actor, time in zip(events.actor.tolist(), events.time.tolist(), strict=True):
            self._wait(actor, time)

    def slid(self, length: int, start: int, end: int, places: Places) -> None:
        """Nothing: journeys leave a window as `advance` is called."""

    def advance(self, now: int) -> None:
        """Let time pass until `now`, after the summaries did; does nothing where that is past."""
        self._catch_up()
        if now > self.now:
            self._counted.advance(now)

    def _follow(self) -> None:
        self.advance(self._rolling.now)

    def _of(self, places: Places) -> Turn:
        """Those that matter here among events held."""
        held = self._held
        actor, depth = held.actor[places], self._planned.depths(held.name[places])
        at = np.flatnonzero((depth >= 0) & (actor > 0))
        return Turn(actor[at], held.time[places[at]], depth[at], places[at])

    def _wait(self, actor: int, time: int) -> None:
        self._waiting[actor] = min(self._waiting.get(actor, time), time)

    def _make_room(self) -> None:
        kept, after = self._kept, self.now - self._kept_for
        old = int(np.count_nonzero(kept.begin[: kept.count] <= after))
        if 2 * (old + kept.dead) < kept.count:
            return
        kept.compact(after)
        self._counted.moved()

    # -- events out of order ------------------------------------------------------------------------------------------

    def _catch_up(self) -> None:
        """Find the journeys of those anew for whom something has changed."""
        if not self._waiting:
            return
        kept = self._kept
        waiting, self._waiting = self._waiting, {}
        actors = sorted(waiting)
        kept.reach(actors[-1])
        rewound = []
        for actor in actors:
            floor = self._floors.get(actor, self._floor)
            if waiting[actor] <= floor:
                self.dirty.add(actor)
            rewound.append(rewind(kept, actor, waiting[actor], floor, self._ladder))
        gone = [at for one in rewound for at in one.gone]
        self._drop(np.array(gone, np.int32))
        for actor, one in zip(actors, rewound, strict=True):
            if one.gone:
                kept.current[actor] = kept.before[one.gone[-1]]
        after = np.array([one.after for one in rewound], np.int64)
        self._replay(np.array(actors, np.int32), after, [one.prefix for one in rewound])

    def _replay(self, actors: Places, after: Column, prefixes: Sequence[Prefix | None]) -> None:
        """Find the journeys of actors after an instant, with what was under way then."""
        line = self._timelines.of(actors, after)
        times, depths, sources = line.time.tolist(), line.depth.tolist(), line.source.tolist()
        bounds = np.searchsorted(line.whose, np.arange(len(actors) + 1)).tolist()
        found: list[Replayed] = []
        whose: list[int] = []
        finals: list[int] = []
        for number, prefix in enumerate(prefixes):
            own = slice(bounds[number], bounds[number + 1])
            for journey in replay(prefix, times[own], depths[own], sources[own], self._ladder):
                found.append(journey)
                whose.append(number)
                finals.append(own.start + journey.last if journey.final else NONE)
        ends = np.array(bounds[1:], np.int64)
        has = ends > np.array(bounds[:-1], np.int64)
        self._kept.newest[actors[has]] = line.time[ends[has] - 1]
        if found:
            own_actors = actors[np.array(whose, np.int64)]
            self.dirty.update(own_actors[np.flatnonzero(np.array([one.is_guess for one in found], np.bool_))].tolist())
            self._found(own_actors, found, np.array(finals, np.int64), line.place)

    def _found(self, actors: Places, found: Sequence[Replayed], finals: Column, places: Places) -> None:
        kept = self._kept
        at = kept.add(
            actors,
            np.array([one.begin for one in found], np.int64),
            np.array([one.source for one in found], np.int32),
            np.array([one.credit for one in found], np.int64),
        )
        deepest = np.array([one.deepest for one in found], np.int64)
        kept.reach_all(at, deepest, np.array([one.reached for one in found], np.int64))
        (ended,) = np.nonzero(finals != NONE)
        own = places[finals[ended]]
        self._in_order.end(at[ended], self._held.time[own], own)
        self._counted.enter(at, at, at)

    def _drop(self, at: Places) -> None:
        self._counted.leave(at)
        self._kept.drop(at)
