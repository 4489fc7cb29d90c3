"""Clients with a spool: what they promise of events that are not delivered yet."""

from __future__ import annotations

import json
import logging
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from kizashi import Client, ConfigurationError, Stats
from kizashi._spool._spool import SEGMENT_BYTES
from sdk.scripted_collector import Collector, collecting, hang, refuse, status

MakeClient = Callable[..., Client]
NOWHERE = "http://127.0.0.1:1"


@pytest.fixture
def make(scripted: Collector, tmp_path: Path) -> Iterator[MakeClient]:
    made: list[Client] = []

    def make(**options: Any) -> Client:
        usual: dict[str, Any] = {"endpoint": scripted.url, "spool": tmp_path / "spool", "flush_interval": 3_600}
        client = Client(**(usual | options))
        made.append(client)
        return client

    yield make
    scripted.release.set()
    for client in made:
        client.close(0.0)


def track(client: Client, count: int = 1, **fields: Any) -> None:
    for number in range(count):
        client.track("mv_view", actor=f"v-{number}", **fields)


def until(condition: Callable[[], bool]) -> None:
    """Wait for what other threads bring about."""
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.002)  # looks again; nothing is assumed to be over by then


def spooled(client: Client, count: int) -> None:
    until(lambda: client.stats().spooled == count)


def settled(client: Client) -> Stats:
    assert client.flush(10)
    stats = client.stats()
    assert stats.balanced
    assert stats.queued == stats.in_flight == stats.spooled == stats.queue_bytes == 0
    return stats


def files(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.rglob("*") if path.is_file())


def test_events_pass_through_the_disk_and_leave_nothing_there(
    make: MakeClient, scripted: Collector, tmp_path: Path
) -> None:
    client = make()
    track(client, 1_200)
    assert settled(client) == Stats(tracked=1_200, delivered=1_200)
    assert [event["actor"] for event in scripted.events] == [f"v-{number}" for number in range(1_200)]
    assert client.close()
    assert files(tmp_path) == []


def test_an_event_is_on_disk_within_a_tenth_of_a_second_whatever_the_collector_does(
    make: MakeClient, scripted: Collector
) -> None:
    scripted.always = hang
    client = make(flush_interval=0.0)
    track(client)
    assert scripted.hanging.wait(10)
    took = []
    for number in range(1, 21):
        begun = time.perf_counter()
        track(client)
        until(lambda number=number: client.stats().spooled == number)  # type: ignore[misc]  # bound now, not later
        took.append(time.perf_counter() - begun)
    assert sorted(took)[10] < 0.1
    assert client.stats() == Stats(tracked=21, in_flight=1, spooled=20, queue_bytes=client.stats().queue_bytes)


def test_a_killed_process_loses_nothing_that_was_tracked_a_tenth_of_a_second_before(
    make: MakeClient, scripted: Collector, tmp_path: Path
) -> None:
    program = (
        "import sys, time, kizashi\n"
        f"kizashi.configure(endpoint={NOWHERE!r}, spool=sys.argv[1])\n"
        "for number in range(300):\n"
        "    kizashi.track('mv_view', actor=f'v-{number}')\n"
        "print('tracked', flush=True)\n"
        "time.sleep(60)\n"
    )
    for _ in range(3):
        process = subprocess.Popen(
            [sys.executable, "-c", program, str(tmp_path / "spool")], stdout=subprocess.PIPE, text=True
        )
        assert process.stdout is not None
        assert process.stdout.readline() == "tracked\n"
        time.sleep(0.1)  # the promise itself: this long after track(), an event is safe
        process.send_signal(signal.SIGKILL)
        process.wait()
        process.stdout.close()
    client = make()
    assert settled(client) == Stats(adopted=900, delivered=900)
    assert len(scripted.stored) == 900
    client.close()
    assert files(tmp_path) == []


