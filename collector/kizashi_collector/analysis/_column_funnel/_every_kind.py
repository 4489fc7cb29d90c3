"""Every kind of funnel over a table: all actors of a bucket at once, and apart those whose order within an instant
matters."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from msgspec import Struct

from kizashi_collector.analysis._column_funnel._choice import counting, successive, tainted
from kizashi_collector.analysis._column_funnel._collected import Collected
from kizashi_collector.analysis._column_funnel._conditions import Details
from kizashi_collector.analysis._column_funnel._days import Days
from kizashi_collector.analysis._column_funnel._keys import Keys
from kizashi_collector.analysis._column_funnel._kind import Kind
from kizashi_collector.analysis._column_funnel._mattering import Mattering
from kizashi_collector.analysis._column_funnel._order import buckets
from kizashi_collector.analysis._column_funnel._plain import run_plainly
from kizashi_collector.analysis._column_funnel._regrouped import alone, at_step
from kizashi_collector.analysis._column_funnel._running import Attempts, run
from kizashi_collector.analysis._column_funnel._taken import Outcome, Taken
from kizashi_collector.analysis._column_funnel._timelines import Timelines, timelines_of
from kizashi_collector.analysis._events import Interval
from kizashi_collector.analysis._matching import Check
from kizashi_collector.analysis._table import Codes, Column, EventTable
from kizashi_schemas import Funnel

__all__ = ["run_every_kind"]


def run_every_kind(
    table: EventTable,
    codes: Codes,
    funnel: Funnel,
    interval: Interval,
    *,
    zone: str,
    days: Days | None,
    keys: Keys | None,
    attribution: str,
    details: Details,
    check: Check,
) -> Outcome:
    """The attempts that count. With `keys` the breakdown is run as well, by `all` or `step:k`."""
    kind = Kind.of(funnel)
    mattering = Mattering.of(table, codes, funnel, kind, interval, details, check)
    question = _Question(kind, interval, days, check)
    whole, by_key = Collected(kind.steps), Collected(kind.steps)
    trend = np.zeros((2, 0 if days is None else days.count), np.int64)
    apart: list[Column] = [np.zeros(0, np.int64)]
    layout = mattering.layout
    if layout is not None:
        for bucket in buckets(layout, table.actor, table.time, mattering.place, mattering.starters, check):
            lines, rows = timelines_of(bucket, layout, kind, mattering)
            apart.append(rows)
            answer = question.asked(lines)
            whole.add(lines, answer.counting, np.zeros(len(answer.counting), np.int64))
            trend += question.trend(answer)
            for own, key in () if keys is None else _regrouped(lines, attribution, interval, keys, check):
                winners = question.asked(own).counting
                by_key.add(own, winners, key.take(own.owner.take(winners.start)))
    rows = np.sort(np.concatenate(apart, dtype=np.int64))
    plain = run_plainly(
        table,
        rows,
        mattering.masks[rows],
        np.zeros(len(rows), np.uint8) if mattering.excluded is None else mattering.excluded[rows],
        funnel,
        interval,
        zone=zone,
        days=0 if days is None else days.count,
        keys=keys,
        attribution=attribution,
        details=details,
        check=check,
    )
    del mattering
    trend += np.array(plain.trend, np.int64).reshape(trend.shape)
    entered, completed = trend.tolist()
    return Outcome(
        _joined(whole.taken(table), plain.taken, kind.steps),
        None if plain.grouped is None else _joined(by_key.taken(table), plain.grouped, kind.steps),
        (entered, completed),
    )


class _Answer(Struct, frozen=True, eq=False):
    """Attempts that began in the interval, which of them are tainted, their owners and times, and those that count."""

    all: Attempts
    spoilt: np.ndarray[tuple[int], np.dtype[np.bool_]] | None
    owner: Column
    begun: Column
    counting: Attempts


class _Question(Struct, frozen=True, eq=False):
    kind: Kind
    interval: Interval
    days: Days | None
    check: Check

    def asked(self, lines: Timelines) -> _Answer:
        """Run the funnel over some timelines."""
        kind, check = self.kind, self.check
        check()
        (start,) = np.nonzero(lines.mask & lines.mask.dtype.type(kind.begins()))
        if kind.one_at_a_time:
            attempts = successive(lines, kind, run(lines, kind, start, check), check)
            attempts = attempts.only(self._within(lines, attempts.start))
        else:
            attempts = run(lines, kind, start[self._within(lines, start)], check)
        spoilt = tainted(lines, kind, attempts, check)
        moment = lines.moment.take(attempts.start)
        owner = moment >> lines.layout.time_bits
        winners = attempts.only(counting(owner, attempts, spoilt, kind))
        return _Answer(attempts, spoilt, owner, lines.layout.times(moment), winners)

    def _within(self, lines: Timelines, place: Column) -> Column:
        time = lines.layout.times(lines.moment.take(place))
        return np.flatnonzero((time > self.interval.start) & (time <= self.interval.end))

    def trend(self, answer: _Answer) -> Column:
        """How many entered and completed by day: of the attempts of a day those that would count if there were no
        others."""
        if self.days is None:
            return np.zeros((2, 0), np.int64)
        count, attempts, spoilt = self.days.count, answer.all, answer.spoilt
        owner = answer.owner * count + self.days.of(answer.begun)
        # Where clocks are set back over midnight, a day comes twice.
        if (owner[1:] < owner[:-1]).any():
            order = owner.argsort(kind="stable")
            owner, attempts = owner[order], attempts.only(order)
            spoilt = None if spoilt is None else spoilt[order]
        won = counting(owner, attempts, spoilt, self.kind)
        day, depth = owner.take(won) % count, attempts.depth.take(won)
        completed = day[depth == self.kind.steps - 1]
        return np.stack([np.bincount(of, minlength=count) for of in (day, completed)])


def _regrouped(
    lines: Timelines, attribution: str, interval: Interval, keys: Keys, check: Check
) -> Iterator[tuple[Timelines, Column]]:
    if attribution == "all":
        return alone(lines, keys, check)
    return at_step(lines, int(attribution.removeprefix("step:")), interval.start, keys, check)


def _joined(taken: Taken, plain: Taken, steps: int) -> Taken:
    return Taken.joined([taken, plain], steps) if len(plain) else taken
