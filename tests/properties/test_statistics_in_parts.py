"""What values are learned from is counted in parts; whichever they are, it is the tables of all journeys at once."""

from __future__ import annotations

from collections import Counter
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kizashi_collector.analysis._values import Statistics
from kizashi_collector.analysis._values._grid import DAY_MS, HOUR_MS
from kizashi_collector.analysis._values._tally import Tally
from tried import tried
from values.simulation import EPOCH, HORIZON, STEPS, Journeys, Variant, World

_PROFILE = tried(40)
BOUNDARY = EPOCH + 55 * DAY_MS + 7 * HOUR_MS
KEYS = [(f"c{n}", "mobile" if n % 2 else "desktop") for n in range(6)]
JOURNEYS = World(Variant(campaigns=6, fattest=20, thinnest=1, days=60, repeat=0.3, direct=0.05), 11).known(BOUNDARY)
RULES: dict[str, Any] = {"boundary": BOUNDARY, "horizon": HORIZON, "lookback": 40 * DAY_MS}


def plain(value: object) -> object:
    """The same with columns as their type and numbers."""
    if isinstance(value, np.ndarray):
        return value.dtype, value.tolist()
    if isinstance(value, msgspec.Struct):
        return {name: plain(one) for name, one in msgspec.structs.asdict(value).items()}
    return value


def in_parts(journeys: Journeys, order: np.ndarray[Any, np.dtype[np.int64]], cuts: list[int]) -> Statistics:
    counting = Statistics.counting(np.arange(len(KEYS)), KEYS, steps=STEPS, **RULES)
    for part in np.split(order, sorted(cuts)):
        counting.add(journeys.rows(part))
    return counting.taken()


@_PROFILE
@given(
    seed=st.integers(0, 2**32 - 1), cuts=st.lists(st.integers(0, len(JOURNEYS.begin)), max_size=12), some=st.booleans()
)
def test_parts_in_any_order_give_the_tables_of_the_whole(seed: int, cuts: list[int], some: bool) -> None:
    order = np.random.default_rng(seed).permutation(len(JOURNEYS.begin))
    if some:
        order = order[: len(order) // 50]
    whole = Statistics.of(JOURNEYS.rows(np.sort(order)), np.arange(len(KEYS)), KEYS, **RULES)
    assert len(whole.exits.key)
    assert plain(in_parts(JOURNEYS, order, cuts)) == plain(whole)


def test_more_than_are_looked_at_at_once_are_counted_as_often_as_they_come() -> None:
    times = 140_000 // len(JOURNEYS.begin) + 1
    once = Statistics.of(JOURNEYS, np.arange(len(KEYS)), KEYS, **RULES)
    many = Statistics.of(
        JOURNEYS.rows(np.tile(np.arange(len(JOURNEYS.begin)), times)), np.arange(len(KEYS)), KEYS, **RULES
    )
    for name in ("entries", "exits", "finals", "amounts", "open_then"):
        assert (getattr(many, name).count == times * getattr(once, name).count).all()
        assert (getattr(many, name).key == getattr(once, name).key).all()
    assert many.finals.squares == tuple(times * square for square in once.finals.squares)


@_PROFILE
@given(st.lists(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 4), st.integers(0, 1)), max_size=30), max_size=9))
def test_a_tally_counts_each_row_as_often_as_it_comes(parts: list[list[tuple[int, int, int]]]) -> None:
    tally = Tally(3, 5, 2)
    for part in parts:
        tally.add(*np.array(part, np.int64).reshape(-1, 3).T)
    expected = Counter(row for part in parts for row in part)
    columns = tally.taken()
    found = list(zip(*(column.tolist() for column in columns), strict=True))
    assert found == [(*row, count) for row, count in sorted(expected.items())]
    assert {column.dtype for column in columns} == {np.dtype(np.int64)}


def test_the_last_row_of_the_largest_tally_is_told_from_the_one_before() -> None:
    tally = Tally(2**31, 2**32)
    tally.add(np.array([2**31 - 1, 2**31 - 1]), np.array([2**32 - 1, 2**32 - 2]))
    assert [column.tolist() for column in tally.taken()] == [[2**31 - 1] * 2, [2**32 - 2, 2**32 - 1], [1, 1]]


def test_more_rows_than_a_number_can_tell_apart_are_refused() -> None:
    with pytest.raises(ValueError, match="2\\*\\*63"):
        Tally(2**32, 2**32)