def test_whoever_configures_the_same_spool_delivers_it_unasked(
    make: MakeClient, scripted: Collector, tmp_path: Path
) -> None:
    first = make(endpoint=NOWHERE)
    track(first, 3)
    spooled(first, 3)
    assert not first.close(0.0)
    assert first.stats() == Stats(tracked=3, spooled=3)
    make(flush_interval=0.0)
    until(lambda: len(scripted.stored) == 3)


def test_flush_covers_what_is_adopted(make: MakeClient, scripted: Collector) -> None:
    first = make(endpoint=NOWHERE)
    track(first, 3)
    spooled(first, 3)
    first.close(0.0)
    scripted.always = status(503)
    second = make()
    assert not second.flush(0.2)
    scripted.always = type(scripted)("").always
    assert second.flush(10)
    assert second.stats() == Stats(adopted=3, delivered=3)


def test_ones_own_events_and_adopted_ones_all_arrive_once(make: MakeClient, scripted: Collector) -> None:
    first = make(endpoint=NOWHERE, batch_size=2_500)
    track(first, 700)
    spooled(first, 700)
    first.close(0.0)
    second = make()
    track(second, 600)
    stats = settled(second)
    assert (stats.tracked, stats.adopted, stats.delivered) == (600, 700, 1_300)
    assert len(scripted.stored) == 1_300
    assert sum(len(request.events) for request in scripted.requests) == 1_300


def test_two_living_clients_leave_each_others_events_alone(make: MakeClient, scripted: Collector) -> None:
    first, second = make(endpoint=NOWHERE), make()
    track(first, 5)
    spooled(first, 5)
    track(second, 7)
    assert settled(second) == Stats(tracked=7, delivered=7)
    assert first.stats().spooled == 5


