"""Two collectors over one ClickHouse, under load: kills, races, slowness, and a client that waits with a spool."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier
from typing import Any

import msgspec
import pytest

from faults.clickhouse import Front, Store
from faults.senders import Senders
from faults.serving import Answer, Client, Serving, until
from kizashi import Client as Sdk
from kizashi_collector.store._clickhouse._settled import COLLECTORS, read_settled

EVENTS = 200


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("collectors")


@pytest.fixture(scope="module")
def both(store: Store, folder: Path) -> Iterator[list[Serving]]:
    with ThreadPoolExecutor(2) as threads:  # at once, on a server that has nothing yet
        collectors = list(threads.map(lambda _: started(store, folder), range(2)))
    yield collectors
    for collector in collectors:
        collector.kill()


def started(store: Store, folder: Path) -> Serving:
    return Serving(folder, folder / "log", "--store", store.address)


def events(prefix: str, count: int = EVENTS) -> list[dict[str, Any]]:
    now = time.time_ns() // 1_000_000
    return [
        {"id": f"{prefix}-{number}", "name": f"mv_{prefix}", "time": now, "actor": f"v-{number % 17}"}
        for number in range(count)
    ]


def look(store: Store, senders: Senders, prefix: str) -> None:
    """All that was acknowledged before is there now, and once."""
    acknowledged = senders.acknowledged
    stored = [one for one in store.counted()[0] if one.startswith(f"{prefix}-")]
    assert len(stored) == len(set(stored))
    assert acknowledged <= set(stored), f"{len(acknowledged - set(stored))} acknowledged events are not there"


def whole(store: Store, both: list[Serving], senders: Senders, prefix: str) -> None:
    """In the end all is there, once, and each collector counts it."""
    until(lambda: not senders.busy, "the end of sending")
    assert len(senders.acknowledged) == EVENTS
    look(store, senders, prefix)
    for collector in both:
        assert counts(collector)[f"mv_{prefix}"] == EVENTS


def counts(collector: Serving) -> dict[str, int]:
    answer = collector.ask("GET", "/v1/summary?window=1d&fresh=1")
    assert answer.status == 200, answer
    return {name: found["count"] for name, found in answer.body["total"]["events"].items()}


def test_a_collector_that_is_killed_under_load_loses_nothing_and_doubles_nothing(
    store: Store, both: list[Serving], folder: Path
) -> None:
    with Senders(both, events("kill"), 1) as senders:
        until(lambda: senders.taken[0] >= 3, "batches")
        both[0].kill()
        look(store, senders, "kill")
        both[0] = started(store, folder)
        whole(store, both, senders, "kill")


def test_a_server_that_is_killed_under_load_is_waited_for(front: Front, store: Store, both: list[Serving]) -> None:
    with Senders(both, events("server"), 2) as senders:
        until(lambda: min(senders.taken) >= 2, "batches")
        front.kill()
        until(lambda: len(senders.refused) >= 3, "refusals")
        assert "no answer from ClickHouse" in senders.refused[-1].detail
        assert "is the server up" in (both[0].unready or "ready")
        assert both[0].ask("GET", "/healthz").status == 200
        front.start()
        look(store, senders, "server")
        whole(store, both, senders, "server")
    for collector in both:
        collector.until_ready()


def test_of_two_that_race_for_an_id_the_first_by_receipt_counts(
    front: Front, store: Store, both: list[Serving]
) -> None:
    rounds, ids = 5, 10
    together = Barrier(2)

    def race(place: int) -> list[Answer]:
        answers = []
        for number in range(rounds):
            batch = [event | {"actor": f"v-{place}"} for event in events(f"race{number}", ids)]
            together.wait(20)
            answers.append(
                both[place].ask("POST", "/v1/events", msgspec.json.encode({"events": batch}), key="w-secret")
            )
        return answers

    front.fault(delay=0.02)
    with ThreadPoolExecutor(2) as threads:
        answered = list(threads.map(race, [0, 1]))
    front.fault()
    accepted = [[answer.body["accepted"] for answer in answers] for answers in answered]
    assert all(sum(pair) >= ids for pair in zip(*accepted, strict=True))
    assert any(sum(pair) > ids for pair in zip(*accepted, strict=True)), "nobody raced"
    with store.engine() as engine:
        settled = read_settled(engine)
        written = engine.ask("SELECT id, received_at, batch, actor FROM events WHERE id LIKE 'race%'")
    first: dict[str, tuple[int, int, str]] = {}
    for one, received_at, batch, actor in zip(*written, strict=True):
        if settled.settled(batch):
            entry = received_at, batch % COLLECTORS, actor
            first[one] = min(entry, first.get(one, entry))
    stored = sorted(zip(*store.counted("id, actor"), strict=True))
    found = [(one, actor) for one, actor in stored if one.startswith("race")]
    assert len(found) == rounds * ids
    assert found == sorted((one, actor) for one, (_, _, actor) in first.items())


def test_a_batch_that_is_settled_after_its_events_were_sent_elsewhere_takes_their_place(
    front: Front, store: Store, both: list[Serving]
) -> None:
    def send(place: int, actor: str) -> Answer:
        batch = [event | {"actor": actor} for event in events("late", 20)]
        return both[place].ask("POST", "/v1/events", msgspec.json.encode({"events": batch}), key="w-secret")

    def counted() -> list[str]:
        return [actor for name, actor in zip(*store.counted("name, actor"), strict=True) if name == "mv_late"]

    front.fault(park="INTO batches ")
    with ThreadPoolExecutor(1) as threads:
        first = threads.submit(send, 0, "v-first")
        until(lambda: store.ask("SELECT count() FROM events WHERE name = 'mv_late'") == [[20]], "what it wrote")
        assert counted() == []
        assert send(1, "v-second").body["accepted"] == 20
        assert counted() == ["v-second"] * 20
        front.fault()
        assert first.result().body["accepted"] == 20
    assert counted() == ["v-first"] * 20
    assert counts(both[0])["mv_late"] == counts(both[1])["mv_late"] == 20


def test_a_slow_server_makes_answers_late_and_loses_nothing(front: Front, store: Store, both: list[Serving]) -> None:
    client = Client()
    front.fault(delay=0.2)
    with ThreadPoolExecutor(6) as threads:
        statuses = list(threads.map(lambda place: client.send(both[place % 2], client.batch(2)).status, range(12)))
    assert 200 in statuses
    front.fault()
    client.send_again(both[0])
    assert client.acknowledged <= set(store.counted()[0])
    assert both[0].unready is None


def test_the_spool_of_a_client_empties_once_the_server_is_back(
    front: Front, store: Store, both: list[Serving], tmp_path: Path
) -> None:
    spool = tmp_path / "spool"
    with Sdk(endpoint=both[1].url, key="w-secret", spool=str(spool), flush_interval=0.02) as sdk:
        sdk.track("mv_spooled", actor="before")
        assert sdk.flush(20)
        front.kill()
        for number in range(200):
            sdk.track("mv_spooled", actor=f"v-{number}")
        assert not sdk.flush(0.5)
        assert sdk.stats().delivered == 1
        front.start()
        assert sdk.flush(30)
        stats = sdk.stats()
        assert (stats.delivered, stats.spooled, dict(stats.dropped)) == (201, 0, {})
    actors = [actor for name, actor in zip(*store.counted("name, actor"), strict=True) if name == "mv_spooled"]
    assert sorted(actors) == sorted(["before", *(f"v-{number}" for number in range(200))])
    assert list(spool.iterdir()) == []
