"""A wall clock that is set by an hour: not ready, nothing shifted, nothing stored at a wrong time, and back again."""

from __future__ import annotations

import json
import time
from datetime import datetime
from pathlib import Path

import pytest

from faults.serving import Client, Serving
from faults.table import fault

_HOUR = 3_600_000
SET = fault("the clock is set")


@pytest.mark.parametrize("hours", [-1, 1], ids=["back", "forward"])
def test_a_clock_that_is_set_by_an_hour_moves_nothing(hours: int, tmp_path: Path) -> None:
    hand = tmp_path / "hand"

    def turn(off: int) -> None:
        with hand.open("r+b") as file:
            file.write((off * _HOUR * 1_000_000).to_bytes(8, "little", signed=True))

    hand.write_bytes(bytes(8))
    client, program = Client(), (str(Path(__file__).with_name("set_clock.py")), str(hand))
    with Serving(tmp_path / "data", tmp_path / "log", program=program) as collector:
        assert client.send(collector, client.batch(1)).status == 200
        assert shift_of_a_slow_sender(collector) > _HOUR / 3
        turn(hours)
        SET.readiness_says(collector.unready)
        collector.logs(SET)
        assert client.send(collector, client.batch(2)).status == 200  # none is rejected as from the future
        assert shift_of_a_slow_sender(collector) == 0
        client.check(collector)
        turn(0)
        assert collector.unready is None
        assert shift_of_a_slow_sender(collector) > _HOUR / 3
        now = time.time() * 1000
        events = collector.ask("GET", "/v1/events").body["events"]
        assert len(events) == 6
        for event in events:
            assert now - 60_000 < datetime.fromisoformat(event["received_at"]).timestamp() * 1000 < now + 1_000


def shift_of_a_slow_sender(collector: Serving) -> int:
    """Send an event with a clock that is half an hour slow; return by how much its time was corrected."""
    sent_at = time.time_ns() // 1_000_000 - _HOUR // 2
    event = {"id": f"s-{time.time_ns()}", "name": "mv_view", "time": sent_at, "actor": "v-1"}
    body = json.dumps({"sent_at": sent_at, "events": [event]}).encode()
    assert collector.ask("POST", "/v1/events", body, key="w-secret").body["accepted"] == 1
    stored = collector.ask("GET", "/v1/events?limit=1").body["events"][0]
    assert stored["id"] == event["id"]
    return int(stored.get("shift_ms", 0))
