"""A shop of which everything is known: campaigns, chances, lags, amounts, and what each journey will have brought.

Time is in milliseconds from an epoch that is a whole day. Three steps; a journey goes from step to step, or to a final,
by chances of its campaign on the day it came to the step, after lags that are lognormal, cut off at the horizon.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from kizashi_collector.analysis._values._grid import DAY_MS, HOUR_MS, Integers
from kizashi_collector.analysis._values._transitions import transitions

__all__ = ["EPOCH", "HORIZON", "STEPS", "VARIANTS", "Journeys", "Variant", "World"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

EPOCH = 20_000 * DAY_MS
HORIZON = 14 * DAY_MS
STEPS = 3
MOVES = transitions(STEPS)
FINAL = STEPS + 1
# chance, median lag in hours, spread of its logarithm; state 0 lies below the ladder
BASE = {
    (0, 1): (0.30, 1.0, 1.5), (0, 2): (0.02, 5.0, 1.5), (0, 3): (0.005, 10.0, 1.5), (0, 4): (0.005, 40.0, 1.5),
    (1, 2): (0.25, 0.5, 1.8), (1, 3): (0.02, 5.0, 1.8), (1, 4): (0.01, 60.0, 1.2),
    (2, 3): (0.40, 2.0, 2.0), (2, 4): (0.03, 30.0, 1.5),
    (3, 4): (0.35, 20.0, 1.7),
}  # fmt: skip
_ERF = np.vectorize(math.erf, otypes=[np.float64])
_POINTS = np.linspace(-8, 8, 4001)
_PHI = 0.5 * (1 + _ERF(_POINTS / math.sqrt(2)))


class Variant(NamedTuple):
    campaigns: int = 30
    fattest: float = 350.0
    thinnest: float = 0.5
    days: int = 150
    as_ofs: tuple[float, ...] = (97.5, 107.5, 117.5, 127.5, 137.5)
    common_drift: float = 0.0
    own_drift: float = 0.0
    weekdays: float = 0.0
    repeat: float = 0.0
    skips: float = 1.0
    direct: float = 0.0
    amounts: str = "lognormal"
    spread: float = 0.6
    lag_spread: float = 0.0
    shock: float = 0.0
    shock_day: float = 110.0
    new_from: float = 0.0


VARIANTS = {
    "stationary": Variant(),
    "mild-drift": Variant(common_drift=0.02, own_drift=0.01),
    "strong-drift": Variant(common_drift=0.05, own_drift=0.03),
    "weekdays": Variant(weekdays=0.25),
    "repeat": Variant(repeat=0.4),
    "skips": Variant(skips=4.0, direct=0.03),
    "lognormal-1.5": Variant(spread=1.5),
    "pareto-2.1": Variant(amounts="pareto", spread=2.1),
    "own-lags": Variant(lag_spread=0.7),
    "shock": Variant(shock=-0.6),
    "new-campaigns": Variant(new_from=100.0),
    "thin-200": Variant(campaigns=200, fattest=8.0, thinnest=1.0),
    "cold-start": Variant(days=60, as_ofs=(14.5, 19.5, 24.5, 29.5, 34.5)),
    "leads": Variant(amounts="fixed"),
}


class Journeys(NamedTuple):
    """Journeys as columns; `reached`, `ended` and `end` as a collector would know them at some instant."""

    begin: Integers
    source: Integers
    reached: Integers
    ended: Integers
    end: Integers
    brought: Integers

    def rows(self, chosen: Integers) -> Journeys:
        return Journeys(*(column[chosen] for column in self))

    def open_at(self, as_of: int) -> tuple[Ints, Ints, Ints]:
        """The rows of those open at an instant, the deepest step of each and when it came there."""
        place = np.where(self.reached >= 0, np.arange(self.reached.shape[1]), -1).max(axis=1)
        since = self.reached[np.arange(len(place)), np.maximum(place, 0)]
        row = np.flatnonzero((self.ended == 0) & (place >= 0) & (as_of - since < HORIZON))
        return row, place[row].astype(np.int64), since[row].astype(np.int64)


class World:
    """A variant under one seed: all journeys as they will have been, and what an oracle makes of them at an as_of."""

    def __init__(self, variant: Variant, seed: int) -> None:
        self.variant = variant
        self.rng = rng = np.random.default_rng(seed)
        v, c = variant, variant.campaigns
        self.volume = np.exp(np.linspace(math.log(v.fattest), math.log(v.thinnest), c))
        base = np.array([BASE[move][0] for move in MOVES])
        skip = np.array([j > m + 1 for m, j in MOVES])
        base = np.where(skip, base * v.skips, base)
        self.logit: Floats = np.log(base / (1 - base))[:, None] + rng.normal(0, 0.35, (len(MOVES), c))
        walk = np.cumsum(rng.normal(0, v.common_drift, v.days + 60))[None] + np.cumsum(
            rng.normal(0, v.own_drift, (c, v.days + 60)), axis=1
        )
        day = np.arange(v.days + 60)
        week = v.weekdays * np.sin(2 * np.pi * (day % 7) / 7)
        self.path: Floats = walk + week + np.where(day >= v.shock_day, v.shock, 0.0)
        self.median: Floats = np.array([BASE[move][1] for move in MOVES])[:, None] * np.exp(
            rng.normal(0, v.lag_spread, (len(MOVES), c))
        )
        self.sigma: Floats = np.array([BASE[move][2] for move in MOVES])
        self.money: Floats = 8_000 * np.exp(rng.normal(0, 0.35, c))
        self.journeys = self._journeys()

    def known(self, as_of: int) -> Journeys:
        """The journeys as known at an instant: those begun, with what had happened by then."""
        j = self.journeys.rows(np.flatnonzero(self.journeys.begin <= as_of))
        over = (j.ended > 0) & (j.end <= as_of)
        return j._replace(
            reached=np.where(j.reached <= as_of, j.reached, -1),
            ended=np.where(over, j.ended, 0).astype(np.int8),
            end=np.where(over, j.end, 0),
            brought=np.where(over, j.brought, 0),
        )

    def oracle(self, known: Journeys, as_of: int) -> Floats:
        """The true chance of a final still to come of each journey known at an instant."""
        q = np.zeros(len(known.begin))
        row, place, since = known.open_at(as_of)
        # What is known are the first of all journeys, which lie in the order of their beginnings.
        p = self._chances(known.source[row], since, self.extra[row])
        worth = np.ones((FINAL + 1, len(row)))
        for m in range(STEPS, -1, -1):
            worth[m] = sum(p[t] * worth[j] for t, (s, j) in enumerate(MOVES) if s == m)
        for m in range(STEPS + 1):
            mine = np.flatnonzero(place == m)
            top, bottom = np.zeros(len(mine)), np.ones(len(mine))
            for t, (s, j) in enumerate(MOVES):
                if s == m:
                    gone = self._gone(t, known.source[row[mine]], as_of - since[mine])
                    top += p[t][mine] * (1 - gone) * worth[j][mine]
                    bottom -= p[t][mine] * gone
            q[row[mine]] = top / np.maximum(bottom, 1e-12)
        return q

    def mean_amount(self) -> Floats:
        """The true mean amount of a final by campaign, in micros."""
        return np.asarray(self.money * 1e6)

    def amount_variation(self) -> float:
        """The true squared coefficient of variation inside a campaign."""
        v = self.variant
        if v.amounts == "fixed":
            return 0.0
        return math.expm1(v.spread**2) if v.amounts == "lognormal" else 1 / (v.spread * (v.spread - 2))

    def _journeys(self) -> Journeys:
        v, rng = self.variant, self.rng
        counts = rng.poisson(self.volume[:, None] * np.ones(v.days))
        if v.new_from:
            counts[::3, : int(v.new_from)] = 0
        if v.weekdays:
            counts = rng.poisson(counts * (1 + 0.4 * np.cos(2 * np.pi * (np.arange(v.days) % 7) / 7)))
        source = np.repeat(np.arange(v.campaigns), counts.sum(axis=1))
        day = np.concatenate([np.repeat(np.arange(v.days), row) for row in counts])
        hour = rng.uniform(0, 24, len(source))
        if v.weekdays:
            hour = np.clip(rng.normal(15, 4, len(source)) % 24, 0, 23.999)
        begin = (EPOCH + day * DAY_MS + hour * HOUR_MS).astype(np.int64)
        first = rng.choice(STEPS + 1, len(source), p=(0.1, 0.75, 0.1, 0.05))
        first = np.where(rng.uniform(size=len(source)) < v.direct, FINAL, first)
        extra = np.zeros(len(source))
        one = self._run(source, begin, first, extra)
        if v.repeat:
            again = np.flatnonzero((one.ended > 0) & (rng.uniform(size=len(source)) < v.repeat))
            later = one.end[again] + (rng.exponential(8, len(again)) * DAY_MS).astype(np.int64)
            more = self._run(source[again], later, np.ones(len(again), np.int64), np.full(len(again), 0.6))
            one = Journeys(*(np.concatenate((one[n], more[n])) for n in range(len(one))))
            extra = np.concatenate((extra, np.full(len(again), 0.6)))
        order = np.argsort(one.begin, kind="stable")
        self.extra: Floats = extra[order]
        return one.rows(order)

    def _run(self, source: Integers, begin: Integers, first: Ints, extra: Floats) -> Journeys:
        rng, n = self.rng, len(source)
        reached = np.full((n, STEPS + 2), -1, np.int64)
        reached[np.arange(n), first] = begin
        for m in range(STEPS + 1):
            there = np.flatnonzero(reached[:, m] >= 0)
            p = self._chances(source[there], reached[there, m], extra[there])
            draw = rng.uniform(size=len(there))
            for t, (s, j) in enumerate(MOVES):
                if s != m:
                    continue
                goes = np.flatnonzero((draw >= 0) & (draw < p[t]))
                draw = np.where(draw < p[t], -1.0, draw - p[t])
                lag = self._lag(t, source[there[goes]])
                reached[there[goes], j] = reached[there[goes], m] + lag
        # Of the ways out of each step only one was taken, so that what is reached lies on one path.
        ended = (reached[:, FINAL] >= 0).astype(np.int8)
        return Journeys(
            begin, source, reached[:, :FINAL], ended, np.maximum(reached[:, FINAL], 0), self._amounts(source, ended)
        )

    def _amounts(self, source: Integers, ended: Integers) -> Ints:
        v, rng = self.variant, self.rng
        n = len(source)
        if v.amounts == "fixed":
            relative = np.ones(n)
        elif v.amounts == "pareto":
            relative = (1 + rng.pareto(v.spread, n)) * (v.spread - 1) / v.spread
        else:
            relative = np.exp(rng.normal(-(v.spread**2) / 2, v.spread, n))
        brought = np.rint(self.money[source] * relative) * 1_000_000
        return np.asarray(np.where(ended > 0, brought, 0), np.int64)

    def _chances(self, source: Integers, since: Integers, extra: Floats) -> Floats:
        day = np.minimum((since - EPOCH) // DAY_MS, self.path.shape[1] - 1)
        moved = self.logit[:, source] + (self.path[source, day] + extra)[None]
        p: Floats = 1 / (1 + np.exp(-moved))
        for m in range(STEPS + 1):
            numbers = [t for t, (s, _) in enumerate(MOVES) if s == m]
            p[numbers] /= np.maximum(p[numbers].sum(axis=0), 1.0)
        return p

    def _scale(self, t: int, source: Integers) -> tuple[Floats, Floats]:
        middle = np.log(self.median[t, source] * HOUR_MS)
        return middle, phi((math.log(HORIZON) - middle) / self.sigma[t])

    def _lag(self, t: int, source: Integers) -> Ints:
        middle, whole = self._scale(t, source)
        z = np.interp(self.rng.uniform(size=len(source)) * whole, _PHI, _POINTS)
        return np.asarray(np.clip(np.exp(middle + self.sigma[t] * z), 1, HORIZON), np.int64)

    def _gone(self, t: int, source: Integers, age: Integers) -> Floats:
        middle, whole = self._scale(t, source)
        return np.asarray(phi((np.log(np.maximum(age, 1)) - middle) / self.sigma[t]) / whole)


def phi(z: Any) -> Floats:
    """The normal distribution function, from a table."""
    return np.asarray(np.interp(z, _POINTS, _PHI), np.float64)
