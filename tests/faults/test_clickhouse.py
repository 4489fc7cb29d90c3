"""Collectors over a ClickHouse that refuses, forgets to answer, or is not what they expect."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from faults.clickhouse import Front, Store
from faults.serving import Client, Serving, refused
from kizashi_collector.store._clickhouse._settled import COLLECTORS, EPOCH_MS


@pytest.fixture(scope="module")
def collector(store: Store, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    folder = tmp_path_factory.mktemp("collector")
    with Serving(folder, folder / "log", "--store", store.address) as one:
        yield one


@pytest.fixture(autouse=True)
def sound(front: Front) -> Iterator[None]:
    """Each test leaves a sound server behind."""
    yield
    front.fault(password="")


def counted(store: Store, events: list[dict[str, Any]]) -> list[str]:
    """The ids of these events that count, as often as they do."""
    wanted = {event["id"] for event in events}
    return [one for one in store.counted()[0] if one in wanted]


@pytest.mark.parametrize("insert", ["events", "batches"])
def test_an_insert_that_was_carried_out_and_not_answered_counts_once(
    insert: str, front: Front, store: Store, collector: Serving
) -> None:
    client = Client()
    events = client.batch(3)
    front.fault(drop_after=f"INTO {insert} ")
    assert "cannot write: no answer from ClickHouse" in client.send(collector, events).detail
    assert len(counted(store, events)) == (3 if insert == "batches" else 0)
    client.send_again(collector)
    assert len(counted(store, events)) == 3
    client.check(collector)
    assert collector.unready is None


def test_what_came_to_nothing_over_and_over_counts_once(front: Front, store: Store, collector: Serving) -> None:
    client = Client()
    # Once it was sent what was there already, the collector looks before it writes, for a while.
    front.fault(drop_after="INTO batches ")
    client.send(collector, client.batch(2))
    client.send_again(collector)
    events = client.batch(2)
    # Each attempt leaves rows behind, to which those of the next lose: unless they count themselves.
    for insert in ("events", "events", "losers", "losers"):
        front.fault(drop_after=f"INTO {insert} ")
        assert client.send(collector, events).status == 503
    assert counted(store, events) == []
    client.send_again(collector)
    assert store.ask(f"SELECT count() FROM events WHERE id = '{events[0]['id']}'") == [[5]]
    # What is sent once more leaves rows behind, too, and counts for nothing.
    client.check(collector)
    assert len(counted(store, events)) == 2


@pytest.mark.parametrize("insert", ["events", "batches"])
def test_a_rejected_event_is_kept_once_however_often_its_batch_came_to_nothing(
    insert: str, front: Front, collector: Serving
) -> None:
    bad = {"id": f"bad-{insert}", "name": "Not A Name", "time": 1}
    batch = msgspec.json.encode({"events": [*Client().batch(1), bad]})
    front.fault(drop_after=f"INTO {insert} ")
    assert collector.ask("POST", "/v1/events", batch, key="w-secret").status == 503
    assert collector.ask("POST", "/v1/events", batch, key="w-secret").body["rejected"] == 1
    rows = collector.ask("GET", "/v1/rejected").body["rejected"]
    assert [row["id"] for row in rows].count(bad["id"]) == 1


def test_rejected_events_that_were_kept_and_not_answered_are_there(front: Front, collector: Serving) -> None:
    batch = msgspec.json.encode({"events": [*Client().batch(1), {"id": "bad", "name": "Not A Name", "time": 1}]})
    front.fault(drop_after="INTO rejected ")
    assert collector.ask("POST", "/v1/events", batch, key="w-secret").status == 503
    assert collector.ask("POST", "/v1/events", batch, key="w-secret").body["rejected"] == 1
    assert "bad" in {row["id"] for row in collector.ask("GET", "/v1/rejected").body["rejected"]}


@pytest.mark.parametrize(
    ("refusal", "code", "words"),
    [
        ("NOT_ENOUGH_SPACE", "unavailable", "free space on the cluster's disks"),
        ("TABLE_IS_READ_ONLY", "unavailable", "look at the cluster"),
        ("TOO_MANY_PARTS", "busy", "ClickHouse has too much to do"),
        ("TIMEOUT_EXCEEDED", "busy", "cannot write: ClickHouse took too long"),
    ],
)
def test_a_server_that_takes_no_rows_is_told_of_and_taken_up_again(
    refusal: str, code: str, words: str, front: Front, store: Store, collector: Serving
) -> None:
    client = Client()
    client.send(collector, client.batch(2))
    front.fault(refuse_writes=refusal)
    answer = client.send(collector, client.batch(2))
    assert (answer.status, answer.body["code"]) == (503, code)
    assert words in answer.detail
    assert words in (collector.unready or "ready")
    front.fault()
    collector.until_ready()
    client.send_again(collector)
    client.check(collector)


def test_a_password_that_is_changed_is_told_and_nothing_is_taken(
    front: Front, store: Store, collector: Serving
) -> None:
    client = Client()
    front.fault(password="another")
    assert "password is wrong" in client.send(collector, client.batch(2)).detail
    assert "password is wrong" in (collector.unready or "ready")
    front.fault(password="")
    collector.until_ready()
    client.send_again(collector)
    client.check(collector)


def test_a_wrong_password_ends_the_start_and_is_not_shown(front: Front, store: Store, tmp_path: Path) -> None:
    front.fault(password="the-right-one")
    wrong = store.address.replace("//", "//default:not-the-right-one@")
    said = refused(tmp_path / "data", "--store", wrong)
    assert "the user or its password is wrong" in said
    assert "the-right-one" not in said
    assert said.count("\n") == 1, said


def test_a_schema_of_a_newer_version_is_left_alone(front: Front, tmp_path: Path) -> None:
    newer = front.store("newer")
    with newer.engine() as engine:
        engine.run("CREATE TABLE migrations (name String) ENGINE = MergeTree ORDER BY name")
        engine.run("INSERT INTO migrations (name) VALUES ('2031-02-03 columns nobody knows yet')")
    said = refused(tmp_path / "data", "--store", newer.address)
    assert "was written by a newer version of kizashi" in said
    assert "2031-02-03" in said
    assert newer.ask("SHOW TABLES") == [["migrations"]]


def test_no_server_ends_the_start(tmp_path: Path) -> None:
    pytest.importorskip("clickhouse_connect", reason="clickhouse-connect is not installed")
    said = refused(tmp_path / "data", "--store", "clickhouse://127.0.0.1:9/kizashi")
    assert "is the server up" in said
    assert said.count("\n") == 1, said


def test_the_batches_of_twenty_collectors_are_not_too_much_for_a_question(
    front: Front, tmp_path_factory: pytest.TempPathFactory
) -> None:
    # Some 1,400 for each collector are younger than what a seal speaks of.
    store = front.store("crowd")
    folder = tmp_path_factory.mktemp("crowd")
    plan = folder / "plan.toml"
    plan.write_text('currency = "JPY"\n[events.mv_view]\n[events.sale]\nfinal = true\nvalue = "event"\n')
    # Here an engine of one process, beside other tests, reads 28,000 batches for each question.
    options = ("--store", store.address, "--plan", str(plan), "--query-timeout", "100s")
    with Serving(folder, folder / "log", *options) as one:
        client = Client()
        client.send(one, client.batch(3))
        with store.engine() as engine:
            engine.run(
                f"INSERT INTO batches (batch, events) SELECT {_NOW} * {COLLECTORS} + number, 1 FROM numbers(28000)"
            )
        client.send(one, client.batch(3))
        client.check(one)
        retraction = {**client.batch(1)[0], "name": "sale", "order": "A-1", "adjust": "retract"}
        assert (
            one.ask("POST", "/v1/events", msgspec.json.encode({"events": [retraction]}), key="w-secret").status == 200
        )
        for path in ("/v1/summary?window=1d&by=campaign", "/v1/values", "/v1/increments", "/v1/events"):
            assert one.ask("GET", path).status == 200, path
        steps = msgspec.json.encode({"steps": ["mv_view", "sale"], "window": "1d", "conversion_window": "1h"})
        assert one.ask("POST", "/v1/funnels", steps).status == 200
        assert one.unready is None


_NOW = f"(toUnixTimestamp64Milli(now64(3)) - {EPOCH_MS})"
