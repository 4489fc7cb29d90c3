"""One funnel kept current: the attempts that count, and what they add up to in each window."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from kizashi_collector.analysis._column_funnel import ANY_START, NO_STEP, winners_for_every_start
from kizashi_collector.analysis._rolling import RETRACTED, SPECIAL, Places, RollingSummaries
from kizashi_collector.analysis._rolling_funnel._arriving import Arriving
from kizashi_collector.analysis._rolling_funnel._entries import Entries, Numbers
from kizashi_collector.analysis._rolling_funnel._histories import Actors
from kizashi_collector.analysis._rolling_funnel._spread import Spread
from kizashi_collector.analysis._rolling_funnel._step_sums import Beyond, Changes, StepSums
from kizashi_collector.analysis._rolling_funnel._steps import StepTable
from kizashi_collector.analysis._rolling_funnel._ties import Ties
from kizashi_collector.analysis._table import Column
from kizashi_schemas import Funnel, parse_duration

__all__ = ["KeptFunnel"]


class KeptFunnel:
    """The attempts of one usual funnel, each kept as the places of its events by step, and its rows by grouping.

    An actor's attempts are in the order of their starts. Each counts in the windows that begin before its own start,
    and not before that of the attempt before.
    """

    def __init__(self, rolling: RollingSummaries, funnel: Funnel, ties: Ties) -> None:
        self.funnel = funnel
        self._rolling, self._held, self._layout, self._ties = rolling, rolling.held, rolling.layout, ties
        self._lengths = sorted(rolling.starts, reverse=True)
        self.table = StepTable(funnel, rolling.layout.codes)
        self._steps = len(funnel.steps)
        self._reach = int(parse_duration(funnel.conversion_window))
        rules = [None if rolling.plan is None else rolling.plan.events.get(step.event) for step in funnel.normal_steps]
        self._fixed = np.array([rule is not None and isinstance(rule.value, int) for rule in rules])
        self._valued = np.array([rule is not None and rule.value == "event" for rule in rules])
        groupings = len(self._layout.groupings)
        self._entries = Entries(self._steps + groupings - 1)
        self.sums = StepSums(self._layout, len(self._lengths), self._steps)
        self.spread = Spread(len(self._lengths), groupings, self._steps)
        self._bygone: list[Actors] = []
        self._empty = [-1] * groupings
        self._looked = [0] * groupings

    def window(self, length: int) -> int:
        """The place of a window in sums and spread."""
        return self._lengths.index(length)

    # -- changes ------------------------------------------------------------------------------------------------------

    def replace(self, actors: Actors, whose: Numbers, places: Places) -> None:
        """Find the attempts of different actors anew, among these events, which are all of theirs in a window."""
        self._tidy()
        if len(actors):
            self._entries.reach(int(actors.max()))
            new_whose, new = self._attempts(whose, places)
            self._put(actors, *self._entries.of(actors), new_whose, new)

    def arrive(self, new: Arriving) -> None:
        """Take in events of different actors, each after all others of its actor."""
        self._tidy()
        if not len(new.actors):
            return
        self._entries.reach(int(new.actors.max()))
        whose, rows = self._entries.of(new.actors)
        start, taken = self._held.time[rows[:, 0]], rows[:, : self._steps]
        live = start > self._rolling.since
        step = new.step[whose]
        # To have come to the step before and not to this one.
        open_ = live & (step > 0)
        at = np.arange(len(rows))
        open_ &= (taken[at, step - 1] >= 0) & (taken[at, step] < 0)
        open_ &= start + self._reach >= self._held.time[new.places][whose]
        (going,) = np.nonzero(open_)
        going = going[np.append(whose[going][1:] != whose[going][:-1], True)] if len(going) else going
        beaten_by = np.full(len(new.actors), -1)
        beaten_by[whose[going]] = going
        changed = (beaten_by >= 0) | (new.step == 0)
        if not changed.any():
            return
        stays = live & changed[whose]
        stays &= (at >= beaten_by[whose]) | (taken[at, step] >= 0)
        rows_after = rows.copy()
        rows_after[going, step[going]] = new.places[whose[going]]
        own = self._rows_at(new.places[whose[going]])
        for g in range(1, len(self._layout.groupings)):
            column = rows_after[:, self._steps + g - 1]
            nameless = column[going] == self._empty_row(g)
            column[going[nameless]] = own[g, nameless]
        (beginning,) = np.nonzero(new.step == 0)
        begun = np.full((len(beginning), rows.shape[1]), -1, np.int32)
        begun[:, 0] = new.places[beginning]
        begun[:, self._steps :] = self._rows_at(new.places[beginning])[1:].T
        whose_after = np.concatenate([whose[stays], beginning])
        order = np.argsort(whose_after, kind="stable")
        rows_after = np.concatenate([rows_after[stays], begun])[order]
        place = np.cumsum(changed) - 1
        before = changed[whose]
        self._put(new.actors[changed], place[whose[before]], rows[before], place[whose_after[order]], rows_after)

    def withdraw(self, actors: Actors) -> None:
        """Forget the attempts of different actors."""
        self._tidy()
        if len(actors):
            self._entries.reach(int(actors.max()))
            whose, rows = self._entries.of(actors)
            self._put(actors, whose, rows, whose[:0], rows[:0])

    def slid(self, length: int, start: int, end: int, places: Places) -> None:
        """Follow a window that left these events behind as it moved from `start` to `end`."""
        first = places[self.table.of(self._held, places) == 0]
        first = first[self._held.actor[first] > 0]
        if not len(first):
            return
        window = self.window(length)
        actors = np.unique(self._held.actor[first])
        self._entries.reach(int(actors[-1]))
        whose, rows = self._entries.of(actors)
        since, until = self._validity(whose, rows)
        leaving = (since <= start) & (until > start) & (until <= end)
        entering = (since > start) & (since <= end) & (until > end)
        (at,) = np.nonzero(leaving | entering)
        if len(at):
            at_window = np.full(len(at), window)
            self._count(rows[at], at_window, at_window + 1, np.where(leaving[at], -1, 1))
        if window == 0:
            self._bygone.append(actors)

    def _tidy(self) -> None:
        """Let go of actors whose attempts all began before the windows. Not while only some windows have moved."""
        if not self._bygone:
            return
        actors = np.unique(np.concatenate(self._bygone))
        self._bygone = []
        whose, rows = self._entries.of(actors)
        alive = np.zeros(len(actors), np.bool_)
        alive[whose[self._held.time[rows[:, 0]] > self._rolling.since]] = True
        self._entries.put(actors[~alive], np.zeros(0, np.int64), rows[:0])

    def _put(self, actors: Actors, old_whose: Column, old: Numbers, new_whose: Column, new: Numbers) -> None:
        """Let actors have new attempts in place of old ones; what stays the same is not counted again."""
        oldest = self._rolling.since
        old_since, old_until = self._validity(old_whose, old)
        new_since, new_until = self._validity(new_whose, new)
        old_since[old_since <= oldest] = ANY_START
        stays = np.zeros(len(old), np.bool_)
        known = np.zeros(len(new), np.bool_)
        if len(old) and len(new):
            span = max(int(old_until.max()), int(new_until.max())) - oldest + 1
            # Those from before the windows count nowhere; they take the place of a start that no new one has.
            old_key = old_whose * span + np.maximum(old_until - oldest, 0)
            new_key = new_whose * span + (new_until - oldest)
            at = np.minimum(np.searchsorted(old_key, new_key), len(old) - 1)
            known = (old_key[at] == new_key) & (old_since[at] == new_since)
            known &= _alike(old[at], new)
            stays[at[known]] = True
        gone, came = ~stays, ~known
        rows = np.concatenate([old[gone], new[came]])
        starts = np.array([self._rolling.starts[length] for length in self._lengths])
        low = np.searchsorted(starts, np.concatenate([old_since[gone], new_since[came]]))
        high = np.searchsorted(starts, np.concatenate([old_until[gone], new_until[came]]))
        sign = np.ones(len(rows), np.int64)
        sign[: int(np.count_nonzero(gone))] = -1
        counted = low < high
        if counted.any():
            self._count(rows[counted], low[counted], high[counted], sign[counted])
        self._entries.put(actors, new_whose, new)

    def _validity(self, whose: Column, rows: Numbers) -> tuple[Column, Column]:
        """For which beginnings of a window each attempt counts, as `winners_for_every_start` has it."""
        until = self._held.time[rows[:, 0]]
        since = np.full(len(until), ANY_START)
        same = whose[1:] == whose[:-1]
        since[1:][same] = until[:-1][same]
        return since, until

    # -- attempts -----------------------------------------------------------------------------------------------------

    def _attempts(self, whose: Numbers, places: Places) -> tuple[Column, Numbers]:
        """The attempts that count for some window, by actor and start."""
        width = self._steps + len(self._layout.groupings) - 1
        step = self.table.of(self._held, places)
        fits = step != NO_STEP
        places = places[fits]
        time = self._held.time[places]
        fits[fits] = inside = time > self._rolling.since
        if not inside.all():
            places, time = places[inside], time[inside]
        step, who = step[fits], whose[fits].astype(np.int64)
        found = winners_for_every_start(who, time, step, steps=self._steps, window=self._reach)
        rows = np.empty((len(found.actor), width), np.int32)
        if not len(rows):
            return found.actor, rows
        taken = rows[:, : self._steps]
        taken[:] = np.where(found.row >= 0, places[found.row], -1)
        if found.tied.any():
            self._ties.settle(found, taken, who, places, step)
        for g in range(1, len(self._layout.groupings)):
            rows[:, self._steps + g - 1] = self._rows_of(g, taken)
        return found.actor, rows

    def _rows_of(self, g: int, taken: Places) -> Numbers:
        """The row of each attempt in a grouping: of its first event with anything in the key, or else of any."""
        row: Numbers = self._rows_at(taken[:, 0])[g]
        empty = self._empty_row(g)
        for step in range(1, self._steps):
            (open_,) = np.nonzero((row == empty) & (taken[:, step] >= 0))
            if not len(open_):
                break
            row[open_] = self._rows_at(taken[open_, step])[g]
        return row

    def _rows_at(self, places: Places) -> Numbers:
        """The row of each event in each grouping, counted from its first."""
        rows: Numbers = self._layout.rows(self._held.source[places])
        rows -= np.array(self._layout.starts[:-1], np.int32)[:, None]
        return rows

    def _empty_row(self, g: int) -> int:
        """The row of the key with nothing in it, −1 while there is none."""
        if self._empty[g] < 0:
            keys = self._layout.keys[g]
            for row in range(self._looked[g], len(keys)):
                if not any(keys[row]):
                    self._empty[g] = row
            self._looked[g] = len(keys)
        return self._empty[g]

    # -- counting -----------------------------------------------------------------------------------------------------

    def _count(self, rows: Numbers, low: Column, high: Column, sign: Column) -> None:
        """Count attempts in or out of the windows from `low` to before `high`."""
        held, steps = self._held, self._steps
        taken = rows[:, :steps]
        there = taken >= 0
        time = held.time[taken]
        spans = np.full(taken.shape, -1, np.int64)
        spans[:, 1:] = np.where(there[:, 1:], time[:, 1:] - time[:, :-1], -1)
        if self.funnel.histogram is not None:
            # Nothing lies between the first step and one before it, so that there is room for what else is asked.
            begin, end = self.funnel.histogram.from_, self.funnel.end_of(self.funnel.histogram)
            spans[:, 0] = np.where(there[:, end], time[:, end] - time[:, begin], -1)
        in_groupings = np.zeros((len(self._layout.groupings), len(rows)), np.int32)
        in_groupings[1:] = rows[:, steps:].T
        amounts = None
        if self._valued.any():
            amounts = np.where(there & self._valued, held.value[taken], 0)
        depth = np.full(len(rows), -1)
        for step in range(steps):
            depth += there[:, step]
        changes = Changes(low, high, sign, in_groupings, depth, spans, amounts)
        self.sums.add(changes)
        self.spread.add(changes)
        if self._fixed.any() or amounts is not None:
            self._count_special(changes, taken, there)

    def _count_special(self, changes: Changes, taken: Places, there: NDArray[np.bool_]) -> None:
        special = there & ((self._held.flags[taken] & SPECIAL) > 0) & (self._fixed | self._valued)
        for at, step in np.argwhere(special).tolist():
            place = int(taken[at, step])
            if self._fixed[step]:
                beyond = Beyond(retracted=int((self._held.flags[place] & RETRACTED) > 0))
            else:
                stands = self._rolling.stands(place)
                beyond = Beyond(rateless=1) if stands is None else Beyond(amount=stands)
            windows = range(int(changes.low[at]), int(changes.high[at]))
            self.sums.note(windows, changes.rows[:, at].tolist(), step, beyond, int(changes.sign[at]))


def _alike(some: Numbers, others: Numbers) -> NDArray[np.bool_]:
    """Which rows are the same. By columns, since there are few of them."""
    alike: NDArray[np.bool_] = some[:, 0] == others[:, 0]
    for column in range(1, some.shape[1]):
        alike &= some[:, column] == others[:, column]
    return alike
