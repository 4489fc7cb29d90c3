"""Two readings of the summary meet: `summarize`, `Worth` and `complete_until` must equal the brute force."""

from __future__ import annotations

from typing import Any

import msgspec
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kizashi_collector.analysis import Figures, Interval, LoggedEvent, Worth, complete_until, summarize
from kizashi_schemas.plan import Plan, load_plan
from oracle.logs import event_logs, intervals
from oracle.summary import complete_until_answer, summary_answer
from oracle.worth import worth_declared, worth_final

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
_PROFILE = settings(max_examples=400, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))


def _plain(figures: Figures) -> dict[str, Any]:
    answer = msgspec.structs.asdict(figures)
    del answer["key"]
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
    assert complete_until(receipts, last_receipt=last, as_of=as_of) == complete_until_answer(receipts, last, as_of)
