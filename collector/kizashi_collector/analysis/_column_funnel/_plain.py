"""The plain algorithm on rows of a table: for actors for whom the order within an instant is up to their ids."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby
from typing import cast
from zoneinfo import ZoneInfo

import numpy as np

from kizashi_collector.analysis._attempts import Attempt, attempts
from kizashi_collector.analysis._column_funnel._conditions import Details, Masks
from kizashi_collector.analysis._column_funnel._keys import Keys
from kizashi_collector.analysis._column_funnel._order import Layout, buckets
from kizashi_collector.analysis._column_funnel._taken import Outcome, Taken
from kizashi_collector.analysis._events import Interval, LoggedEvent
from kizashi_collector.analysis._funnel import grouped_winners, trend_of, winners_of
from kizashi_collector.analysis._matching import Check, Matcher, Rules
from kizashi_collector.analysis._table import CodeColumn, Column, EventTable
from kizashi_schemas import Funnel

__all__ = ["run_plainly"]

_SLICE = 1 << 14
"""Events that are objects at one time, but for those of one actor."""


class _LightEvent(LoggedEvent, frozen=True, kw_only=True):
    """An event of which no more is known than what a funnel asks."""

    row: int
    fits: tuple[int, ...]
    excluded: int


class _LightRules(Rules):
    """Rules over light events, of which it is known what they fit."""

    def __init__(self, funnel: Funnel, check: Check) -> None:
        super().__init__(funnel, check)
        self.steps = [_taking(step) for step in range(len(self.steps))]
        self.exclusions = [(_excluded(at), first, second) for at, (_, first, second) in enumerate(self.exclusions)]
        self._only: tuple[int, Matcher] | None = None

    def restricted(self, step: int, extra: Matcher) -> Rules:
        copy = _LightRules(self.funnel, self.check)
        copy._only = (step, extra)
        return copy

    def fits(self, event: LoggedEvent) -> tuple[int, ...]:
        fits = cast("_LightEvent", event).fits
        if self._only is None or self._only[0] not in fits or self._only[1](event):
            return fits
        return tuple(step for step in fits if step != self._only[0])


def run_plainly(
    table: EventTable,
    rows: Column,
    masks: Masks,
    excluded: Masks,
    funnel: Funnel,
    interval: Interval,
    *,
    zone: str,
    days: int,
    keys: Keys | None,
    attribution: str,
    details: Details,
    check: Check,
) -> Outcome:
    """Run the plain algorithm over these rows, which fit these steps and exclusions: all that matter of their actors.

    With `keys` the breakdown is run as well.
    """
    rules = _LightRules(funnel, check)
    key = None if keys is None else keys.of(rows)
    order = _ordered(table, rows, details, check)
    rows, masks, excluded = rows[order], masks[order], excluded[order]
    key = None if key is None else key[order]
    sources = [{"key": str(number) if number else ""} for number in range(1 if keys is None else len(keys.keys))]
    whole: list[Taken] = []
    by_key: list[Taken] = []
    trend = [(0, 0)] * days
    for part in _slices(table.actor[rows]):
        check()
        collected, grouped = _Collected(len(funnel.steps)), _Collected(len(funnel.steps))
        lights = _lights(table, rows, masks, excluded, key, sources, part)
        actors = {actor: list(own) for actor, own in groupby(lights, key=lambda event: event.actor)}
        runs = {actor: attempts(own, rules, interval) for actor, own in actors.items()}
        for actor, run in runs.items():
            for winner in winners_of(run, rules):
                collected.add(winner, 0)
            if key is not None:
                for (text,), winner in grouped_winners(actors[actor], run, rules, interval, ("key",), attribution):
                    grouped.add(winner, int(text or 0))
        whole.append(collected.taken())
        by_key.append(grouped.taken())
        if days:
            own = trend_of(runs.values(), rules, interval, ZoneInfo(zone))
            trend = [(a + day.entered, b + day.completed) for (a, b), day in zip(trend, own, strict=True)]
    entered, completed = [a for a, _ in trend], [b for _, b in trend]
    steps = len(funnel.steps)
    return Outcome(
        Taken.joined(whole, steps), None if key is None else Taken.joined(by_key, steps), (entered, completed)
    )


def _ordered(table: EventTable, rows: Column, details: Details, check: Check) -> Column:
    """The order of rows by actor, time and id; ids are asked for only where several are of one instant."""
    if not len(rows):
        return rows
    actor, time = table.actor[rows], table.time[rows]
    layout = Layout.of(
        actor=int(actor.max()), first=int(time.min()), last=int(time.max()), steps=1, window=0, rows=len(rows)
    )
    found = buckets(layout, actor, time, np.zeros(len(rows), np.uint8), None, check)
    order = np.concatenate([bucket.rows for bucket in found]).astype(np.int64)
    check()
    actor, time = actor[order], time[order]
    same = (actor[1:] == actor[:-1]) & (time[1:] == time[:-1])
    tied = np.zeros(len(rows), np.bool_)
    tied[1:] |= same
    tied[:-1] |= same
    (places,) = np.nonzero(tied)
    if len(places):
        seqs = table.seq[rows[order[places]]]
        asked = np.sort(seqs)
        ids = dict(zip(asked.tolist(), details.ids(asked.tolist()), strict=True))
        moments = zip(actor[places].tolist(), time[places].tolist(), strict=True)
        by_id = sorted(
            zip(moments, (ids[seq] for seq in seqs.tolist()), order[places].tolist(), strict=True),
            key=lambda one: one[:2],
        )
        order[places] = [at for _, _, at in by_id]
    return order


def _slices(actor: CodeColumn) -> Iterator[slice]:
    """Slices of rows, all of an actor's in one."""
    edges = np.flatnonzero(np.append(True, actor[1:] != actor[:-1])) if len(actor) else actor
    begin = 0
    while begin < len(actor):
        at = int(np.searchsorted(edges, begin + _SLICE))
        end = int(edges[at]) if at < len(edges) else len(actor)
        yield slice(begin, end)
        begin = end


