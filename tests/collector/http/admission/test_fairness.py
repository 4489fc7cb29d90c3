"""Who gets how much of a room, and of the throughput, when there is less than everybody wants."""

from __future__ import annotations

import asyncio
import threading
from collections import Counter
from pathlib import Path
from weakref import WeakKeyDictionary

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kizashi_collector.http import Limits
from kizashi_collector.http._admission._admission import Admission, FairPool
from kizashi_collector.http._admission._turns import Turns
from kizashi_collector.http._problems import ProblemError
from live_collector import KEYS, LiveCollector, event, live_collector, until


class Time:
    """A clock that the test sets."""

    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now


def fill(pool: FairPool, caller: str, wanted: int, limit: int, most: int) -> int:
    """Take single pieces until refused; returns how many."""
    for taken in range(wanted):
        if pool.refusal(caller, 1, limit, most):
            return taken
        pool.take(caller, 1)
    return wanted


def test_alone_a_caller_may_have_all_the_room() -> None:
    assert fill(FairPool(), "a", 500, 100, 1_000) == 100


@given(st.lists(st.integers(1, 60), min_size=2, max_size=6))
def test_whoever_wants_less_than_an_equal_share_gets_it_beside_one_that_wants_all(wants: list[int]) -> None:
    limit = 60 * (len(wants) + 1)
    pool = FairPool()
    fill(pool, "greedy", 10**6, limit, 10**6)
    assert [fill(pool, str(number), want, limit, 10**6) for number, want in enumerate(wants)] == wants


def test_callers_who_all_want_more_come_to_hold_equal_parts() -> None:
    pool, held = FairPool(), Counter[str]()
    order: list[str] = []
    for round_ in range(2_000):
        for caller, pieces in (("greedy", 50), ("a", 3), ("b", 3)):
            for _ in range(pieces):
                if not pool.refusal(caller, 1, 300, 600):
                    pool.take(caller, 1)
                    held[caller] += 1
                    order.append(caller)
        for caller in order[:3]:  # three leave, those first that came first
            pool.give_back(caller, 1)
            held[caller] -= 1
        del order[:3]
        assert pool.total == held.total() <= 600, round_
    assert max(held.values()) <= 1.1 * min(held.values())


def test_the_refusal_says_whose_fault_it_is() -> None:
    pool = FairPool()
    fill(pool, "greedy", 100, 100, 110)
    assert pool.refusal("greedy", 1, 100, 110) == "busy"  # there is nobody else
    fill(pool, "other", 1, 100, 110)
    assert pool.refusal("greedy", 1, 100, 110) == "over_share"
    assert pool.refusal("other", 60, 100, 110) == "over_share"
    assert pool.refusal("third", 20, 100, 110) == "busy"


async def test_callers_take_turns_by_events_and_not_by_batches() -> None:
    turns, done = Turns(at_once=10, quantum=10), Counter[str]()

    async def work(caller: str, events: int) -> None:
        while done.total() < 3_000:
            await turns.begin(caller, events)
            await asyncio.sleep(0)
            done[caller] += events if done.total() < 3_000 else 0
            turns.end(events)

    await asyncio.gather(*(work("greedy", 10) for _ in range(20)), *(work("small", 1) for _ in range(20)))
    assert done["small"] == pytest.approx(done["greedy"], rel=0.1)


async def test_a_batch_that_is_given_up_while_it_waits_takes_no_turn() -> None:
    turns = Turns(at_once=1, quantum=1)
    await turns.begin("a", 1)
    waiting = [asyncio.create_task(turns.begin(caller, 1)) for caller in "abab"]
    await asyncio.sleep(0)
    waiting[0].cancel()
    turns.end(1)  # calls one of those that are left
    await asyncio.sleep(0)
    called = next(task for task in waiting[1:] if task.done())
    assert [task.done() for task in waiting].count(True) == 2
    for task in waiting:
        if task is not called and not task.done():
            turns.end(1)
            await task
    turns.end(1)
    assert turns._working == 0
    assert not turns._round


async def test_a_batch_that_is_given_up_just_when_it_is_called_lets_the_next_in() -> None:
    turns = Turns(at_once=1, quantum=1)
    await turns.begin("a", 1)
    given_up, following = (asyncio.create_task(turns.begin("b", 1)) for _ in range(2))
    await asyncio.sleep(0)
    turns.end(1)
    given_up.cancel()
    await asyncio.wait_for(following, 10)
    turns.end(1)
    assert turns._working == 0


def admission(time: Time) -> Admission:
    return Admission(max_events=10, max_pending=1_000, max_wait=1.0, pending=lambda: 0, clock=time, chance=lambda: 0.5)


