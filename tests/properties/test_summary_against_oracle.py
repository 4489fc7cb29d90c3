"""Two readings of the summary meet: `summarize`, `Worth` and `complete_until` must equal the brute force."""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from kizashi_collector.analysis import (
    NO_VALUE,
    Codes,
    EventTable,
    Figures,
    Interval,
    LoggedEvent,
    Worth,
    complete_until,
    complete_until_of,
    summarize,
    summarize_table,
)
from kizashi_collector.analysis._table import cell_sums, distinct
from kizashi_schemas.plan import Plan, load_plan
from oracle.logs import event_logs, intervals
from oracle.summary import complete_until_answer, summary_answer
from oracle.worth import worth_declared, worth_final
from tried import tried

EVENTS = """
    currency = "JPY"
    rates = { USD = 150.5 }
    [events.a]
    action = "primary"
    value = 300
    counting = "once"
    [events.b]
    action = "secondary"
    value = "event"
    [events.c]
    final = true
    action = "primary"
    value = "event"
    counting = "every"
    [events.d]
    final = true
    action = "secondary"
    value = 70
"""
ONCE = """
    [events.e]
    final = true
    action = "primary"
    value = 12.5
    counting = "once"
"""
DOLLARS = EVENTS.replace('"JPY"', '"USD"').replace("{ USD = 150.5 }", "{ JPY = 0.0066 }") + ONCE
PLANS = {
    "finals": load_plan(EVENTS),
    "dollars": load_plan(DOLLARS),
    "no rate": load_plan(EVENTS.replace("rates = { USD = 150.5 }", "")),
    "no final": load_plan(EVENTS.replace("final = true", "")),
    "no plan": None,
}
_RULES = st.sampled_from(sorted(PLANS)).map(PLANS.__getitem__)
_BY: list[tuple[str, ...]] = [(), ("campaign",), ("campaign", "device"), ("nowhere",)]
_PROFILE = tried(150)


def _plain(figures: Figures) -> dict[str, Any]:
    answer = msgspec.structs.asdict(figures)
    del answer["key"], answer["outcome"]  # journeys have oracles of their own
    return answer | {"events": {name: msgspec.structs.asdict(event) for name, event in figures.events.items()}}


def _worth(log: list[LoggedEvent], plan: Plan | None, interval: Interval) -> Worth:
    return Worth(plan, [event for event in log if event.adjust and event.time <= interval.as_of])


@_PROFILE
@given(
    log=event_logs(names="aaaabcccdex", min_size=12, max_size=20, crowd=20, actors="iiij"),
    plan=_RULES,
    interval=intervals(),
    by=st.sampled_from(_BY),
)
def test_any_summary_equals_the_brute_force(
    log: list[LoggedEvent], plan: Plan | None, interval: Interval, by: tuple[str, ...]
) -> None:
    summary = summarize(log, plan=plan, worth=_worth(log, plan, interval), interval=interval, by=by)
    expected = summary_answer(log, interval, plan=plan, by=by)
    assert {row.key: _plain(row) for row in summary.rows} == expected["rows"]
    assert [row.key for row in summary.rows] == list(expected["rows"])
    assert _plain(summary.total) == expected["total"]
    assert [*summary.total.events] == [*expected["total"]["events"]]
    assert summary.late_events == expected["late_events"]


@_PROFILE
@given(
    log=event_logs(names="aaaabcccdex", min_size=12, max_size=20, crowd=20, actors="iiij"),
    plan=_RULES,
    interval=intervals(),
    by=st.sampled_from(_BY),
    factor=st.sampled_from([1, 10**9]),
)
def test_a_table_is_counted_as_its_events_are(
    log: list[LoggedEvent], plan: Plan | None, interval: Interval, by: tuple[str, ...], factor: int
) -> None:
    log = [msgspec.structs.replace(e, value=None if e.value is None else min(e.value * factor, 10**16)) for e in log]
    worth = _worth(log, plan, interval)
    table, codes = table_of(log)
    touched = {(event.name, event.order) for event in log if event.adjust and event.time <= interval.as_of}
    adjusted = {seq: event for seq, event in enumerate(log, 1) if (event.name, event.order) in touched}
    found = summarize_table(table, codes, plan=plan, worth=worth, adjusted=adjusted, interval=interval, by=by)
    assert found == summarize(log, plan=plan, worth=worth, interval=interval, by=by)


