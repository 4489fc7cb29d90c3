"""The counts of a summary in ClickHouse, how complete events are and at what pace they came, beside the plain ones."""

from __future__ import annotations

from collections import Counter

import msgspec
import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from clickhouse_engine import ask, events_table
from kizashi_collector.analysis import (
    Interval,
    LoggedEvent,
    complete_until,
    freshness_start,
    pace_hours,
    summarize,
)
from kizashi_collector.store._clickhouse._completeness import complete_until as complete_until_in_sql
from kizashi_collector.store._clickhouse._completeness import hour_counts
from kizashi_collector.store._clickhouse._summary import counted
from kizashi_schemas.plan import Plan
from oracle.logs import event_logs, intervals
from properties.test_summary_against_oracle import _BY, _RULES, _worth
from tried import tried

_PROFILE = tried(15)
_HOUR_MS = 3_600_000


@_PROFILE
@given(
    log=event_logs(names="aaaabcccdex", min_size=12, max_size=20, crowd=20, actors="iiij"),
    plan=_RULES,
    interval=intervals(),
    by=st.sampled_from(_BY),
    factor=st.sampled_from([1, 10**9]),
)
def test_a_summary_in_sql_counts_what_the_plain_one_does(
    log: list[LoggedEvent], plan: Plan | None, interval: Interval, by: tuple[str, ...], factor: int
) -> None:
    log = [msgspec.structs.replace(e, value=None if e.value is None else min(e.value * factor, 10**16)) for e in log]
    worth = _worth(log, plan, interval)
    adjusted = any(event.adjust for event in log)
    found = counted(ask, events_table(log), plan, interval, by, adjusted=adjusted)
    expected = summarize(log, plan=plan, worth=worth, interval=interval, by=by)
    assert found == expected


@tried(15)
@given(
    log=st.lists(
        st.tuples(st.integers(0, 30), st.integers(-2, 40), st.booleans(), st.sampled_from([None, None, "retract"])),
        max_size=40,
    ),
    silence=st.integers(0, 20),
)
def test_how_complete_events_are_is_what_the_plain_rule_says(
    log: list[tuple[int, int, bool, str | None]], silence: int
) -> None:
    day = 86_400_000
    events = [
        LoggedEvent(
            id=str(n),
            name="a",
            time=day + 1_000 + received - lateness,
            received_at=day + 1_000 + received,
            imported=imported,
            adjust="retract" if adjust else None,
        )
        for n, (received, lateness, imported, adjust) in enumerate(log)
    ]
    # One from long before is a receipt too, and too old to tell of today.
    events.append(LoggedEvent(id="old", name="a", time=0, received_at=7))
    counts = [event for event in events if not event.imported]
    as_of = max(event.received_at for event in counts) + silence
    lately = [(event.received_at, event.time) for event in counts if event.received_at > freshness_start(as_of)]
    expected = complete_until(lately, last_receipt=max(event.received_at for event in counts), as_of=as_of)
    assert complete_until_in_sql(ask, events_table(events), as_of) == expected


def test_nothing_is_known_of_an_empty_log() -> None:
    assert complete_until_in_sql(ask, events_table([]), 5) is None


@tried(8)
@given(
    times=st.lists(st.tuples(st.sampled_from("abx"), st.integers(0, 40 * 24)), max_size=60),
    until=st.integers(30 * 24, 40 * 24),
    later=st.integers(0, 30),
)
def test_hours_are_counted_as_they_come(times: list[tuple[str, int]], until: int, later: int) -> None:
    log = [
        LoggedEvent(id=str(n), name=name, time=hour * _HOUR_MS + n, received_at=0)
        for n, (name, hour) in enumerate(times)
    ]
    now, as_of = until * _HOUR_MS, until * _HOUR_MS + later
    found = hour_counts(ask, events_table(log), ["a", "b"], now, as_of)
    hours = Counter((event.name, event.time // _HOUR_MS) for event in log if event.time <= as_of)
    assert np.array_equal(found, [[hours[name, hour] for hour in pace_hours(now)] for name in ("a", "b")])