def test_what_an_ended_sibling_leaves_is_found_while_one_runs(
    make: MakeClient, scripted: Collector, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kizashi._delivery._sender.LOOK_SECONDS", 0.05)
    living, ending = make(flush_interval=0.0), make(endpoint=NOWHERE)
    track(living)
    track(ending, 4)
    spooled(ending, 4)
    ending.close(0.0)
    until(lambda: len(scripted.stored) == 5)
    until(lambda: living.stats().delivered == 5)
    assert living.stats().adopted == 4


def test_close_leaves_on_disk_what_it_had_no_time_for(make: MakeClient, scripted: Collector, tmp_path: Path) -> None:
    scripted.script.append(hang)
    client = make(batch_size=10, flush_interval=0.0)
    track(client, 100)
    assert scripted.hanging.wait(10)
    begun = time.monotonic()
    assert not client.close(0.2)
    assert time.monotonic() - begun < 1.0
    stats = client.stats()
    assert stats.balanced
    assert stats.spooled == 100
    assert stats.dropped == {}
    heir = make()
    assert settled(heir).delivered == 100
    assert len(scripted.stored) == 100


def test_what_is_settled_is_not_sent_again_after_a_kill(scripted: Collector, make: MakeClient, tmp_path: Path) -> None:
    program = (
        "import os, sys, kizashi\n"
        "client = kizashi.configure(endpoint=sys.argv[2], spool=sys.argv[1], batch_size=10, flush_interval=3600)\n"
        "for number in range(20):\n"
        "    kizashi.track('mv_view', actor=f'v-{number}')\n"
        "assert kizashi.flush(10)\n"
        "for number in range(5):\n"
        "    kizashi.track('mv_view', actor=f'w-{number}')\n"
        "while kizashi.stats().spooled < 5:\n"
        "    pass\n"
        "os._exit(0)\n"
    )
    subprocess.run([sys.executable, "-c", program, str(tmp_path / "spool"), scripted.url], check=True)
    client = make()
    assert settled(client) == Stats(adopted=5, delivered=5)
    assert sum(len(request.events) for request in scripted.requests) == 25


def test_a_partial_verdict_is_settled_event_by_event(make: MakeClient, scripted: Collector) -> None:
    def put_some_off(handler: Any, request: Any) -> None:
        ids = [event["id"] for event in request.events]
        told = [{"index": at, "id": ids[at], "verdict": "retry", "code": "busy"} for at in (0, 3)]
        told.append({"index": 2, "id": ids[2], "verdict": "rejected", "code": "bad_currency"})
        scripted.store([event for at, event in enumerate(request.events) if at in (1, 4)])
        answer = {"accepted": 2, "duplicates": 0, "rejected": 1, "verdicts": told}
        handler.respond(200, {}, json.dumps(answer).encode())

    scripted.script.append(put_some_off)
    client = make()
    track(client, 5)
    assert settled(client) == Stats(tracked=5, delivered=4, dropped={"rejected": 1})
    assert len(scripted.stored) == 4


def test_what_is_refused_alone_becomes_a_dead_letter(make: MakeClient, scripted: Collector, tmp_path: Path) -> None:
    def refuse_poison(handler: Any, request: Any) -> None:
        poisonous = any(event["actor"] == "v-7" for event in request.events)
        (refuse(400) if poisonous else type(scripted)("").always)(handler, request)

    scripted.always = refuse_poison
    client = make()
    track(client, 20)
    assert settled(client) == Stats(tracked=20, delivered=19, dropped={"invalid": 1})
    [line] = (tmp_path / "spool" / "dead-letters.ndjson").read_text().splitlines()
    letter = json.loads(line)
    assert letter["event"]["actor"] == "v-7"
    assert (letter["reason"], letter["answer"]) == ("invalid", "400 Bad Request")
    assert letter["at"].endswith("+00:00")
    assert (tmp_path / "spool" / "dead-letters.ndjson").stat().st_mode & 0o777 == 0o600


def test_dead_letters_need_no_spool(scripted: Collector, tmp_path: Path) -> None:
    scripted.always = refuse(413)
    with Client(endpoint=scripted.url, dead_letters=tmp_path / "letters") as client:
        track(client, 2)
        assert client.flush(10)
        assert client.stats().dropped == {"too_large": 2}
    assert len((tmp_path / "letters").read_text().splitlines()) == 2


def test_a_full_spool_leaves_events_in_memory_and_says_so(make: MakeClient, caplog: pytest.LogCaptureFixture) -> None:
    client = make(endpoint=NOWHERE, spool_max_bytes=1024 * 1024)
    track(client, 400, properties={"note": "x" * 4_000})
    until(lambda: client.stats().spooled > 10)
    assert client.stats().spooled + client.stats().queued == 400
    assert client.stats().balanced
    assert "cannot write to its spool: it holds spool_max_bytes" in caplog.text
    assert not client.close(0.0)
    assert client.stats().dropped["exit"] + client.stats().spooled == 400


def test_the_oldest_segments_give_way_where_that_is_asked_for(make: MakeClient) -> None:
    client = make(endpoint=NOWHERE, spool_max_bytes=1024 * 1024, overflow="drop_oldest")
    for _ in range(10):
        track(client, 100, properties={"note": "x" * 4_000})
        until(lambda: client.stats().queued == 0)
    stats = client.stats()
    assert stats.balanced
    assert stats.dropped["spool_full"] + stats.spooled == 1_000
    assert stats.dropped["spool_full"] > 500


def test_what_waited_too_long_expires(make: MakeClient, scripted: Collector, tmp_path: Path) -> None:
    first = make(endpoint=NOWHERE)
    track(first, 3)
    spooled(first, 3)
    first.close(0.0)
    [segment] = (tmp_path / "spool").glob("*.seg")
    os.utime(segment, (time.time() - 7_200, time.time() - 7_200))
    second = make(spool_max_age=3_600)
    assert settled(second) == Stats(adopted=3, dropped={"expired": 3})
    assert scripted.requests == []


def test_events_stay_in_memory_where_the_disk_fails(
    make: MakeClient, scripted: Collector, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    client = make()
    folder = tmp_path / "spool"
    folder.rmdir()
    folder.write_text("a file where the folder was")
    track(client, 5)
    assert settled(client) == Stats(tracked=5, delivered=5)
    assert "cannot write to its spool" in caplog.text
    folder.unlink()
    track(client, 5)
    assert settled(client).delivered == 10


def test_a_spool_that_is_deleted_under_way_costs_what_was_in_it_and_nothing_else(
    make: MakeClient, scripted: Collector, tmp_path: Path
) -> None:
    client = make()
    track(client, 5)
    spooled(client, 5)
    for path in (tmp_path / "spool").iterdir():
        path.unlink()
    assert client.flush(10)
    stats = client.stats()
    assert stats.balanced
    assert stats.delivered + stats.dropped.get("unreadable", 0) == 5
    track(client, 5)
    assert client.flush(10)
    assert client.stats().balanced


def test_segments_end_and_are_deleted_one_by_one(make: MakeClient, scripted: Collector, tmp_path: Path) -> None:
    scripted.script.append(hang)
    client = make(flush_interval=0.0)
    big = {"note": "x" * 30_000}
    count = 3 * SEGMENT_BYTES // 30_000
    track(client, count, properties=big)
    until(lambda: client.stats().queued == 0)
    assert len(list((tmp_path / "spool").glob("*.seg"))) == 3
    scripted.release.set()
    assert settled(client).delivered == count
    assert len(list((tmp_path / "spool").glob("*.seg"))) == 1


def test_with_fsync_everything_works_the_same(make: MakeClient, scripted: Collector) -> None:
    client = make(spool_fsync=True)
    track(client, 50)
    assert settled(client) == Stats(tracked=50, delivered=50)


def test_on_drop_hears_of_every_loss_and_may_raise(scripted: Collector, caplog: pytest.LogCaptureFixture) -> None:
    heard: list[tuple[str, int]] = []

    def on_drop(reason: str, count: int) -> None:
        heard.append((reason, count))
        raise RuntimeError("payload of a site")

    with Client(endpoint=scripted.url, on_drop=on_drop) as client:
        client.track("Bad Name", actor="v")
        client.track("mv_view")
        track(client)
        assert client.flush(10)
        client.track("Bad Name", actor="v")
        track(client)
        assert client.flush(10)
        until(lambda: sum(count for _, count in heard) == 3)
        assert client.stats().delivered == 2
    assert sorted(heard) == [("invalid", 1), ("invalid", 1), ("no_actor", 1)]
    warnings = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert [text for text in warnings if "on_drop" in text] == ["kizashi: on_drop raised RuntimeError"]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"spool": 7}, "spool is 7; give a path"),
        ({"spool": ""}, "spool is ''; give a path"),
        ({"spool_max_bytes": 10}, "spool_max_bytes is 10"),
        ({"spool_max_age": 0}, "spool_max_age is 0"),
        ({"spool_fsync": 1}, "spool_fsync is 1"),
        ({"overflow": "spool", "spool": None}, "no spool is given"),
        ({"overflow": "drop_all"}, "give one of drop_newest, drop_oldest, spool"),
        ({"dead_letters": 7}, "dead_letters is 7"),
        ({"on_drop": 7}, "on_drop is of type int"),
    ],
    ids=repr,
)
def test_options_are_checked(make: MakeClient, options: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigurationError, match=words):
        make(**options)


