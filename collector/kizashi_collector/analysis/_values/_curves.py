"""Lag curves: of those who will ever go from a step to a next one, the share that has gone by each age.

Leaving a step for one of several next ones is a matter of competing risks. Of R who still stand at the step when a bin
begins, d_j leave for j inside it: survival is multiplied by 1 − Σd_j/R, and the cumulative incidence of j gains
S·d_j/R (Aalen and Johansen 1978; with one cause it is the estimator of Kaplan and Meier 1958).

Censoring is by whole days: those who came d days back have been watched for d · 24 h at least, and are watched for
exactly so long. As every day is an edge of the grid, each bin is watched whole or not at all. It wastes half a day of
what is known, and lets exact counts take the place of times at risk.
"""

from __future__ import annotations

import numpy as np
from msgspec import Struct

from kizashi_collector.analysis._values._grid import DAY_MS, Floats, Integers, LagGrid
from kizashi_collector.analysis._values._keys import Level
from kizashi_collector.analysis._values._statistics import Statistics
from kizashi_collector.analysis._values._transitions import transitions

__all__ = ["BORROWED_EXITS", "LEAST_EXITS", "at_age", "incidence", "lag_curves"]

BORROWED_EXITS = 30.0
"""A key's own curve is mixed with the wider one as if that had been seen on so many exits."""

LEAST_EXITS = 5
"""With fewer exits of its own, a key takes the wider curve as it is."""


def lag_curves(statistics: Statistics) -> tuple[Floats, ...]:
    """The share gone by each edge of the grid, for each level, the total first and the keys last: each (transition,
    key, edge), 0 at the first edge and 1 at the last."""
    moves = transitions(statistics.steps)
    table = _LifeTable.of(statistics)
    grid = statistics.grid
    levels = statistics.keys.levels()
    curves = tuple(np.empty((len(moves), level.size, len(grid.edges))) for level in levels)
    for step in range(statistics.steps + 1):
        numbers = [n for n, (m, _) in enumerate(moves) if m == step]
        # With nothing seen at all, nothing is known but the horizon.
        wider = np.broadcast_to(np.array(grid.edges) / grid.horizon, (len(numbers), 1, len(grid.edges)))
        for depth, level in enumerate(levels):
            exits, at_risk = _summed(level, table.exits[numbers]), _summed(level, table.at_risk[step])
            wider = wider[:, level.parent]
            wider = (
                _shrunk(exits, at_risk, _furthest(level, table.watched[step]), wider)
                if depth
                else _whole(exits, at_risk, wider)
            )
            curves[depth][numbers] = wider
    return curves


def incidence(exits: Floats, at_risk: Floats) -> Floats:
    """The cumulative incidence of each cause at each edge, from exits (cause, key, bin) and those at risk when each
    bin begins (key, bin)."""
    rates = np.divide(exits, at_risk, out=np.zeros_like(exits), where=at_risk > 0)
    survival = np.cumprod(1 - rates.sum(axis=0), axis=-1)
    before = np.concatenate((np.ones_like(survival[..., :1]), survival[..., :-1]), axis=-1)
    gained = np.cumsum(before * rates, axis=-1)
    return np.concatenate((np.zeros_like(gained[..., :1]), gained), axis=-1)


def at_age(curves: Floats, grid: LagGrid, ages: Floats) -> Floats:
    """The share gone at ages in milliseconds, 0 ≤ age: linear inside a bin; 1 from the horizon on.

    `curves` is (…, edge) and the answer (…, age).
    """
    edges = np.array(grid.edges, np.float64)
    place = np.minimum(np.searchsorted(edges, ages, side="right") - 1, grid.bins - 1)
    part = np.minimum((ages - edges[place]) / (edges[place + 1] - edges[place]), 1.0)
    return np.asarray(curves[..., place] * (1 - part) + curves[..., place + 1] * part)