queues: WeakKeyDictionary[Admission, list[float]] = WeakKeyDictionary()


def store(door: Admission, time: Time, rate: float, seconds: float, demand: int) -> float:
    """A log that stores at `rate`, with `demand` batches of 10 waiting if they are let in; returns the last wait."""
    queue = queues.setdefault(door, [])
    wait = 0.0
    for _ in range(int(seconds * rate / 10)):
        while len(queue) < demand:
            try:
                door.enter("a", 10)
            except ProblemError:
                break
            queue.append(time.now)
        time.now += 10 / rate
        began = queue.pop(0)
        wait = time.now - began
        door.leave("a", 10, began, 10)
    return wait


@pytest.mark.parametrize("rate", [50.0, 200.0, 700.0])
def test_what_is_let_in_waits_for_about_as_long_as_it_may(rate: float) -> None:
    time = Time()
    door = admission(time)
    assert 0.4 <= store(door, time, rate, 20, demand=100) <= 1.5


def test_the_room_follows_a_log_that_becomes_slower_and_faster_again() -> None:
    time = Time()
    door = admission(time)
    store(door, time, 700, 20, demand=100)
    fast = door.room
    assert store(door, time, 100, 20, demand=100) <= 1.5
    assert door.room < fast / 3
    store(door, time, 700, 20, demand=100)
    assert door.room > fast / 2


def test_a_log_that_is_not_busy_leaves_the_room_as_it_is() -> None:
    time = Time()
    door = admission(time)
    before = door.room
    store(door, time, 500, 20, demand=1)
    assert door.room == before


def test_those_who_are_sent_away_together_do_not_come_back_together() -> None:
    time, told = Time(), set[str]()
    chances = iter([0.0, 0.4, 0.99])
    door = Admission(
        max_events=10, max_pending=10, max_wait=1.0, pending=lambda: 10, clock=time, chance=lambda: next(chances)
    )
    for _ in range(3):
        with pytest.raises(ProblemError) as caught:
            door.enter("a", 5)
        told.add(caught.value.headers["Retry-After"])
    assert told == {"1", "2", "3"}


async def send(collector: LiveCollector, secret: str, events: int) -> tuple[int, str | None]:
    """Send a batch with a key; returns the status and Retry-After."""
    body = {"events": [event() for _ in range(events)]}
    headers = {"Authorization": f"Bearer {secret}"}
    async with collector.ask("POST", "/v1/events", headers=headers, json=body) as response:
        return response.status, response.headers.get("Retry-After")


async def test_a_key_that_floods_is_sent_away_and_another_is_let_in(tmp_path: Path) -> None:
    """The room is full of what one key brought, and stays so: its batches wait behind a lock on the file."""
    async with live_collector(tmp_path, limits=Limits(events=10, pending_events=200)) as collector:
        assert collector.services.keys is not None
        other = collector.services.keys.create("another shop", "write")
        async with held_back(collector):
            flood = [asyncio.create_task(send(collector, KEYS["write"], 10)) for _ in range(10)]
            await until(lambda: sum(task.done() for task in flood) == 6)
            assert {task.result()[0] for task in flood if task.done()} == {503}
            fair = asyncio.create_task(send(collector, other, 10))
            await asyncio.wait([fair], timeout=0.2)
            assert not fair.done()  # it waits to be stored, and was not sent away
            status, later = await send(collector, KEYS["write"], 10)
            assert status == 429
            assert later is not None
            assert 1 <= int(later) <= 9
        assert (await fair)[0] == 200
        assert Counter(status for status, _ in await asyncio.gather(*flood)) == {200: 4, 503: 6}
        assert (await collector.summary()).total.events["mv_view"].count == 50
        async with collector.ask("GET", "/metrics") as response:
            text = await response.text()
        assert 'kizashi_refused_requests_total{reason="over_share"} 1.0' in text
        assert 'kizashi_refused_requests_total{reason="busy"} 6.0' in text
        (room,) = (line for line in text.splitlines() if line.startswith("kizashi_room_events "))
        assert float(room.split()[1]) >= 40  # it moves with how fast the machine stores


class held_back:  # noqa: N801  # reads as what it does
    """While the block lasts, the log takes its time: its writer waits for a piece of work of the test's."""

    def __init__(self, collector: LiveCollector) -> None:
        self._collector = collector
        self._go = threading.Event()

    async def __aenter__(self) -> None:
        writer = self._collector.services.log._writer  # type: ignore[attr-defined]
        self._held = asyncio.create_task(writer.run(lambda _: self._go.wait()))
        await asyncio.sleep(0)

    async def __aexit__(self, *_: object) -> None:
        self._go.set()
        await self._held
