"""Token buckets, with time as an argument; and rates as a client meets them."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kizashi_collector.http import Limits
from kizashi_collector.http._admission._rates import TokenBuckets
from live_collector import event, live_collector


class Time:
    """A clock that the test sets."""

    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now


@given(
    rate=st.floats(0.1, 1_000),
    burst=st.floats(1, 5_000),
    steps=st.lists(st.tuples(st.floats(0, 20), st.integers(1, 3_000)), max_size=60),
)
def test_nobody_takes_more_than_burst_and_rate_allow(rate: float, burst: float, steps: list[tuple[float, int]]) -> None:
    time = Time()
    buckets = TokenBuckets(rate, burst, time)
    tokens = burst  # the textbook's bucket, which may go below zero by one that is larger than it is
    for pause, wanted in steps:
        time.now += pause
        tokens = min(burst, tokens + pause * rate)
        wait = buckets.take("a", wanted)
        lacking = min(wanted, burst) - tokens
        if abs(lacking) > 1e-6 * max(1, burst):
            assert (wait > 0) is (lacking > 0)
        if wait > 0:
            assert wait == pytest.approx(max(0, lacking) / rate, abs=1e-6 * max(1, burst / rate))
        else:
            tokens -= wanted


@given(rate=st.floats(0.1, 1_000), first=st.integers(1, 3_000), second=st.integers(1, 3_000))
def test_who_waits_as_long_as_told_is_let_in(rate: float, first: int, second: int) -> None:
    time = Time()
    buckets = TokenBuckets(rate, 2_500, time)
    assert buckets.take("a", first) == 0
    time.now += buckets.wait("a", second) + 1e-6
    assert buckets.take("a", second) == 0


def test_one_caller_does_not_use_up_anothers() -> None:
    buckets = TokenBuckets(1, 10, Time())
    assert buckets.take("a", 10) == 0
    assert buckets.take("a", 1) == pytest.approx(1)
    assert buckets.take("b", 10) == 0


def test_what_was_taken_for_nothing_is_given_back() -> None:
    buckets = TokenBuckets(1, 10, Time())
    buckets.take("a", 10)
    buckets.charge("a", -10)
    assert buckets.take("a", 10) == 0


def test_callers_that_are_gone_are_forgotten() -> None:
    time = Time()
    buckets = TokenBuckets(1, 10, time)
    for number in range(10_000):
        time.now += 1
        buckets.take(f"caller {number}", 5)
    assert len(buckets._full_at) < 2_000


async def test_a_key_that_brings_too_many_events_is_told_when_to_come_back(tmp_path: Path) -> None:
    async with live_collector(tmp_path, limits=Limits(rate=0.01, events=5)) as collector:
        assert (await collector.post([event() for _ in range(5)])).accepted == 5
        body = {"events": [event(), event()]}
        async with collector.ask("POST", "/v1/events", scope="write", json=body) as response:
            problem = await response.json()
            assert (response.status, problem["code"]) == (429, "rate_limited")
            assert 190 <= int(response.headers["Retry-After"]) <= 200  # 2 events at one in 100 s
        async with collector.ask("GET", "/metrics") as response:
            assert 'kizashi_refused_requests_total{reason="rate_limited"} 1.0' in await response.text()
        assert (await collector.summary()).total.actors == 1


async def test_the_rate_of_one_key_is_not_that_of_another(tmp_path: Path) -> None:
    async with live_collector(tmp_path, limits=Limits(rate=0.01, events=5)) as collector:
        assert collector.services.keys is not None
        other = collector.services.keys.create("another shop", "write")
        await collector.post([event() for _ in range(5)])
        assert await collector.problem("POST", "/v1/events", scope="write", json={"events": [event()]}) == (
            429,
            "rate_limited",
        )
        headers = {"Authorization": f"Bearer {other}"}
        async with collector.ask("POST", "/v1/events", headers=headers, json={"events": [event()]}) as response:
            assert response.status == 200


JSON = {"Content-Type": "application/json"}


async def test_events_are_charged_as_they_are_even_where_their_ids_are_spelt_in_disguise(tmp_path: Path) -> None:
    async with live_collector(tmp_path, limits=Limits(rate=0.01, events=5)) as collector:
        disguised = b",".join(b'{"\\u0069d": "d%d", "name": "a", "time": 0, "actor": "x"}' % n for n in range(5))
        body = b'{"events": [' + disguised + b"]}"
        async with collector.ask("POST", "/v1/events", scope="write", data=body, headers=JSON) as response:
            assert (await response.json())["accepted"] == 5
        assert (await collector.problem("POST", "/v1/events", scope="write", data=body, headers=JSON))[0] == 429


async def test_a_batch_larger_than_the_rate_is_taken_when_nothing_was_before(tmp_path: Path) -> None:
    async with live_collector(tmp_path, limits=Limits(rate=1, events=50)) as collector:
        assert (await collector.post([event() for _ in range(50)])).accepted == 50


async def test_a_batch_that_the_log_did_not_take_costs_nothing(tmp_path: Path) -> None:
    async with live_collector(tmp_path, limits=Limits(rate=0.01, events=5)) as collector:
        collector.services.log._writer._max_pending = 0  # type: ignore[attr-defined]  # as if it were full
        for _ in range(3):
            body = {"events": [event() for _ in range(5)]}
            assert await collector.problem("POST", "/v1/events", scope="write", json=body) == (503, "busy")
        collector.services.log._writer._max_pending = 100  # type: ignore[attr-defined]
        assert (await collector.post([event() for _ in range(5)])).accepted == 5


async def test_questions_have_a_rate_of_their_own(tmp_path: Path) -> None:
    async with live_collector(tmp_path, limits=Limits(read_rate=0.01)) as collector:
        statuses = []
        for _ in range(12):
            async with collector.ask("GET", "/v1/plan") as response:
                statuses.append(response.status)
        assert statuses == [200] * 10 + [429] * 2
        assert (await collector.post([event()])).accepted == 1
        async with collector.ask("GET", "/v1/plan", scope="admin") as response:
            assert response.status == 200
        async with collector.ask("GET", "/readyz", scope=None) as response:
            assert response.status == 200