def test_the_spool_may_come_from_the_environment(
    scripted: Collector, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KIZASHI_SPOOL", str(tmp_path / "there"))
    with Client(endpoint=NOWHERE) as client:
        track(client)
        spooled(client, 1)
        client.close(0.0)
    assert len(files(tmp_path / "there")) == 2


def test_events_survive_restarts_of_the_collector(make: MakeClient) -> None:
    with collecting() as collector:
        port = int(collector.url.rpartition(":")[2])
        client = make(endpoint=collector.url, flush_interval=0.0, batch_size=20)
        track(client, 100)
        until(lambda: len(collector.stored) > 0)
    track(client, 100)
    until(lambda: client.stats().queued == 0)
    with collecting(port) as again:
        assert client.flush(30)
        assert client.stats().delivered == 200
        assert len(again.stored.keys() | collector.stored.keys()) == 200


def test_a_disk_that_refuses_for_a_while_loses_nothing(
    make: MakeClient, scripted: Collector, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    first = make(endpoint=NOWHERE)
    track(first, 30)
    spooled(first, 30)
    first.close(0.0)
    client = make()
    refused: list[object] = []

    def refuse_to_open(path: object, *_: object, **__: object) -> int:
        refused.append(path)
        raise OSError(24, os.strerror(24))

    with monkeypatch.context() as patched:
        patched.setattr("kizashi._spool._segment.os.open", refuse_to_open)
        track(client, 10)
        client.flush(0.2)
        assert refused
    assert client.flush(20)
    stats = client.stats()
    assert (stats.adopted, stats.delivered, stats.dropped) == (30, 40, {})
    assert len(scripted.stored) == 40
    assert "Too many open files" in caplog.text


def test_what_the_disk_refused_is_written_down_when_it_takes_it_again(
    make: MakeClient, monkeypatch: pytest.MonkeyPatch, scripted: Collector
) -> None:
    client = make(endpoint=NOWHERE)

    def refuse_to_write(*_: object) -> int:
        raise OSError(28, os.strerror(28))

    with monkeypatch.context() as patched:
        patched.setattr("kizashi._spool._segment.os.pwrite", refuse_to_write)
        track(client, 20)
        until(lambda: client.stats().queued == 20 and not client._pipeline.queue.captured)
    spooled(client, 20)
    track(client, 5)
    spooled(client, 25)
    client.close(0.0)
    assert settled(make()) == Stats(adopted=25, delivered=25)


def test_more_ended_processes_than_descriptors_are_adopted_in_turn(
    make: MakeClient, scripted: Collector, tmp_path: Path
) -> None:
    for number in range(30):
        first = Client(endpoint=NOWHERE, spool=tmp_path / f"of-{number}", flush_interval=3_600)
        track(first)
        spooled(first, 1)
        first.close(0.0)
        (tmp_path / "spool").mkdir(exist_ok=True)
        for path in (tmp_path / f"of-{number}").iterdir():
            path.rename(tmp_path / "spool" / path.name)
    before = len(os.listdir("/proc/self/fd"))
    client = make()
    assert len(os.listdir("/proc/self/fd")) < before + 20
    assert settled(client) == Stats(adopted=30, delivered=30)
    client.close()
    assert files(tmp_path / "spool") == []


def test_a_lock_that_cannot_be_opened_hinders_no_other(
    make: MakeClient, scripted: Collector, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    first = make(endpoint=NOWHERE)
    track(first, 3)
    spooled(first, 3)
    first.close(0.0)
    (tmp_path / "spool" / "0-another.lock").symlink_to(tmp_path / "spool" / "0-another.lock")
    client = make()
    track(client)
    assert settled(client) == Stats(tracked=1, adopted=3, delivered=4)
    assert "cannot adopt what an ended process left: " in caplog.text


def test_a_flush_waits_for_no_interval(make: MakeClient) -> None:
    client = make(flush_interval=30)
    for _ in range(20):
        track(client)
        assert client.flush(5)


def test_a_program_that_ends_itself_in_on_drop_ends_nothing_else(scripted: Collector) -> None:
    def leave(reason: str, count: int) -> None:
        sys.exit(f"{count} {reason}")

    with Client(endpoint=scripted.url, on_drop=leave) as client:
        client.track("Bad Name", actor="v")
        assert client.flush(10)
        track(client, 3)
        assert client.flush(10)
        assert client.stats().delivered == 3
