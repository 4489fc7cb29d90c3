"""The usual kind of funnel over a table: ordered, entry latest, actors, no exclusions, disjoint steps."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from kizashi_collector.analysis._column_funnel._chains import advance, winning
from kizashi_collector.analysis._column_funnel._conditions import Conditions, Details, Masks
from kizashi_collector.analysis._column_funnel._days import Days
from kizashi_collector.analysis._column_funnel._keys import Keys
from kizashi_collector.analysis._column_funnel._order import BLOCK, NO_STEP, Bucket, Layout, StepNumbers, of_buckets
from kizashi_collector.analysis._column_funnel._taken import Taken, Trend
from kizashi_collector.analysis._column_funnel._ties import Tied, Ties
from kizashi_collector.analysis._events import Interval, LoggedEvent
from kizashi_collector.analysis._matching import Check
from kizashi_collector.analysis._table import CodeColumn, Codes, Column, EventTable
from kizashi_schemas import Funnel, parse_duration

__all__ = ["Usual"]

_OVERLAP = 254
_SPARSE = 8
_WIDEST = 1 << 34
"""Codes of actors up to this leave room beside times and steps."""

KeyOf = Callable[[Column], Column]


class _Ran(Struct, frozen=True, eq=False):
    """What came of a bucket: the attempts that count, the ties of each step, and by day who entered and completed."""

    taken: Taken
    tied: list[Tied | None]
    trend: Column | None


class Usual(Struct, frozen=True, eq=False):
    """A table of which is known what step each event takes. `starters` are the actors that begin in the interval."""

    table: EventTable
    step: StepNumbers
    starters: NDArray[np.bool_] | None
    bounds: tuple[int, int]
    steps: int
    window: int
    ties: Ties
    check: Check

    @classmethod
    def of(
        cls,
        table: EventTable,
        codes: Codes,
        funnel: Funnel,
        interval: Interval,
        details: Details,
        adjusted: Mapping[int, LoggedEvent],
        check: Check,
    ) -> Usual | None:
        """Number the steps; None where the funnel is of another kind, or an event fits two of its steps."""
        if funnel.order != "ordered" or funnel.one_at_a_time or funnel.exclude or funnel.optional:
            return None
        conditions = Conditions.of(funnel.normal_steps, codes)
        numbers = _numbers(conditions.by_name)
        step = np.empty(len(table), np.uint8)
        actors = int(table.actor.max(initial=0)) + 1
        starters = np.zeros(actors, np.bool_) if len(table) * _SPARSE > actors else None
        first, last = interval.as_of, interval.start
        for begin in range(0, len(table), BLOCK):
            check()
            part = slice(begin, begin + BLOCK)
            time, actor = table.time[part], table.actor[part]
            first, last = min(first, int(time.min())), max(last, int(time.max()))
            keep = time > interval.start
            keep &= time <= interval.as_of
            keep &= actor != 0
            if conditions.plain:
                found = numbers.take(table.name[part])
                found |= keep.view(np.uint8) - np.uint8(1)  # where it is not kept, 255
            else:
                (places,) = np.nonzero(keep)
                found = np.full(len(keep), NO_STEP, np.uint8)
                name, source, seq = table.name[part][places], table.source[part][places], table.seq[part][places]
                found[places] = _numbers(conditions.masks(name, source, seq, details, check))
            if interval.end < interval.as_of:
                found[np.flatnonzero((found == 0) & (time > interval.end))] = NO_STEP
            if (found == _OVERLAP).any():
                return None
            if starters is not None:
                starters[actor.take(np.flatnonzero(found == 0))] = True
            step[part] = found
        if starters is not None and np.count_nonzero(starters) > 0.9 * actors:
            starters = None
        window = int(parse_duration(funnel.conversion_window))
        bounds = max(first, interval.start + 1), min(last, interval.as_of)
        return cls(table, step, starters, bounds, len(funnel.steps), window, Ties(table, details, adjusted), check)

    def taken(self, days: Days | None) -> tuple[Taken, Trend]:
        """The attempt that counts of each actor, and how many entered and completed by day."""
        return self._run(self.table.actor, self.table.time, self.step, self.starters, days=days)

    def taken_alone(self, keys: Keys) -> Taken:
        """The attempt that counts of each actor among the events of each key alone."""
        (rows,) = np.nonzero(self.step != NO_STEP)
        pair = keys.of(rows)
        count = len(keys.keys)
        pair += self.table.actor[rows] * np.int64(count)
        self.check()
        pairs = None
        if int(pair.max(initial=0)) > _WIDEST:
            pairs, pair = np.unique(pair, return_inverse=True)
            self.check()

        def key_of(pair: Column) -> Column:
            return (pair if pairs is None else pairs[pair]) % count

        return self._run(pair, self.table.time[rows], self.step[rows], None, rows, key_of)[0]

    def taken_at(self, number: int, keys: Keys) -> Taken:
        """The attempt that counts of each actor for each key of events that take a step, others not taking it there."""
        (named,) = np.nonzero(self.step == number)
        key = keys.of(named)
        named, key = named[key > 0], key[key > 0]
        count = len(keys.keys)
        pairs, own = np.unique(self.table.actor[named] * np.int64(count) + key, return_inverse=True)
        self.check()
        (others,) = np.nonzero((self.step != NO_STEP) & (self.step != number))
        # All other events of an actor are there once for each of the actor's keys, if there are any.
        keys_of = np.bincount(pairs // count, minlength=int(self.table.actor.max(initial=0)) + 1)
        first_of = np.cumsum(keys_of) - keys_of
        whose = self.table.actor[others]
        times = keys_of[whose]
        others, whose, times = others[times > 0], whose[times > 0], times[times > 0]
        self.check()
        begin = first_of[whose] - (np.cumsum(times) - times)
        pair = np.concatenate((own, np.repeat(begin, times) + np.arange(int(times.sum()))))
        rows = np.concatenate((named, np.repeat(others, times)))
        self.check()
        return self._run(pair, self.table.time[rows], self.step[rows], None, rows, lambda pair: pairs[pair] % count)[0]

    def _run(
        self,
        actor: CodeColumn,
        time: Column,
        step: StepNumbers,
        starters: NDArray[np.bool_] | None,
        rows: Column | None = None,
        key_of: KeyOf | None = None,
        days: Days | None = None,
    ) -> tuple[Taken, Trend]:
        """Run the core; `rows` are the rows of the table that the columns come from, `key_of` tells the key of
        what is there as the actor."""
        layout = self._layout(actor, time, step)
        trend = np.zeros((2, 0 if days is None else days.count), np.int64)
        parts = []
        self.ties.clear()
        if layout is not None:
            bounds = layout

            def run(bucket: Bucket) -> _Ran | None:
                return self._ran(bucket, bounds, rows, key_of, days)

            for ran in of_buckets(layout, actor, time, step, starters, self.check, run):
                if ran is None:
                    continue
                parts.append(ran.taken)
                for number, tied in enumerate(ran.tied):
                    self.ties.note(number, len(ran.taken.who[number]), tied)
                if ran.trend is not None:
                    trend += ran.trend
        taken = Taken.joined(parts, self.steps)
        return taken, (trend[0].tolist(), trend[1].tolist())

    def _layout(self, actor: CodeColumn, time: Column, step: StepNumbers) -> Layout | None:
        rows = int(np.count_nonzero(step != NO_STEP))
        if not rows:
            return None
        # Times from outside of what counts are in the table alone, and only of rows that take no step.
        first, last = self.bounds if time is self.table.time else (int(time.min()), int(time.max()))
        return Layout.of(
            actor=int(actor.max()), first=first, last=last, steps=self.steps, window=self.window, rows=rows
        )

    def _ran(
        self, bucket: Bucket, layout: Layout, rows: Column | None, key_of: KeyOf | None, days: Days | None
    ) -> _Ran | None:
        """What becomes of the actors of a bucket; several are asked about at once."""
        chains = advance(bucket, layout, self.steps)
        if not len(chains.start):
            return None
        won = winning(chains)
        none = np.zeros(0, np.int64)
        who, time, row = ([none] * self.steps for _ in range(3))
        tied: list[Tied | None] = []
        for step, place in enumerate(won.place):
            who[step] = np.flatnonzero(won.depth >= step)
            time[step] = layout.times(chains.moment.take(place))
            row[step] = bucket.rows.take(place).astype(np.int64)
            if rows is not None:
                row[step] = rows[row[step]]
            tied.append(Ties.tied(bucket, place, rows))
        group = None if key_of is None else key_of(layout.actors(chains.moment[won.place[0]], bucket.number))
        return _Ran(Taken(won.depth, who, time, row, group), tied, self._by_day(bucket, layout, days))

    def _by_day(self, bucket: Bucket, layout: Layout, days: Days | None) -> Column | None:
        if days is None:
            return None
        won = winning(advance(bucket, layout, self.steps, days))
        day = won.owner % days.count
        through = day[won.depth == self.steps - 1]
        return np.array([np.bincount(one, minlength=days.count) for one in (day, through)])


def _numbers(masks: Masks) -> StepNumbers:
    """The number of the one step in each mask: NO_STEP where there is none, _OVERLAP where there are several."""
    # A power of two is exact as a float, and its exponent is the number of its bit; that of 0 becomes NO_STEP.
    numbers: StepNumbers = (np.frexp(masks.astype(np.float64))[1] - 1).astype(np.uint8)
    numbers[(masks & (masks - masks.dtype.type(1))) != 0] = _OVERLAP
    return numbers
