"""What is kept current in a process beside the collector: as fresh as in it, and lost without harm."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from collector_process import KEYS
from faults.serving import Answer, Client, Serving, descendants, is_there, until

PLAN = """
currency = "JPY"
windows = ["1d"]
summaries = [["campaign"]]
[events.mv_view]
[events.purchase]
final = true
value = 100
[funnels.buy]
steps = ["mv_view", "purchase"]
conversion_window = "1d"
"""


@pytest.fixture
def collector(tmp_path: Path) -> Iterator[Serving]:
    plan = tmp_path / "plan.toml"
    plan.write_text(PLAN)
    with Serving(tmp_path / "data", tmp_path / "log", "--plan", str(plan)) as serving:
        until_current(serving)
        yield serving


def until_current(collector: Serving) -> None:
    until(lambda: collector.gauge("kizashi_current") == 1, "answers kept current")


def keeper_of(collector: Serving) -> int:
    keeper, *_ = descendants(collector.process.pid)
    return keeper


def companion_of(collector: Serving) -> int:
    _, companion = descendants(collector.process.pid)
    return companion


def gone(pid: int) -> bool:
    return not is_there(pid)


def views(collector: Serving) -> int:
    answer = collector.ask("GET", "/v1/summary?window=1d&by=campaign")
    assert answer.status == 200, answer
    return int(answer.body["total"]["events"]["mv_view"]["count"])


def funnel(collector: Serving) -> Answer:
    answer = collector.ask("GET", "/v1/funnels/buy?window=1d")
    assert answer.status == 200, answer
    return answer


def test_what_is_acknowledged_is_in_the_next_answer(collector: Serving) -> None:
    client = Client()
    for number in range(1, 40):
        assert client.send(collector, client.batch(number % 7 + 1)).status == 200
        assert views(collector) == len(client.acknowledged)
    assert collector.gauge("kizashi_current") == 1
    assert funnel(collector).body["steps"][0]["count"] == 1


def test_names_and_sources_that_are_new_since_the_start_are_known_beside_it(collector: Serving) -> None:
    for number in range(20):
        now = collector.ask("GET", "/v1/summary?window=1d").body["as_of"]
        event = {"id": f"n-{number}", "name": "mv_view", "time": now, "actor": f"v-{number}"}
        event["source"] = {"campaign": f"c{number:02}"}
        body = json.dumps({"events": [event]}).encode()
        assert collector.ask("POST", "/v1/events", body, key="w-secret").status == 200
        rows = collector.ask("GET", "/v1/summary?window=1d&by=campaign").body["rows"]
        assert [row["key"]["campaign"] for row in rows] == [f"c{at:02}" for at in range(number + 1)]


def test_a_companion_that_is_killed_costs_no_answer_and_is_followed_by_the_next(collector: Serving) -> None:
    client = Client()
    for _ in range(3):
        before = companion_of(collector)
        os.kill(before, signal.SIGKILL)
        for _ in range(5):
            assert client.send(collector, client.batch(3)).status == 200
            assert views(collector) == len(client.acknowledged)
            assert funnel(collector).body["steps"][0]["count"] == 1
        until(partial(gone, before), "the end of what was killed")
        collector.logged("what is kept current was lost")
        until_current(collector)
        assert companion_of(collector) != before
        assert views(collector) == len(client.acknowledged)


def test_a_companion_that_stands_still_holds_no_event_up(collector: Serving) -> None:
    client = Client()
    companion = companion_of(collector)
    os.kill(companion, signal.SIGSTOP)
    try:
        for _ in range(20):
            assert client.send(collector, client.batch(50)).status == 200
    finally:
        os.kill(companion, signal.SIGCONT)
    assert views(collector) == len(client.acknowledged)


def test_without_its_keeper_a_collector_says_so_and_counts_from_the_log(collector: Serving) -> None:
    client = Client()
    keeper, companion = keeper_of(collector), companion_of(collector)
    os.kill(keeper, signal.SIGKILL)
    os.kill(companion, signal.SIGKILL)
    collector.logged("nothing is kept current any more")
    assert client.send(collector, client.batch(3)).status == 200
    assert views(collector) == 3
    assert collector.stop() == 0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_no_process_is_left_behind(collector: Serving, number: int) -> None:
    processes = [keeper_of(collector), companion_of(collector)]
    os.kill(collector.process.pid, number)
    collector.process.wait()
    for process in processes:
        until(partial(gone, process), "its end")


def test_a_signal_to_all_processes_at_once_ends_them_in_order(collector: Serving) -> None:
    client = Client()
    assert client.send(collector, client.batch(3)).status == 200
    for process in (keeper_of(collector), companion_of(collector), collector.process.pid):
        os.kill(process, signal.SIGINT)
    assert collector.process.wait() == 0
    assert "lost" not in collector.log


def test_a_plan_that_is_changed_is_kept_from_then_on(collector: Serving, tmp_path: Path) -> None:
    client = Client()
    assert client.send(collector, client.batch(3)).status == 200
    (tmp_path / "plan.toml").write_text(PLAN.replace('["1d"]', '["1d", "2d"]'))
    before = collector.ask("GET", "/v1/summary?window=1d").body["plan"]
    os.kill(collector.process.pid, signal.SIGHUP)
    until(lambda: collector.ask("GET", "/v1/summary?window=2d").body["plan"] != before, "the new plan")
    assert collector.ask("GET", "/v1/summary?window=2d").body["total"]["events"]["mv_view"]["count"] == 3
    until_current(collector)
    assert collector.ask("GET", "/v1/summary?window=2d").body["total"]["events"]["mv_view"]["count"] == 3


def test_an_answer_that_cannot_be_written_is_refused_and_the_next_one_is_kept(tmp_path: Path) -> None:
    with Serving(tmp_path / "data", tmp_path / "log", environment={**KEYS, "KIZASHI_MAX_EVENTS": "50000"}) as collector:
        until_current(collector)
        now = collector.ask("GET", "/v1/summary").body["as_of"]
        for first in range(0, 46_000, 23_000):
            events = [
                {"id": f"n-{first + at}", "name": f"mv_{first + at:060}", "time": now, "actor": "v"}
                for at in range(23_000)
            ]
            body = json.dumps({"events": events}).encode()
            assert collector.ask("POST", "/v1/events", body, key="w-secret").status == 200
        for _ in range(2):
            answer = collector.ask("GET", "/v1/summary")
            assert (answer.status, answer.body["code"]) == (422, "too_many_names")
        assert collector.gauge("kizashi_current") == 1


def test_a_companion_that_stands_still_does_not_keep_the_collector_from_ending(collector: Serving) -> None:
    os.kill(companion_of(collector), signal.SIGSTOP)
    assert collector.stop() == 0
