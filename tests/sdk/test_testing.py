"""What sites use in their tests: a collector in memory, and questions to it."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

import kizashi
from kizashi import Client, UsageError
from kizashi.testing import Event, MemoryTransport, TrackedEvents, recorded
from sdk.scripted_collector import SkippingClock


@pytest.fixture
def memory() -> MemoryTransport:
    return MemoryTransport()


@pytest.fixture
def client(memory: MemoryTransport, clock: SkippingClock) -> Iterator[Client]:
    with Client(transport=memory, flush_interval=3_600, _clock=clock) as client:
        yield client


@pytest.fixture
def events() -> Iterator[TrackedEvents]:
    with recorded() as events:
        yield events


def test_what_was_sent_is_there_as_it_was_meant(client: Client, memory: MemoryTransport) -> None:
    client.track(
        "purchase",
        actor=7,
        value="10000000000.00",
        currency="USD",
        order="A-1",
        session="s-1",
        source={"campaign": "brand"},
        properties={"sku": "A", "qty": 2, "ratio": 0.5, "gift": True, "note": None},
        consent={"ads": False},
        time=1_790_000_000_000,
    )
    assert client.flush(10)
    (event,) = memory.events
    assert event == Event(
        id=event.id,
        name="purchase",
        time=1_790_000_000_000,
        actor="7",
        value=Decimal(10_000_000_000),
        currency="USD",
        order="A-1",
        session="s-1",
        source={"campaign": "brand"},
        properties={"sku": "A", "qty": 2, "ratio": 0.5, "gift": True, "note": None},
        consent={"ads": False},
    )


def test_money_is_exact(client: Client, memory: MemoryTransport) -> None:
    for value in ("0.1", Decimal("1234567.89"), 0.3, 12_800):
        client.track("mv_step", actor="v-1", value=value, currency="USD")
    assert client.flush(10)
    assert [event.value for event in memory.events] == [
        Decimal("0.1"),
        Decimal("1234567.89"),
        Decimal("0.3"),
        Decimal(12_800),
    ]


def test_an_event_shows_what_matters() -> None:
    event = Event(id="e-1", name="purchase", time=1, actor="v-1", value=Decimal(12800), currency="JPY")
    assert repr(event) == "<purchase actor='v-1' value=12800 currency='JPY'>"


@pytest.mark.parametrize("status", [408, 425, 429, 500, 502, 503])
def test_a_failure_is_retried_and_arrives_once(client: Client, memory: MemoryTransport, status: int) -> None:
    memory.fail_next(2, status=status, retry_after=1)
    memory.break_next()
    client.track("mv_step", actor="v-1")
    assert client.flush(10)
    assert [event.name for event in memory.events] == ["mv_step"]
    assert client.stats() == kizashi.Stats(tracked=1, delivered=1)


@pytest.mark.parametrize(("status", "reason"), [(400, "invalid"), (413, "too_large"), (422, "invalid")])
def test_a_refusal_is_the_collectors_own(client: Client, memory: MemoryTransport, status: int, reason: str) -> None:
    memory.fail_next(status=status)
    client.track("mv_step", actor="v-1")
    assert client.flush(10)
    assert memory.events == []
    assert client.stats().dropped == {reason: 1}


def test_ids_and_orders_count_once(client: Client, memory: MemoryTransport) -> None:
    for _ in range(2):
        client.track("purchase", actor="v-1", value=1, currency="JPY", order="A-1")
        client.track("mv_step", actor="v-1", idempotency_key="once")
        client.track("mv_other", actor="v-1", order="A-1")
    client.track("purchase", value=2, currency="JPY", order="A-1", adjust="restate")
    assert client.flush(10)
    assert [event.name for event in memory.events] == ["purchase", "mv_step", "mv_other", "purchase"]
    assert [event.adjust for event in memory.named("purchase")] == [None, "restate"]
    assert client.stats().delivered == 7


def test_what_was_cleared_never_happened(client: Client, memory: MemoryTransport) -> None:
    client.track("mv_step", actor="v-1", idempotency_key="once")
    assert client.flush(10)
    memory.fail_next(1_000)
    memory.clear()
    client.track("mv_step", actor="v-1", idempotency_key="once")
    assert client.flush(10)
    assert len(memory.events) == 1
    assert repr(memory) == "<MemoryTransport with 1 events>"


def test_many_threads_may_track_and_look(events: TrackedEvents) -> None:
    def work() -> None:
        for _ in range(50):
            kizashi.track("mv_step", actor="v-1")
            assert events.count("mv_step") > 0

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert events.count("mv_step") == 200


def test_the_code_under_test_tracks_into_memory(events: TrackedEvents) -> None:
    assert not events
    kizashi.track("mv_step", actor="v-1")
    kizashi.track("purchase", actor="v-1", value=12_800, currency="JPY")
    assert [event.name for event in events] == ["mv_step", "purchase"]
    assert [event.name for event in events.named("purchase")] == ["purchase"]
    assert (len(events), events.count("purchase"), events.count("mv_other")) == (2, 1, 0)
    assert repr(events).splitlines() == [
        "<kizashi: 2 events>",
        "  <mv_step actor='v-1'>",
        "  <purchase actor='v-1' value=12800 currency='JPY'>",
    ]
    events.clear()
    assert events.all == []


@pytest.mark.parametrize(
    "fields",
    [
        {"value": 12_800, "currency": "JPY"},
        {"value": "12800.00"},
        {"value": Decimal(12800)},
        {"value": 12_800.0},
        {"actor": 7, "order": "A-1", "session": None, "adjust": None},
        {"time": 1_790_000_000_000},
        {"time": datetime(2026, 9, 21, 14, 13, 20, tzinfo=UTC)},
        {"properties": {"sku": "A"}},
        {"properties": {"price": Decimal("0.1"), "qty": 2.0, "gift": True, "colour": None}},
        {"properties": {"price": 0.1}},
        {"source": {"campaign": "brand"}},
        {"consent": {}},
        {"consent": None},
    ],
    ids=repr,
)
def test_one_finds_the_event_by_its_fields(events: TrackedEvents, fields: dict[str, Any]) -> None:
    kizashi.track(
        "purchase",
        actor="7",
        value=12_800,
        currency="JPY",
        order="A-1",
        time=1_790_000_000_000,
        source={"campaign": "brand", "device": "mobile"},
        properties={"sku": "A", "price": 0.1, "qty": 2, "gift": True},
    )
    assert events.one("purchase", **fields).order == "A-1"
    with pytest.raises(AssertionError, match="where none was expected"):
        events.none("purchase", **fields)


@pytest.mark.parametrize(
    ("fields", "line"),
    [
        ({"value": 12_801}, "  value: expected 12801, was 12800"),
        ({"value": "12800.0000001"}, "  value: expected '12800.0000001', was 12800"),
        ({"currency": "USD"}, "  currency: expected 'USD', was 'JPY'"),
        ({"session": "s-1"}, "  session: expected 's-1', was none"),
        ({"actor": None}, "  actor: expected none, was '7'"),
        ({"properties": {"qty": "2"}}, "  properties['qty']: expected '2', was 2"),
        ({"properties": {"gift": 1}}, "  properties['gift']: expected 1, was True"),
        ({"properties": {"size": 1}}, "  properties['size']: expected 1, was none"),
        ({"properties": {}}, "  properties: expected none, was {'qty': 2, 'gift': True}"),
        ({"consent": {"ads": False}}, "  consent['ads']: expected False, was none"),
    ],
    ids=repr,
)
def test_a_miss_says_how_the_nearest_differs(events: TrackedEvents, fields: dict[str, Any], line: str) -> None:
    kizashi.track("purchase", actor="other", value=1, currency="EUR")
    kizashi.track("purchase", actor="7", value=12_800, currency="JPY", properties={"qty": 2, "gift": True})
    with pytest.raises(AssertionError) as caught:
        # What is right beside the fault makes the second event the nearer one.
        events.one("purchase", **({"actor": "7", "value": 12_800} | fields))
    assert line in str(caught.value).splitlines()


def test_a_miss_shows_all_that_was_tracked(events: TrackedEvents) -> None:
    kizashi.track("mv_step", actor="v-1")
    kizashi.track("purchase", actor="v-1", value=12_000, currency="JPY")
    with pytest.raises(AssertionError) as caught:
        events.one("purchase", value=12_800, currency="JPY")
    assert str(caught.value).splitlines() == [
        "no event 'purchase' with value=12800, currency='JPY'",
        "",
        "nearest: <purchase actor='v-1' value=12000 currency='JPY'>",
        "  value: expected 12800, was 12000",
        "",
        "tracked: 2 events",
        "  1  <mv_step actor='v-1'>",
        "  2  <purchase actor='v-1' value=12000 currency='JPY'>",
    ]


def test_a_wrong_name_gets_the_right_one(events: TrackedEvents) -> None:
    with pytest.raises(AssertionError, match="nothing was tracked"):
        events.one("purchase")
    kizashi.track("mv_add_to_cart", actor="v-1")
    with pytest.raises(AssertionError, match="did you mean 'mv_add_to_cart'"):
        events.one("mv_add_to_card")


def test_two_are_not_one(events: TrackedEvents) -> None:
    for value in (1, 2):
        kizashi.track("purchase", actor="v-1", value=value, currency="JPY")
    with pytest.raises(AssertionError, match="2 events 'purchase', where one was expected"):
        events.one("purchase")
    assert events.one("purchase", value=2).value == 2


@pytest.mark.parametrize(("fields", "words"), [({"colour": 1}, "no field 'colour'"), ({"source": 7}, "source is of")])
def test_a_field_that_cannot_be_asked_for_is_an_error(
    events: TrackedEvents, fields: dict[str, Any], words: str
) -> None:
    for ask in (events.one, events.none):
        with pytest.raises(TypeError, match=words):
            ask("purchase", **fields)


def test_wrong_use_raises_and_is_shown(events: TrackedEvents) -> None:
    with pytest.raises(UsageError, match="actor is missing"):
        kizashi.track("purchase")
    with pytest.raises(AssertionError, match="dropped: 1 no_actor"):
        events.one("purchase")


def test_an_outage_that_lasts_is_no_silence(events: TrackedEvents, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kizashi._testing._recording._FLUSH_SECONDS", 0.01)
    events.transport.break_next(1_000)
    kizashi.track("purchase", actor="v-1")
    with pytest.raises(AssertionError, match="not everything was delivered"):
        events.none("purchase")
    events.transport.clear()


def test_configuring_anew_ends_in_the_same_memory(events: TrackedEvents) -> None:
    kizashi.track("mv_before", actor="v-1")
    kizashi.configure(endpoint="http://127.0.0.1:1", key="k", source={"channel": "app"}, flush_interval=3_600)
    kizashi.track("mv_between", actor="v-1")
    configured = kizashi.configure()
    configured.track("mv_after", actor="v-1")
    assert [event.name for event in events] == ["mv_before", "mv_between", "mv_after"]
    assert events.one("mv_between").source == {"channel": "app"}
    with pytest.raises(kizashi.ConfigurationError, match="batch_size"):
        kizashi.configure(batch_size=0)


def test_nothing_is_written_outside_the_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KIZASHI_SPOOL", str(tmp_path / "from-the-environment"))
    with recorded() as events:
        kizashi.configure(spool=tmp_path / "spool", overflow="spool", dead_letters=tmp_path / "letters")
        events.transport.fail_next(status=400)
        kizashi.track("mv_refused", actor="v-1")
        assert events.all == []
    assert list(tmp_path.iterdir()) == []
    assert os.environ["KIZASHI_SPOOL"] == str(tmp_path / "from-the-environment")


def test_what_was_configured_is_put_back(memory: MemoryTransport) -> None:
    with recorded() as around:
        site = kizashi.configure(transport=memory)
        with recorded() as events:
            kizashi.track("mv_inner", actor="v-1")
            kizashi.configure()
            kizashi.track("mv_inner", actor="v-1")
        assert events.count("mv_inner") == 2
        kizashi.track("mv_outer", actor="v-1")
        assert kizashi.flush(10)
        assert not site.closed
    assert [event.name for event in around] == ["mv_outer"]


def test_what_ends_badly_is_put_back_as_well() -> None:
    with recorded() as around:
        with pytest.raises(AssertionError), recorded() as events:
            events.one("mv_step")
        kizashi.track("mv_step", actor="v-1")
        around.one("mv_step")
    assert events.transport.events == []