@given(
    st.lists(st.tuples(st.integers(0, 3), st.integers(0, 2**56 - 1), st.integers(0, 4)), max_size=30),
)
def test_cells_are_summed_and_told_apart_exactly(items: list[tuple[int, int, int]]) -> None:
    cells, amounts, codes = (np.array([item[at] for item in items], np.int64) for at in range(3))
    assert cell_sums(cells, amounts, 4) == [sum(a for c, a, _ in items if c == cell) for cell in range(4)]
    assert distinct(cells, codes, 4).tolist() == [len({k for c, _, k in items if c == cell}) for cell in range(4)]


def table_of(log: list[LoggedEvent]) -> tuple[EventTable, Codes]:
    plain = [(seq, event) for seq, event in enumerate(log, 1) if event.adjust is None]
    codes: dict[str, list[Any]] = {"names": [""], "currencies": [""], "sources": [{}], "actors": [""]}

    def code(kind: str, thing: Any) -> int:
        if not thing:
            return 0
        if thing not in codes[kind]:
            codes[kind].append(thing)
        return codes[kind].index(thing)

    rows = [
        (
            *(seq, code("names", event.name), event.time, event.received_at),
            *(NO_VALUE if event.value is None else event.value, code("currencies", event.currency)),
            *(code("sources", dict(event.source)), code("actors", event.actor)),
        )
        for seq, event in plain
    ]
    # Codes in 32 bits, as the log's tables have them.
    kinds = (np.int64, np.int32, np.int64, np.int64, np.int64, np.int32, np.int32, np.int32)
    columns: list[Any] = [np.array([row[at] for row in rows], kind) for at, kind in enumerate(kinds)]
    columns.append(np.array([event.imported for _, event in plain], np.bool_))
    return EventTable(*columns), Codes(codes["names"], codes["currencies"], codes["sources"])


@_PROFILE
@given(log=event_logs(names="ccccd", max_size=18, crowd=14), plan=_RULES, interval=intervals())
def test_the_worth_of_any_event_equals_the_brute_force(
    log: list[LoggedEvent], plan: Plan | None, interval: Interval
) -> None:
    worth = _worth(log, plan, interval)
    for event in log:
        if event.adjust is None:
            assert worth.declared(event) == worth_declared(event, log, plan, interval.as_of)
            assert worth.final(event) == worth_final(event, log, plan, interval.as_of)


@_PROFILE
@given(
    spans=st.lists(st.tuples(st.integers(0, 30), st.integers(-2, 40)), max_size=40),
    before=st.integers(0, 5),
    silence=st.integers(0, 20),
)
def test_complete_until_equals_the_brute_force(spans: list[tuple[int, int]], before: int, silence: int) -> None:
    receipts = [(1_000 + received, 1_000 + received - lateness) for received, lateness in spans]
    last = max((received for received, _ in receipts), default=None)
    # Where no event came in today, the last receipt of all may still be known, and an import may be the very last.
    last = (None if before == 0 else 900 + before) if last is None else last + before
    as_of = 1_000 + silence if last is None else last + silence
    expected = complete_until_answer(receipts, last, as_of)
    assert complete_until(receipts, last_receipt=last, as_of=as_of) == expected
    received, times = (np.array([receipt[at] for receipt in receipts], np.int64) for at in (0, 1))
    assert complete_until_of(received, times, last_receipt=last, as_of=as_of) == expected