def _lights(
    table: EventTable,
    rows: Column,
    masks: Masks,
    excluded: Masks,
    key: Column | None,
    sources: list[dict[str, str]],
    part: slice,
) -> list[_LightEvent]:
    """The events of a slice; their ids are their places, which are in the order of the true ids."""
    own = rows[part]
    fits = {mask: tuple(k for k in range(64) if mask >> k & 1) for mask in set(masks[part].tolist())}
    return [
        _LightEvent(
            id=f"{at:012}",
            name="",
            time=time,
            received_at=time,
            actor=str(actor),
            source=sources[source],
            row=row,
            fits=fits[mask],
            excluded=out,
        )
        for at, (row, time, actor, mask, out, source) in enumerate(
            zip(
                own.tolist(),
                table.time[own].tolist(),
                table.actor[own].tolist(),
                masks[part].tolist(),
                excluded[part].tolist(),
                [0] * len(own) if key is None else key[part].tolist(),
                strict=True,
            )
        )
    ]


def _taking(step: int) -> Matcher:
    return lambda event: step in cast("_LightEvent", event).fits


def _excluded(at: int) -> Matcher:
    return lambda event: bool(cast("_LightEvent", event).excluded >> at & 1)


class _Collected:
    """Attempts on their way into columns."""

    def __init__(self, steps: int) -> None:
        self._depth: list[int] = []
        self._group: list[int] = []
        self._steps: list[list[tuple[int, int, int]]] = [[] for _ in range(steps)]

    def add(self, attempt: Attempt, group: int) -> None:
        for step, event in attempt.path:
            self._steps[step].append((len(self._depth), event.time, cast("_LightEvent", event).row))
        self._depth.append(attempt.depth)
        self._group.append(group)

    def taken(self) -> Taken:
        columns = [np.array(taken, np.int64).reshape(-1, 3).T for taken in self._steps]
        who, time, row = ([column[at] for column in columns] for at in range(3))
        return Taken(np.array(self._depth, np.uint8), who, time, row, np.array(self._group, np.int64))
