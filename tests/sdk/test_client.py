"""The face: what track, flush, aflush, close and stats promise."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import kizashi
from kizashi import Client, ConfigurationError, Stats, UsageError
from sdk.scripted_collector import Collector, SkippingClock, hang, refuse, status

MakeClient = Callable[..., Client]

junk = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text()
    | st.binary()
    | st.just(object())
    | st.sampled_from(["mv_view", "v-1", "JPY", "restate", "2026-11-01T00:00:00Z", Decimal("NaN"), "\ud800"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text(max_size=5) | st.integers() | st.just("key"), inner, max_size=3)
    ),
    max_leaves=5,
)
ARGUMENTS = (
    *("actor", "value", "currency", "order", "session", "source", "properties", "time", "idempotency_key"),
    *("consent", "adjust"),
)


class Trap(Mapping[str, Any]):
    """Raises wherever it is touched."""

    def __getitem__(self, key: str) -> object:
        raise RuntimeError(key)

    def __iter__(self) -> Iterator[str]:
        raise RuntimeError("no")

    def __len__(self) -> int:
        raise RuntimeError("no")


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(name=junk, arguments=st.dictionaries(st.sampled_from(ARGUMENTS), junk))
def test_track_takes_anything_without_raising(client: Client, name: Any, arguments: dict[str, Any]) -> None:
    before = client.stats().tracked
    with kizashi.context(actor="v-1"):
        client.track(name, **arguments)
    assert client.flush(10)
    assert client.stats().tracked == before + 1
    assert client.stats().balanced


def test_mappings_that_raise_are_counted(client: Client) -> None:
    client.track("mv_view", actor="v-1", properties=Trap())
    assert client.stats() == Stats(tracked=1, dropped={"invalid": 1})


def test_what_the_caller_changes_afterwards_does_not_travel(client: Client, scripted: Collector) -> None:
    properties: dict[str, Any] = {"sku": "A-1"}
    source = {"campaign": "brand"}
    consent = {"ads": True}
    with kizashi.context(actor="v-1", source=source):
        client.track("mv_view", properties=properties, consent=consent)
        source["campaign"] = properties["sku"] = "changed"
        consent["ads"] = False
    assert client.flush(10)
    [event] = scripted.events
    assert (event["source"], event["properties"]) == ({"campaign": "brand"}, {"sku": "A-1"})
    assert event["consent"] == {"ads": True}


def test_nobody_and_nonsense_are_dropped_by_reason(client: Client, scripted: Collector) -> None:
    client.track("mv_view")
    client.track("Not a name", actor="v-1")
    client.track("mv_view", actor="v-1", value=float("nan"))
    assert client.flush(10)
    assert client.stats() == Stats(tracked=3, dropped={"no_actor": 1, "invalid": 2})
    assert scripted.requests == []


def test_the_bound_on_events_holds_against_a_hung_server(make_client: MakeClient, scripted: Collector) -> None:
    scripted.always = hang
    client = make_client(max_queue_events=100, batch_size=10)
    for _ in range(1_000):
        client.track("mv_view", actor="v-1")
    scripted.hanging.wait(10)
    stats = client.stats()
    assert stats.balanced
    assert (stats.tracked, stats.queued + stats.in_flight) == (1_000, 100)
    assert stats.dropped == {"queue_full": 900}


def test_the_bound_on_bytes_holds_against_a_hung_server(make_client: MakeClient, scripted: Collector) -> None:
    scripted.always = hang
    client = make_client(max_queue_bytes=1_000_000)
    for _ in range(1_000):
        client.track("mv_view", actor="v-1", properties={"note": "x" * 10_000})
        assert client.stats().queue_bytes <= 1_000_000
    assert client.stats().balanced
    assert client.stats().dropped["queue_full"] >= 900


def test_fifty_thousand_events_wait_out_an_outage(make_client: MakeClient, scripted: Collector) -> None:
    scripted.always = hang
    client = make_client(_clock=None)
    source = {"campaign": "brand", "device": "mobile", "gclid": "EAIa"}
    with kizashi.context(actor="v-8f2", session="s-1", source=source):
        for _ in range(50_000):
            client.track("mv_add_to_cart", value=1200, currency="JPY", properties={"sku": "A-1", "qty": 2})
    stats = client.stats()
    assert stats.dropped == {}
    assert stats.queued + stats.in_flight == 50_000


def test_flush_tells_whether_all_before_it_is_settled(make_client: MakeClient, scripted: Collector) -> None:
    client = make_client()
    assert client.flush(0.0)
    scripted.script.append(hang)
    client.track("mv_view", actor="v-1")
    assert not client.flush(0.05)
    scripted.release.set()
    assert client.flush(10)
    assert client.stats().delivered == 1


def test_flush_cuts_a_backoff_short(make_client: MakeClient, scripted: Collector) -> None:
    client = make_client(_clock=None, _entropy=lambda size: b"\xff" * size)
    scripted.script.extend([status(503)] * 4)
    client.track("mv_view", actor="v-1")
    assert not client.flush(0.2)
    for _ in range(3):
        client.flush(0.05)
    # Untouched, the fourth wait alone would take four seconds.
    assert client.flush(0.5)


def test_flush_respects_what_the_collector_asked_for(make_client: MakeClient, scripted: Collector) -> None:
    client = make_client(_clock=None)
    scripted.script.append(status(429, Retry_After="100"))
    client.track("mv_view", actor="v-1")
    assert not client.flush(0.1)
    assert not client.flush(0.1)
    assert len(scripted.requests) == 1


async def test_aflush_leaves_the_loop_free(make_client: MakeClient, scripted: Collector) -> None:
    client = make_client()
    scripted.script.append(hang)
    client.track("mv_view", actor="v-1")
    flushing = asyncio.create_task(client.aflush(10))
    await asyncio.to_thread(scripted.hanging.wait, 10)
    # The worker is stuck in the request, and the loop still turns.
    beats = 0
    for _ in range(100):
        await asyncio.sleep(0)
        beats += 1
    assert beats == 100
    assert not flushing.done()
    scripted.release.set()
    assert await flushing
    assert client.stats().delivered == 1


async def test_aflush_gives_up_in_time(make_client: MakeClient, scripted: Collector) -> None:
    client = make_client()
    assert await client.aflush(0.0)
    scripted.script.append(hang)
    client.track("mv_view", actor="v-1")
    assert not await client.aflush(0.05)
    assert client._pipeline.queue._watchers == []


def test_aflush_does_not_mind_a_loop_that_is_gone(make_client: MakeClient, scripted: Collector) -> None:
    client = make_client()
    scripted.script.append(hang)
    client.track("mv_view", actor="v-1")

    async def lose_patience() -> None:
        task = asyncio.create_task(client.aflush(10))
        await asyncio.sleep(0)
        task.cancel()

    asyncio.run(lose_patience())
    scripted.release.set()
    assert client.flush(10)


def test_close_delivers_and_refuses_what_comes_after(make_client: MakeClient, scripted: Collector) -> None:
    client = make_client()
    client.track("mv_view", actor="v-1")
    assert client.close(10)
    assert client.close(10)
    client.track("mv_view", actor="v-1")
    assert client.stats() == Stats(tracked=2, delivered=1, dropped={"closed": 1})
    assert client.closed
    assert "kizashi" not in {thread.name for thread in threading.enumerate()}


def test_close_is_bounded_against_a_hung_server(make_client: MakeClient, scripted: Collector) -> None:
    client = make_client()
    scripted.always = hang
    for _ in range(20):
        client.track("mv_view", actor="v-1")
    client.flush(0.0)
    scripted.hanging.wait(10)
    start = time.monotonic()
    assert not client.close(0.2)
    assert time.monotonic() - start < 1.0
    assert client.stats() == Stats(tracked=20, dropped={"exit": 20})
    assert not client.close(0.2)
    for worker in [thread for thread in threading.enumerate() if thread.name == "kizashi"]:
        worker.join(5)
        assert not worker.is_alive()
    assert client.stats() == Stats(tracked=20, dropped={"exit": 20})


def test_a_client_closes_itself_as_a_context_manager(scripted: Collector, clock: SkippingClock) -> None:
    with Client(endpoint=scripted.url, flush_interval=3_600, _clock=clock) as client:
        client.track("mv_view", actor="v-1")
    assert scripted.names() == ["mv_view"]
    assert client.closed


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("Not a name", {"actor": "v-1"}),
        ("mv_view", {}),
        ("mv_view", {"actor": "v-1", "value": float("nan")}),
        ("mv_view", {"actor": "v-1", "value": 0.5, "currency": "JPY"}),
        ("mv_view", {"actor": "v-1", "properties": Trap()}),
        ("mv_view", {"actor": "v-1", "properties": {"note": "x" * 40_000}}),
    ],
)
def test_strict_mode_raises_at_once_and_still_counts(
    make_client: MakeClient, name: str, arguments: dict[str, Any]
) -> None:
    client = make_client(strict=True)
    with pytest.raises(UsageError):
        client.track(name, **arguments)
    assert client.stats().balanced
    assert sum(client.stats().dropped.values()) == client.stats().tracked == 1


def test_strict_mode_raises_after_close(make_client: MakeClient) -> None:
    client = make_client(strict=True)
    client.track("mv_view", actor="v-1")
    client.close(10)
    with pytest.raises(UsageError, match="closed"):
        client.track("mv_view", actor="v-1")


def test_stats_balance_at_every_instant_while_threads_track(make_client: MakeClient, scripted: Collector) -> None:
    client = make_client(batch_size=20, max_queue_events=200)
    scripted.script.extend([status(503), refuse(400), status(429, Retry_After="1")] * 3)
    done = threading.Event()

    def track() -> None:
        for number in range(1_500):
            client.track("mv_view" if number % 7 else "Bad", actor="v-1" if number % 11 else None)

    def look() -> None:
        while not done.is_set():
            assert client.stats().balanced

    callers = [threading.Thread(target=track) for _ in range(2)]
    looker = threading.Thread(target=look)
    for thread in (*callers, looker):
        thread.start()
    for thread in callers:
        thread.join()
    assert client.flush(20)
    done.set()
    looker.join()
    stats = client.stats()
    assert stats.balanced
    assert (stats.tracked, stats.queued, stats.in_flight) == (3_000, 0, 0)
    assert stats.delivered == len(scripted.events)


def test_a_sources_default_travels_with_every_event(make_client: MakeClient, scripted: Collector) -> None:
    client = make_client(source={"channel": "app"})
    client.track("mv_view", actor="v-1", source={"campaign": "brand"})
    assert client.flush(10)
    assert scripted.events[0]["source"] == {"channel": "app", "campaign": "brand"}


def test_repr_shows_where_and_never_the_key(client: Client, scripted: Collector) -> None:
    assert scripted.url in repr(client)
    assert "secret" not in repr(client) + repr(vars(client))


def test_options_that_cannot_be_are_named() -> None:
    with pytest.raises(ConfigurationError, match="batch_size"):
        Client(endpoint="http://127.0.0.1", batch_size=2_501)


def test_where_no_thread_can_be_started_flushes_take_turns_and_lose_nothing(
    make_client: MakeClient, scripted: Collector, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = make_client(batch_size=10)
    start = threading.Thread.start

    def refuse(thread: threading.Thread) -> None:
        if thread.name == "kizashi":
            raise RuntimeError("can't start new thread")
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", refuse)
    for number in range(200):
        client.track("mv_view", actor=f"v-{number}")
    flushed: list[bool] = []
    callers = [threading.Thread(target=lambda: flushed.append(client.flush(10.0))) for _ in range(3)]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join(20)
    assert flushed == [True, True, True]
    assert client.stats() == Stats(tracked=200, delivered=200)


def test_what_a_signal_handler_raises_is_not_swallowed_once_the_event_is_in_the_books(
    make_client: MakeClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Deadline(Exception):  # noqa: N818  # as a site's own may be called
        pass

    client = make_client()
    queue = client._pipeline.queue
    offer = queue.offer

    def interrupted(record: Any) -> str | None:
        offer(record)
        raise Deadline

    monkeypatch.setattr(queue, "offer", interrupted)
    with pytest.raises(Deadline):
        client.track("mv_view", actor="v-1")
    assert client.stats().tracked == 1


@pytest.mark.parametrize("seconds", [float("inf"), 1e10, float("nan"), -1.0])
def test_any_number_of_seconds_can_be_waited_for(make_client: MakeClient, seconds: float) -> None:
    client = make_client()
    client.track("mv_view", actor="v-1")
    assert client.flush(10.0)
    assert client.flush(seconds)
    assert asyncio.run(client.aflush(seconds))
    assert client.close(seconds)
