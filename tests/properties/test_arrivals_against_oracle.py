"""What is kept current about arrivals equals `complete_until` counted by brute force, at each step of any history."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from kizashi_collector.analysis._rolling._arrivals import Arrivals
from kizashi_collector.analysis._rolling._tally import pack_tally, unpack_tally
from kizashi_collector.analysis._table import Column
from oracle.summary import complete_until_ever
from tried import tried

MINUTE, DAY = 60_000, 86_400_000
_MIDNIGHT = 20_000 * DAY
# What lies on either side of an edge: of a minute, of the day, of what is counted in an array.
_STEPS = [0, 0, 1, 2, 500, 30_000, 59_999, 60_000, 60_001, 3_600_000, DAY - MINUTE, DAY - 1, DAY, DAY + MINUTE, 2 * DAY]
_AGES = [*[0] * 6, 1, 1, 2, 3, 500, 30_000, 59_999, 60_000, 60_001, 200_000, 3_600_000, DAY - 1, DAY, DAY + MINUTE]
_LATE = [-5, 0, 0, 1, 2, 65_535, 65_536, 65_537, 65_792, 100_000, DAY, 400 * DAY]
_receipts = st.lists(
    st.tuples(
        st.sampled_from(_AGES) | st.integers(0, 70_000),
        st.sampled_from(_LATE) | st.integers(0, 70_000),
        st.sampled_from([*[1] * 9, 300]),
    ),
    max_size=8,
)
_step = st.tuples(
    st.sampled_from(_STEPS) | st.integers(0, 2 * MINUTE),
    _receipts,
    st.integers(1, 8),
    st.sampled_from(["ask", "ask", "ask", "add", "erase", "erase all"]),
    st.randoms(use_true_random=False),
)


def _columns(receipts: list[tuple[int, int]]) -> tuple[Column, Column]:
    received_at, time = np.array(receipts, np.int64).reshape(-1, 2).T
    return received_at, time


def _ask(counted: Arrivals, as_of: int) -> int | str | None:
    try:
        return counted.complete_until(as_of)
    except ValueError:
        return "refused"


@tried(60)
@given(second=st.sampled_from([0, 1, 30_123, 59_999]), steps=st.lists(_step, min_size=1, max_size=14))
def test_what_is_kept_current_equals_the_brute_force(second: int, steps: list[tuple]) -> None:  # type: ignore[type-arg]
    now = _MIDNIGHT + second
    counted, received, erased = Arrivals(), list[tuple[int, int]](), list[int]()
    for step, receipts, size, action, random in steps:
        now += step
        new = [(now - age, now - age - late) for age, late, times in receipts for _ in range(times)]
        received += new
        ends = [0, *sorted(random.choices(range(len(new) + 1), k=size)), len(new)]
        for start, end in pairwise(ends):
            counted.add(*_columns(new[start:end]))
        if action.startswith("erase"):
            random.shuffle(received)
            kept = 0 if action == "erase all" else random.randint(0, len(received))
            counted.take_back(*_columns(received[kept:]))
            erased += [received_at for received_at, _ in received[kept:]]
            del received[kept:]
        if action != "add":
            expected = complete_until_ever(received, now)
            if _ask(counted, now) == "refused":
                # Only where the last receipt, of more than a day ago, was erased: which one came before is not known.
                assert all(received_at < now - DAY for received_at, _ in received)
                assert erased
                assert max(erased) >= max(received, default=(0, 0))[0]
            else:
                assert _ask(counted, now) == expected


@given(
    st.dictionaries(
        st.integers(0, 300) | st.integers(0, 2**32 - 1),
        st.integers(1, 3) | st.integers(1, 300) | st.integers(1, 2**40),
        max_size=80,
    )
)
def test_a_tally_is_unpacked_as_it_was_packed(tally: dict[int, int]) -> None:
    values = np.array(sorted(tally), np.int64)
    counts = np.array([tally[value] for value in sorted(tally)], np.int64)
    unpacked = unpack_tally(pack_tally(values, counts))
    assert [found.tolist() for found in unpacked] == [values.tolist(), counts.tolist()]
