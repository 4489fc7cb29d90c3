"""What is held takes as little room as its codes and numbers allow, and tells them whole."""

from __future__ import annotations

import numpy as np
import pytest

from kizashi_collector.analysis import NO_VALUE, EventTable
from kizashi_collector.analysis._rolling._held import Held


def events(seq: list[int], name: list[int], source: list[int]) -> EventTable:
    count = len(seq)
    times = np.arange(count) + 1_000
    return EventTable(
        seq=np.array(seq, np.int64),
        name=np.array(name, np.int32),
        time=times,
        received_at=times,
        value=np.full(count, NO_VALUE, np.int64),
        currency=np.zeros(count, np.int32),
        source=np.array(source, np.int32),
        actor=np.arange(count, dtype=np.int32),
        imported=np.zeros(count, np.bool_),
    )


@pytest.mark.parametrize("codes", [[65_534, 65_535], [65_535, 65_536], [1_000_000, 3]])
def test_codes_are_whole_however_many_there_are(codes: list[int]) -> None:
    held = Held()
    held.add(events([1, 2], [7, 8], [9, 65_535]))
    held.add(events([3, 4], codes, codes))
    held.add(events([5, 6], [1, 2], [3, 4]))
    assert held.name[: held.count].tolist() == [7, 8, *codes, 1, 2]
    assert held.source[: held.count].tolist() == [9, 65_535, *codes, 3, 4]
    assert (held.name.itemsize > 2) == (max(codes) > 65_535)


@pytest.mark.parametrize("large", [2**31, 2**32 - 2, 2**32 - 1, 2**32, 2**40])
def test_events_are_found_by_their_numbers_however_large_these_are(large: int) -> None:
    held = Held()
    held.add(events([5, 9], [1, 1], [0, 0]))
    held.add(events([large, large + 1], [1, 1], [0, 0]))
    held.add(events([7, large + 5], [1, 1], [0, 0]))  # the first of them had to wait for its time
    assert [held.number(place) for place in range(6)] == [5, 9, large, large + 1, 7, large + 5]
    for seq, place in ((5, 0), (9, 1), (large, 2), (large + 1, 3), (7, 4), (large + 5, 5)):
        assert held.places_of(np.array([seq])).tolist() == [place]
    assert held.places_of(np.array([6, large + 3, large + 6, 2**50])).tolist() == []
