"""The integer tables: what is counted, and as it stood days before."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import pytest

from kizashi_collector.analysis._values import Statistics
from kizashi_collector.analysis._values._exact import amount_bin, exact_sums
from kizashi_collector.analysis._values._grid import DAY_MS, HOUR_MS
from values.simulation import EPOCH, HORIZON, STEPS, Variant, World
from values.small import BOUNDARY, columns, counted, tables

WORLD = World(Variant(campaigns=6, fattest=20, thinnest=1, days=60, repeat=0.3, direct=0.05), 11)
AS_OF = EPOCH + 55 * DAY_MS + 7 * HOUR_MS
KEYS = [(f"c{n}", "mobile" if n % 2 else "desktop") for n in range(6)]


def as_rows(table: Any, *names: str) -> Counter[tuple[int, ...]]:
    rows = zip(*(getattr(table, name).tolist() for name in names), strict=True)
    return Counter({tuple(row[:-1]): row[-1] for row in rows})


def known(as_of: int = AS_OF, lookback: int = 30 * DAY_MS) -> Statistics:
    return counted(WORLD.known(as_of), KEYS, boundary=as_of, horizon=HORIZON, lookback=lookback)


def test_one_journey_is_counted_where_it_belongs() -> None:
    begun = BOUNDARY - 3 * DAY_MS - 10
    deeper = begun + 2 * HOUR_MS + 5
    found = tables([(1, {1: begun, 2: deeper}, deeper + 26 * HOUR_MS, 7_000_000)])
    assert as_rows(found.entries, "key", "step", "hour", "count") == {(1, 1, 72): 1, (1, 2, 70): 1}
    assert as_rows(found.exits, "key", "step", "next", "entry_day", "exit_day", "bin", "count") == {
        (1, 1, 2, 3, 2, 8): 1,
        (1, 2, 3, 2, 1, 22): 1,
    }
    assert as_rows(found.finals, "key", "day", "count") == {(1, 1): 1}
    assert (found.finals.total, found.finals.squares) == ((7_000_000,), (49 * 10**12,))


def test_a_step_that_was_passed_over_was_not_stayed_at() -> None:
    begun = BOUNDARY - DAY_MS
    found = tables([(0, {0: begun}, begun + 1, 5)])
    assert as_rows(found.exits, "step", "next", "count") == {(0, 3): 1}


def test_a_final_with_nothing_before_it_tells_nothing_of_steps() -> None:
    found = tables([(0, {}, BOUNDARY - 5, 9_000_000)])
    assert not len(found.entries.key)
    assert not len(found.finals.key)


def test_a_retracted_final_ends_its_journey_and_converts_nobody() -> None:
    begun = BOUNDARY - 20 * DAY_MS
    found = counted(columns([(0, {1: begun}, begun + 5, 0)], retracted=[0]), [("a",)])
    assert as_rows(found.exits, "step", "next", "count") == {(1, 3): 1}
    assert as_rows(found.finals, "key", "count") == {(0,): 1}
    assert as_rows(found.finals, "key", "converted") == {(0,): 0}


def test_the_lookback_is_open_at_its_start_and_the_boundary_closed() -> None:
    start = BOUNDARY - 90 * DAY_MS
    found = tables([(0, {1: start}, None, 0), (0, {1: start + 1}, None, 0), (0, {1: BOUNDARY}, None, 0)])
    assert sorted(found.entries.hour.tolist()) == [0, 90 * 24 - 1]


def test_what_comes_after_the_boundary_is_not_known() -> None:
    found = tables([(0, {1: BOUNDARY - 5, 2: BOUNDARY + 1}, BOUNDARY + 2, 3)])
    assert found.entries.step.tolist() == [1]
    assert not len(found.exits.key)
    assert not len(found.finals.key)
    assert as_rows(found.open_then, "days", "key", "step", "bin", "count") == {(0, 0, 1, 0): 1}


@pytest.mark.parametrize(("age", "there"), [(HORIZON - 1, 1), (HORIZON, 0)])
def test_at_its_horizon_a_journey_stands_open_no_more(age: int, there: int) -> None:
    found = tables([(0, {1: BOUNDARY - age}, None, 0)])
    assert int(found.open_then.count[found.open_then.days == 0].sum()) == there


def test_the_tables_agree_with_journeys_counted_one_by_one() -> None:
    journeys, found = WORLD.known(AS_OF), known()
    order = sorted(range(6), key=lambda n: KEYS[n])
    place = {source: order.index(source) for source in range(6)}
    entries: Counter[tuple[int, ...]] = Counter()
    exits: Counter[tuple[int, ...]] = Counter()
    for n in range(len(journeys.begin)):
        stays = [(m, int(t)) for m, t in enumerate(journeys.reached[n].tolist()) if t >= 0]
        if journeys.ended[n]:
            stays.append((STEPS + 1, int(journeys.end[n])))
        for index, (step, start) in enumerate(stays):
            if step == STEPS + 1 or start <= AS_OF - 30 * DAY_MS:
                continue
            key = place[int(journeys.source[n])]
            entries[key, step, (AS_OF - start) // HOUR_MS] += 1
            if index + 1 < len(stays):
                following, end = stays[index + 1]
                lag_bin = int(found.grid.bin_of(np.array([end - start]))[0])
                exits[key, step, following, (AS_OF - start) // DAY_MS, (AS_OF - end) // DAY_MS, lag_bin] += 1
    assert as_rows(found.entries, "key", "step", "hour", "count") == entries
    assert as_rows(found.exits, "key", "step", "next", "entry_day", "exit_day", "bin", "count") == exits


@pytest.mark.parametrize("days", [1, 14, 21])
def test_days_back_they_are_what_was_counted_then(days: int) -> None:
    past, then = known().back(days), known(AS_OF - days * DAY_MS, (30 - days) * DAY_MS)
    for name in ("key", "step", "hour", "count"):
        assert getattr(past.entries, name).tolist() == getattr(then.entries, name).tolist()
    for name in ("key", "step", "next", "entry_day", "exit_day", "bin", "count"):
        assert getattr(past.exits, name).tolist() == getattr(then.exits, name).tolist()
    assert (past.boundary, past.lookback) == (then.boundary, then.lookback)


def test_what_stood_open_then_is_what_was_open_then_with_what_became_of_it() -> None:
    found, then = known(), known(AS_OF - 14 * DAY_MS)
    chosen = found.open_then.days == 14
    now = then.open_then.days == 0
    # Those whose deepest step then was reached within the lookback of today, all of them here.
    assert found.open_then.count[chosen].tolist() == then.open_then.count[now].tolist()
    assert found.open_then.step[chosen].tolist() == then.open_then.step[now].tolist()
    assert 0 < found.open_then.finals[chosen].sum() < found.open_then.count[chosen].sum()
    assert not found.open_then.finals[found.open_then.days == 0].any()


def test_keys_in_any_order_give_the_same_tables() -> None:
    journeys = WORLD.known(AS_OF)
    shuffled = np.random.default_rng(3).permutation(6)
    row_of_source = np.argsort(shuffled)
    other = Statistics.of(
        journeys, row_of_source, [KEYS[n] for n in shuffled], boundary=AS_OF, horizon=HORIZON, lookback=30 * DAY_MS
    )
    mine = known()
    assert mine.keys == other.keys
    assert mine.exits.count.tolist() == other.exits.count.tolist()
    assert mine.finals.squares == other.finals.squares


def test_a_boundary_within_an_hour_is_refused() -> None:
    with pytest.raises(ValueError, match="whole hour"):
        counted(WORLD.known(AS_OF), KEYS, boundary=AS_OF + 1)


def test_keys_of_different_lengths_are_refused() -> None:
    with pytest.raises(ValueError, match="length"):
        counted(WORLD.known(AS_OF), [*KEYS[:5], ("c5",)], boundary=AS_OF)


def test_a_journey_of_no_source_is_refused() -> None:
    with pytest.raises(ValueError, match="no source"):
        tables([(-1, {1: BOUNDARY - 5}, None, 0)])


def test_sums_of_squares_are_exact_far_beyond_64_bits() -> None:
    amounts = np.array([10**16, 10**16 - 1, 3, 2**60 - 1, 0], np.int64)
    totals, squares = exact_sums(amounts, np.array([0, 2, 4]))
    parts = [amounts[:2].tolist(), amounts[2:4].tolist(), amounts[4:].tolist()]
    assert totals == tuple(sum(part) for part in parts)
    assert squares == tuple(sum(y * y for y in part) for part in parts)


def test_sizes_of_amounts_are_quarters_of_powers_of_two() -> None:
    amounts = np.array([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 2**59, 2**60 - 1], np.int64)
    expected = [0]
    for amount in amounts[1:].tolist():
        bits = amount.bit_length() - 1
        expected.append(4 * bits + (amount * 4 // 2**bits) % 4 + 1)
    assert amount_bin(amounts).tolist() == expected
