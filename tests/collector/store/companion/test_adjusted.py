"""A log with a refund in it is kept current beside the collector, whatever has it read anew.

What the companion knows of actors is their numbers alone.
"""

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
    "events": {"mv_view": {"value": 5}, "purchase": {"final": True, "value": "event"}},
    "values": {"ladder": ["mv_view"], "horizon": "1d", "min_effective_conversions": 1},
}


def post(collector: Serving, *events: dict[str, Any]) -> None:
    body = json.dumps({"events": events}).encode()
    assert collector.ask("POST", "/v1/events", body, key="w-secret").body["accepted"] == len(events)


def put(collector: Serving, plan: dict[str, Any]) -> None:
    assert collector.ask("POST", "/v1/plan", json.dumps(plan).encode(), key="a-secret").status == 200


def kept(collector: Serving) -> dict[str, Any]:
    """The total of a day, once it is kept, values learned, and no journey to be found anew."""

    def settled() -> bool:
        learned = collector.gauge("kizashi_learned_until_timestamp_seconds") > 0
        mended = collector.ask("GET", "/v1/summary?window=1d").body["total"]["reason"] != "recomputing"
        return learned and mended and collector.gauge("kizashi_current") == 1

    until(settled, "answers kept, and values learned")
    answer = collector.ask("GET", "/v1/summary?window=1d").body
    assert answer == collector.ask("GET", f"/v1/summary?window=1d&as_of={answer['as_of']}").body
    total: dict[str, Any] = answer["total"]
    return total


def test_a_refund_is_known_after_a_restart_and_a_change_of_plan(tmp_path: Path) -> None:
    with Serving(tmp_path / "data", tmp_path / "log") as collector:
        put(collector, PLAN)
        now = parse_time(collector.ask("GET", "/v1/summary?window=1d").body["as_of"])
        sale = {"name": "purchase", "actor": "a", "order": "A-1", "currency": "JPY"}
        refund = {"name": "purchase", "order": "A-1", "currency": "JPY", "adjust": "restate"}
        post(collector, {"id": "1", "name": "mv_view", "time": now - 2 * HOUR, "actor": "a"})
        post(collector, {"id": "2", **sale, "time": now - HOUR, "value": 500})
        post(collector, {"id": "3", **refund, "time": now - HOUR + 1, "value": 400})
        assert kept(collector)["final_value"] == 400
    with Serving(tmp_path / "data", tmp_path / "log") as collector:
        assert (kept(collector)["final_value"], kept(collector)["brought_value"]) == (400, 400)
        put(collector, PLAN | {"windows": ["1d", "2d"]})
        assert (kept(collector)["final_value"], kept(collector)["brought_value"]) == (400, 400)
        # So late that only the log can tell what it does to the actor's journeys.
        post(collector, {"id": "4", "name": "mv_view", "time": now - 9 * DAY, "actor": "a"})
        assert (kept(collector)["final_value"], kept(collector)["brought_value"]) == (400, 400)
