"""Journeys held as columns: what was put in comes out, in as few bytes as the ladder allows."""

from __future__ import annotations

import numpy as np
import pytest

from kizashi_collector.analysis import Journeys
from kizashi_collector.analysis._journeys import CONVERTED, join_journeys
from kizashi_collector.analysis._rolling_journeys._kept import NEVER, Kept

DAY = 86_400_000
BEGUN = 1_790_000_000_000
DEPTHS = 3


def filled(count: int, longest: int) -> Kept:
    """Journeys of two actors out of three in turn, the first steps at once and the last as late as can be."""
    kept = Kept(DEPTHS, longest)
    kept.reach(count)
    actor = np.arange(count, dtype=np.int32)
    at = kept.add(actor, BEGUN + np.arange(count), actor % 5, np.full(count, NEVER))
    reached = np.full((count, DEPTHS), NEVER, np.int64)
    reached[:, 0] = kept.begin[at]
    reached[::2, 2] = kept.begin[at][::2] + longest
    deepest = np.where(np.arange(count) % 2 == 0, 2, 0)
    deepest[-1], reached[-1] = DEPTHS, NEVER
    kept.reach_all(at, deepest, reached)
    kept.ended[at[::3]], kept.end[at[::3]], kept.brought[at[::3]] = CONVERTED, BEGUN + 2 * longest, 7
    return kept


@pytest.mark.parametrize("longest", [DAY, 2**32 - 2, 2**32 - 1, 3_660 * DAY])
def test_times_come_out_as_they_were_put_in(longest: int) -> None:
    kept = filled(11, longest)
    begin = [BEGUN + at for at in range(11)]
    expected = [[begin[at], NEVER, begin[at] + longest if at % 2 == 0 else NEVER] for at in range(10)]
    assert kept.journeys(0).reached.tolist() == [*expected, [NEVER] * DEPTHS]
    clocks = [begin[at] + (longest if at % 2 == 0 else 0) for at in range(10)] + [begin[10]]
    assert kept.clocks(np.arange(11, dtype=np.int32)).tolist() == clocks
    assert [kept.clock(at) for at in range(11)] == clocks
    kept.step(np.array([1], np.int32), np.array([1]), np.array([begin[1] + longest]))
    assert kept.journeys(0).reached[1].tolist() == [begin[1], begin[1] + longest, NEVER]
    assert kept.clock(1) == begin[1] + longest


def test_what_values_are_learned_from_is_the_same_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kizashi_collector.analysis._rolling_journeys._kept._PART", 4)
    kept = filled(11, DAY)
    kept.drop(np.array([2, 9], np.int32))
    whole, parts = kept.journeys(BEGUN + 1), kept.for_values(BEGUN + 1)
    assert [len(part) for part in parts] == [1, 4, 2]
    for name in ("begin", "source", "reached", "ended", "end", "brought"):
        joined = np.concatenate([getattr(part, name) for part in parts])
        assert joined.dtype == getattr(whole, name).dtype
        assert joined.tolist() == getattr(whole, name).tolist()


def test_parts_that_are_joined_are_let_go_of() -> None:
    kept = filled(5, DAY)
    kept.apart[3] = None
    whole = kept.journeys(0)
    parts = [kept.journeys(0), kept.journeys(0)]
    joined = join_journeys(parts)
    assert not parts
    assert joined.apart == {3: None, 8: None}
    for name in Journeys.__struct_fields__:
        if name != "apart":
            assert getattr(joined, name).tolist() == 2 * getattr(whole, name).tolist()
