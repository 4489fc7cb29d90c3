"""A fit made ready for answers: what each step is worth at each age, and where each key stands."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from kizashi_collector.analysis._values._fit import WHOLE, Fit
from kizashi_collector.analysis._values._grid import Floats, Integers, LagGrid
from kizashi_collector.analysis._values._keys import Key, Keys
from kizashi_collector.analysis._values._worth import Worth, worth

__all__ = ["FittedKeys"]


class FittedKeys:
    """A fit made ready for answers: the worth of each step and age for each place."""

    def __init__(self, fit: Fit) -> None:
        self.fit = fit
        self.grid = LagGrid(fit.edges)
        self.chance: Floats = np.array(fit.chance)
        self.deviation: Floats = np.array(fit.deviation)
        self.family_deviation: Floats = np.array(fit.family_deviation)
        self.family: Integers = np.array(fit.family, np.int64)
        self.mean: Floats = np.array(fit.mean)
        self.mean_own: Floats = np.array(fit.mean_own)
        self.mean_family: Floats = np.array(fit.mean_family)
        self.mean_borrowed: Floats = np.array(fit.mean_borrowed)
        self.own: Floats = np.array(fit.own, np.float64)
        self.borrowed: Floats = np.array(fit.borrowed)
        distinct = np.array([np.frombuffer(curve, "<u2") for curve in fit.curves], np.float64) / WHOLE
        self.curves: Floats = distinct[np.array(fit.curve_of)]
        self._place = {key: n for n, key in enumerate((*fit.keys, *Keys(fit.keys).wider))}

    @property
    def places(self) -> int:
        """How many places there are: keys, and unseen keys below wider levels."""
        return len(self.fit.mean)

    def prepare(self) -> None:
        """Work out what nowcasts need, which otherwise the first of them waits for."""
        _ = self.weights

    @cached_property
    def worth(self) -> Worth:
        """Chances of a final by state, place and age bin, recalibrated."""
        return worth(self.chance, self.curves, self.fit.steps).times(self.fit.recalibration)

    @cached_property
    def weights(self) -> tuple[Floats, NDArray[np.float32]]:
        """For each place, and each state and age bin: q; and q² with dq/dp of each transition, on which variances alone
        rest, as exactly as these need it: to read them is what an answer waits for."""
        open_, slope = self.worth.open, self.worth.slope
        stacked = np.concatenate([(open_ * open_)[None], slope], dtype=np.float32)
        kinds, states, places, bins = stacked.shape
        rest = np.ascontiguousarray(stacked.transpose(2, 1, 3, 0).reshape(places, states * bins, kinds))
        return np.ascontiguousarray(open_.transpose(1, 0, 2).reshape(places, states * bins)), rest

    def place(self, key: Key) -> int:
        """Where a key stands; one that the fit has not seen takes what its widest known relatives have."""
        for length in range(len(key), 0, -1):
            if key[:length] in self._place:
                return self._place[key[:length]]
        return self._place[()]

    def values(self, place: int) -> Sequence[float]:
        """What a journey is worth, in micros, just after it came to each state of the ladder (0 lies below it)."""
        return [float(q) * float(self.mean[place]) for q in self.worth.fresh[:-1, place]]
