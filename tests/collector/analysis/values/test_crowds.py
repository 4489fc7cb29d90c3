"""Many rows of one chance: counted by the column as one by one, and none by who else is there."""

from __future__ import annotations

import numpy as np
import pytest

from kizashi_collector.analysis._values import FittedKeys, OpenCells, Parts, fit
from kizashi_collector.analysis._values._grid import DAY_MS, Integers
from kizashi_collector.analysis._values._nowcast import _CROWD
from values.simulation import EPOCH, Variant, World
from values.small import counted

AS_OF = EPOCH + 70 * DAY_MS
ROWS = 3 * _CROWD


@pytest.fixture(scope="module")
def learned() -> FittedKeys:
    world = World(Variant(campaigns=4, fattest=60, thinnest=5, days=80), 21)
    keys = [(f"c{n}",) for n in range(4)]
    return FittedKeys(fit(counted(world.known(AS_OF), keys, boundary=AS_OF, lookback=60 * DAY_MS)))


def open_cells(learned: FittedKeys) -> Integers:
    shape = (ROWS, learned.fit.steps + 1, learned.grid.bins)
    return np.random.default_rng(5).poisson(0.02, shape).astype(np.int32)


def sparse(learned: FittedKeys, place: Integers, counts: Integers) -> Parts:
    row, step, age = np.nonzero(counts)
    return Parts.of(learned, OpenCells(row, place[row], step, age, counts[row, step, age]))


def test_each_of_a_crowd_is_what_its_cells_add_up_to(learned: FittedKeys) -> None:
    counts = open_cells(learned)
    for place in (np.full(ROWS, 4), np.arange(ROWS) % 2, np.where(np.arange(ROWS) < 2 * _CROWD, 1, 0)):
        found, expected = Parts.whole(learned, np.arange(ROWS), place, counts), sparse(learned, place, counts)
        assert (found.row.tolist(), found.place.tolist()) == (expected.row.tolist(), expected.place.tolist())
        # Variances rest on these, in single precision.
        for one, other in (
            (found.finals, expected.finals),
            (found.alike, expected.alike),
            (found.slopes, expected.slopes),
        ):
            np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-9)


def test_what_one_of_a_crowd_comes_to_does_not_hang_on_the_others(learned: FittedKeys) -> None:
    counts, place = open_cells(learned), np.full(ROWS, 4)
    order = np.random.default_rng(6).permutation(ROWS)
    found = Parts.whole(learned, np.arange(ROWS), place, counts)
    moved = Parts.whole(learned, np.arange(ROWS), place, counts[order])
    assert moved.alike.tolist() == found.alike[order].tolist()
    assert moved.slopes.T.tolist() == found.slopes.T[order].tolist()
    # Nor on rows that have nothing open: they make no crowd of those that have.
    few = counts.copy()
    few[_CROWD:] = 0
    alone = Parts.whole(learned, np.arange(_CROWD), place[:_CROWD], few[:_CROWD])
    among = Parts.whole(learned, np.arange(ROWS), place, few)
    assert among.slopes[:, :_CROWD].tolist() == alone.slopes.tolist()