def _whole(exits: Floats, at_risk: Floats, nothing: Floats) -> Floats:
    """The curves of the total, which has nothing to borrow from; what nobody has been watched for is taken not to
    happen."""
    own = incidence(exits, at_risk)
    ever = own[..., -1:]
    return np.divide(own, ever, out=nothing.copy(), where=ever > 0)


def _shrunk(exits: Floats, at_risk: Floats, watched: Integers, wider: Floats) -> Floats:
    own = incidence(exits, at_risk)
    ever = own[..., -1:]
    # A key that is new has been watched for part of the horizon: the wider curve says how much of what will come has
    # come by then, and how the rest does.
    share = np.take_along_axis(wider, np.broadcast_to(watched[:, None], (*wider.shape[:-1], 1)), axis=-1)
    own = np.divide(own, ever, out=np.zeros_like(own), where=ever > 0) * share
    own = np.where(np.arange(own.shape[-1]) > watched[:, None], wider, own)
    count = exits.sum(axis=-1)[..., None]
    mixed = (count * own + BORROWED_EXITS * wider) / (count + BORROWED_EXITS)
    return np.where(count >= LEAST_EXITS, mixed, wider)


def _summed(level: Level, leaves: Floats) -> Floats:
    """Sum over the keys below each place of a level: the axis before the last."""
    if not len(level.of_leaf):
        return np.zeros((*leaves.shape[:-2], level.size, leaves.shape[-1]))
    return np.asarray(np.add.reduceat(leaves, _starts(level), axis=-2))


def _furthest(level: Level, leaves: Integers) -> Integers:
    """The greatest of the keys below each place of a level."""
    if not len(level.of_leaf):
        return np.zeros(level.size, np.int64)
    return np.asarray(np.maximum.reduceat(leaves, _starts(level)))


def _starts(level: Level) -> Integers:
    # Keys are sorted, so those below one place lie together.
    return np.flatnonzero(np.diff(level.of_leaf, prepend=-1))


class _LifeTable(Struct, frozen=True, eq=False):
    """Exits (transition, key, bin), those at risk when each bin begins (step, key, bin), and how many bins anybody has
    been watched for (step, key)."""

    exits: Floats
    at_risk: Floats
    watched: Integers

    @classmethod
    def of(cls, statistics: Statistics) -> _LifeTable:
        grid, entries, exits = statistics.grid, statistics.entries, statistics.exits
        keys, states, bins = len(statistics.keys.leaves), statistics.steps + 1, grid.bins
        edges = np.array(grid.edges, np.int64)

        def watched(days: Integers) -> Integers:
            """How many bins those who came so many days back have been watched for."""
            return np.searchsorted(edges, days * DAY_MS, side="right") - 1

        # Counts at risk as differences along the bins: one more slot takes what falls off at the end.
        change = np.zeros((states, keys, bins + 1), np.int64)
        until = watched(entries.hour // 24)
        np.add.at(change, (entries.step, entries.key, np.zeros_like(entries.key)), entries.count)
        np.add.at(change, (entries.step, entries.key, until), -entries.count)
        furthest = np.zeros((states, keys), np.int64)
        np.maximum.at(furthest, (entries.step, entries.key), until)
        limit = watched(exits.entry_day)
        seen = np.flatnonzero(exits.bin < limit)
        key, step, lag, count = exits.key[seen], exits.step[seen], exits.bin[seen], exits.count[seen]
        np.add.at(change, (step, key, lag + 1), -count)
        np.add.at(change, (step, key, limit[seen]), count)
        at_risk = np.cumsum(change, axis=-1)[..., :-1]
        moves = transitions(statistics.steps)
        number = np.full((states, states + 1), -1)
        for n, (m, j) in enumerate(moves):
            number[m, j] = n
        table = np.zeros((len(moves), keys, bins), np.int64)
        np.add.at(table, (number[step, exits.next[seen]], key, lag), count)
        return cls(table.astype(np.float64), at_risk.astype(np.float64), furthest)
