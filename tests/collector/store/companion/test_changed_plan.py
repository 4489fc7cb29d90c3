"""A change of plan as the process beside the collector knows it: by what the log says of plans, and since when."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from faults.serving import Serving, until
from kizashi_schemas import parse_time

DAY, HOUR = 86_400_000, 3_600_000
PLAN: dict[str, Any] = {
    "currency": "JPY",
    "windows": ["1d"],
    "events": {"mv_view": {"value": 5}, "mv_cart": {}, "purchase": {"final": True, "value": 100}},
    "values": {"ladder": ["mv_view", "mv_cart"], "horizon": "1d", "min_effective_conversions": 5},
}


def put(collector: Serving, plan: dict[str, Any]) -> dict[str, Any]:
    """Put a plan in force; what is kept and learned under it then, in all."""
    answer = collector.ask("POST", "/v1/plan", json.dumps(plan).encode(), key="a-secret")
    assert answer.status == 200, answer
    return kept(collector)


def kept(collector: Serving) -> dict[str, Any]:
    found: dict[str, Any] = {}

    def learned() -> bool:
        found.update(collector.ask("GET", "/v1/summary?window=1d").body["total"])
        gauges = (collector.gauge("kizashi_current"), collector.gauge("kizashi_learned_until_timestamp_seconds"))
        # Right after a change the gauges may still tell of the plan before.
        return gauges[0] == 1 and gauges[1] > 0 and found["evidence"] is not None

    until(learned, "values learned, and answers kept")
    assert found["evidence"]["own"] >= 5
    return found


def test_a_changed_ladder_is_known_beside_the_collector_and_after_a_restart(tmp_path: Path) -> None:
    with Serving(tmp_path / "data", tmp_path / "log") as collector:
        now = parse_time(collector.ask("GET", "/v1/summary?window=1d").body["as_of"])
        events = []
        for number in range(60):
            actor, time = f"v-{number}", now - number // 2 * DAY - HOUR
            events.append({"id": f"v-{number}", "name": "mv_view", "time": time, "actor": actor})
            if number % 3 == 0:
                events.append({"id": f"p-{number}", "name": "purchase", "time": time + 60_000, "actor": actor})
        body = json.dumps({"events": events, "import": True}).encode()
        assert collector.ask("POST", "/v1/events", body, key="w-secret").status == 200
        assert put(collector, PLAN)["reason"] != "recomputing"
        other_value = PLAN | {"events": PLAN["events"] | {"mv_view": {"value": 6}}}
        before = collector.ask("GET", "/v1/values").body["fit"]["number"]
        body = json.dumps(other_value).encode()
        assert collector.ask("POST", "/v1/plan", body, key="a-secret").status == 200
        # What was learned is still good: nobody waits until it is learned anew.
        assert collector.ask("GET", "/v1/summary?window=1d").body["total"]["reason"] != "recomputing"
        assert collector.ask("GET", "/v1/values").body["fit"]["number"] == before
        assert put(collector, other_value)["reason"] != "recomputing"
        other_ladder = other_value | {"values": PLAN["values"] | {"ladder": ["mv_view"]}}
        total = put(collector, other_ladder)
        assert (total["reason"], total["ready"], total["bid_value"]) == ("recomputing", False, None)
    with Serving(tmp_path / "data", tmp_path / "log") as collector:
        assert kept(collector)["reason"] == "recomputing"
