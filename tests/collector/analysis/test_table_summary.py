"""A summary of columns is that of the events, in however many parts they come and however many rows there are."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kizashi_collector.analysis import (
    NO_VALUE,
    Codes,
    EventTable,
    Interval,
    LoggedEvent,
    Summary,
    Worth,
    _table_actors,
    _table_summary,
    summarize,
    summarize_table,
)
from kizashi_collector.analysis._table_actors import Actors
from kizashi_collector.analysis._table_money import Money
from kizashi_collector.analysis._table_sums import CellSums
from kizashi_schemas.plan import Plan, load_plan

PLAN = load_plan("""
    currency = "JPY"
    rates = { USD = 150.5 }
    [events.mv_cart]
    action = "primary"
    value = 300
    counting = "once"
    [events.purchase]
    final = true
    action = "primary"
    value = "event"
""")
CODES = Codes(
    ["", "mv_cart", "purchase", "mv_unplanned"],
    ["", "JPY", "USD", "EUR"],
    [{}, *({"campaign": f"c-{at}", "device": "pc"} for at in range(6)), {"campaign": "c-0", "device": "tv"}],
)
LARGEST = 10**16
events = st.tuples(
    st.integers(1, 3),
    st.integers(0, 20),
    st.sampled_from([NO_VALUE, 0, 1, 30_000_000, LARGEST]),
    st.integers(0, 3),
    st.integers(0, 7),
    st.integers(0, 5),
    st.sampled_from([None, "", "retract", "restate"]),
)
logs = st.lists(events, max_size=40)
Log = list[tuple[Any, ...]]


def asked(log: Log, plan: Plan | None, parts: int, by: tuple[str, ...]) -> tuple[Summary, Summary]:
    """The summary of the columns, and that of the events."""
    name, time, value, currency, source, actor = (np.array([one[at] for one in log], np.int64) for at in range(6))
    seq = np.arange(len(log)) + 1
    late = np.where(time % 7 == 0, time + 10**9, time)
    table = EventTable(seq, name, time, late, value, currency, source, actor, time % 5 == 0)
    plain = [
        LoggedEvent(
            id=f"{at}",
            name=CODES.names[one[0]],
            time=one[1],
            received_at=int(late[at]),
            value=None if one[2] == NO_VALUE else one[2],
            currency=CODES.currencies[one[3]] or None,
            source=CODES.sources[one[4]],
            actor=str(one[5]) if one[5] else None,
            order=None if one[6] is None else f"o-{at}",
            imported=one[1] % 5 == 0,
        )
        for at, one in enumerate(log)
    ]
    adjustments = [
        LoggedEvent(
            id=f"x-{at}",
            name=event.name,
            time=1,
            received_at=1,
            order=event.order,
            adjust=one[6],
            value=70,
            currency="JPY",
        )
        for at, (event, one) in enumerate(zip(plain, log, strict=True))
        if one[6]
    ]
    worth = Worth(plan, adjustments)
    adjusted = {at + 1: plain[at] for at, one in enumerate(log) if one[6]}
    edges = np.linspace(0, len(log), parts + 1).astype(int).tolist()
    tables = (table.part(a, b) for a, b in pairwise(edges))
    interval = Interval(3, 18, 20)
    return (
        summarize_table(tables, CODES, plan=plan, worth=worth, adjusted=adjusted, interval=interval, by=by),
        summarize(plain, plan=plan, worth=worth, interval=interval, by=by),
    )


@pytest.mark.parametrize("room", [1 << 26, 40, 0], ids=["a map", "a map that grows too large", "keys"])
@pytest.mark.parametrize("plan", [PLAN, None], ids=["plan", "no plan"])
@given(log=logs, parts=st.integers(1, 5), by=st.sampled_from([(), ("campaign",), ("campaign", "device")]))
@settings(max_examples=40)
def test_a_table_in_parts_is_counted_as_its_events(
    room: int, plan: Plan | None, log: Log, parts: int, by: tuple[str, ...]
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_table_actors, "_ROOM", room)
        patch.setattr(_table_actors, "_LEAST", 2)
        patch.setattr(_table_summary, "_BLOCK", 7)
        found, expected = asked(log, plan, parts, by)
    assert found == expected


@pytest.mark.parametrize("room", [1 << 26, 3_000, 0], ids=["a map", "a map that grows too large", "keys"])
@given(
    parts=st.lists(
        st.lists(st.tuples(st.integers(0, 9), st.integers(0, 2), st.integers(0, 2**31 - 1) | st.integers(0, 300))),
        max_size=4,
    )
)
@settings(max_examples=40)
def test_actors_are_told_apart_however_they_are_noted(room: int, parts: list[list[tuple[int, int, int]]]) -> None:
    if room > 3_000:  # no map is as large as that
        parts = [[(row, place, actor % 50_000) for row, place, actor in part] for part in parts]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_table_actors, "_ROOM", room)
        patch.setattr(_table_actors, "_LEAST", 4)
        actors, rows = Actors(3), 0
        for part in parts:
            row, place, actor = (np.array([one[at] for one in part], np.int64) for at in range(3))
            rows = max(rows, int(row.max(initial=-1)) + 1)
            actors.add(row, place, actor.astype(np.int32), rows)
        found = actors.counts(rows + 1)
    noted = {one for part in parts for one in part}
    assert found.cells.tolist() == [
        len([a for r, p, a in noted if (r, p) == (row, place)]) for row in range(rows + 1) for place in range(3)
    ]
    assert found.rows.tolist() == [len({a for r, _, a in noted if r == row}) for row in range(rows + 1)]
    assert found.places.tolist() == [len({a for _, p, a in noted if p == place}) for place in range(3)]
    assert found.whole == len({a for *_, a in noted})


@given(st.lists(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 2**56 - 1))), max_size=4))
@settings(max_examples=40)
def test_sums_beyond_64_bits_are_exact(parts: list[list[tuple[int, int]]]) -> None:
    sums = CellSums()
    for part in parts:
        cells, amounts = (np.array([one[at] for one in part], np.int64) for at in range(2))
        no = np.zeros(len(part), np.bool_)
        for _ in range(3):
            sums.add(
                cells, Money(amounts, no, {}, {}, no, np.zeros(len(part), np.int64)), int(cells.max(initial=-1)) + 1
            )
    sums.make_room(6)
    assert sums.sent(6, planned=True) == [
        3 * sum(a for part in parts for c, a in part if c == cell) for cell in range(6)
    ]
    assert sums.counts[:6].tolist() == [3 * sum(c == cell for part in parts for c, _ in part) for cell in range(6)]


def test_a_sum_of_four_million_of_the_greatest_amounts_is_exact() -> None:
    count, amount = 1 << 22, 2**56 - 1
    sums, no = CellSums(), np.zeros(count, np.bool_)
    nothing = np.zeros(count, np.int64)
    sums.add(nothing, Money(np.full(count, amount), no, {}, {}, no, nothing), 1)
    assert sums.sent(1, planned=True) == [count * amount]
