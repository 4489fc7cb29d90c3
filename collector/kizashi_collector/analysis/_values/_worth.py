"""What a step is worth: the chance that a journey which stands there ends in a final within the horizon.

Q_final = 1, Q_m = Σ_j p_mj·Q_j; and of those still open an age a after they came to m,

    q(m, a) = Σ_j p_mj (1 − F_mj(a)) Q_j / (1 − Σ_j p_mj F_mj(a)),

by Bayes: those who will go to j and have not gone yet, among all who have not gone yet. From the horizon on it is 0.
"""

from __future__ import annotations

import numpy as np
from msgspec import Struct

from kizashi_collector.analysis._values._grid import Floats
from kizashi_collector.analysis._values._transitions import transitions

__all__ = ["Worth", "worth"]


class Worth(Struct, frozen=True, eq=False):
    """`fresh` is Q by (state, key), the final last; `open` is q by (state, key, age bin), in the middle of
    the bin; `slope` is dq/dp by (transition, state, key, age bin)."""

    fresh: Floats
    open: Floats
    slope: Floats

    def times(self, factor: float) -> Worth:
        """Open journeys moved by a factor, none beyond a certain final. `fresh` stays: nothing has stood open yet."""
        return Worth(self.fresh, np.minimum(self.open * factor, 1.0), self.slope * factor)


def worth(chance: Floats, curves: Floats, steps: int) -> Worth:
    """From chances (transition, key) and curves (transition, key, edge)."""
    moves = transitions(steps)
    number = {move: n for n, move in enumerate(moves)}
    keys, bins = chance.shape[1], curves.shape[2] - 1
    # The share gone halfway through a bin, where its journeys stand on average: taken at the lower edge, each would
    # look younger than it is, and all of them together worth some per cent too much.
    gone = (curves[:, :, :-1] + curves[:, :, 1:]) / 2
    fresh = np.ones((steps + 2, keys))
    # How Q at each state moves with each chance; that of the final does not.
    fresh_slope = np.zeros((len(moves), steps + 2, keys))
    q = np.empty((steps + 1, keys, bins))
    slope = np.zeros((len(moves), steps + 1, keys, bins))
    for m in range(steps, -1, -1):
        out = [(number[m, j], j) for j in range(m + 1, steps + 2)]
        fresh[m] = sum((chance[t] * fresh[j] for t, j in out), np.zeros(keys))
        left = 1 - sum((chance[t][:, None] * gone[t] for t, _ in out), np.zeros((keys, bins)))
        still = left > 1e-12
        weight = np.divide(1.0, left, out=np.zeros_like(left), where=still)
        coming = sum((chance[t][:, None] * (1 - gone[t]) * fresh[j][:, None] for t, j in out), np.zeros((keys, bins)))
        q[m] = np.minimum(coming * weight, 1.0)
        for t, j in out:
            fresh_slope[t, m] = fresh[j]
            slope[t, m] = ((1 - gone[t]) * fresh[j][:, None] + gone[t] * q[m]) * weight
            fresh_slope[:, m] += chance[t] * fresh_slope[:, j]
            slope[:, m] += (chance[t][:, None] * (1 - gone[t]) * weight) * fresh_slope[:, j, :, None]
    return Worth(fresh, q, slope)
