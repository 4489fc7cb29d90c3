"""The field's own funnel cases, sent over HTTP to a running collector and asked back."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from kizashi_schemas import FunnelAnswer, parse_time
from live_collector import LiveCollector

DATA = Path(__file__).parents[2] / ".." / "shared" / "data" / "funnel_cases.json"
if not DATA.exists():
    pytest.skip("the shared data folder is not beside the project", allow_module_level=True)
CASES: list[dict[str, Any]] = json.loads(DATA.read_text(encoding="utf-8"))
SPAN = {"from": "2012-01-01T00:00:00Z", "to": "2025-01-01T00:00:00Z"}


def named(condition: str | dict[str, Any]) -> dict[str, Any]:
    """A step or exclusion in the API's words."""
    if isinstance(condition, str):
        return {"event": condition.lower()}
    where = {f"properties.{key}": value for key, value in condition.get("where", {}).items()}
    return {"event": condition["event"].lower(), "where": where}


def asked(case: dict[str, Any], **more: Any) -> dict[str, Any]:
    exclude = [{**named(x), "from": x["from_step"], "to": x["to_step"]} for x in case["exclusions"]]
    return {
        **SPAN,
        "steps": [named(step) for step in case["steps"]],
        "order": case["order_type"],
        "conversion_window": f"{case['window_seconds']}s",
        "exclude": exclude,
        "optional": case.get("optional_steps", []),
        **more,
    }


async def send(collector: LiveCollector, case: dict[str, Any]) -> None:
    events = [
        {"id": str(n), "name": name.lower(), "time": parse_time(time), "actor": actor, "properties": properties}
        for n, (actor, name, time, properties) in enumerate(case["events"])
    ]
    assert (await collector.post(reversed(events))).accepted == len(events)


def counts(answer: FunnelAnswer) -> list[int]:
    return [step.count for step in answer.steps]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["name"])
async def test_a_case_of_the_field_comes_out_as_its_source_says(collector: LiveCollector, case: dict[str, Any]) -> None:
    expected: dict[str, Any] = case["expected"]
    await send(collector, case)
    checked = set()

    def expect(key: str) -> Any:
        checked.add(key)
        return expected.get(key)

    for first, last in expect("error_for_ranges") or []:
        body = asked({**case, "exclusions": [{"event": "x", "from_step": first, "to_step": last}]})
        assert await collector.problem("POST", "/v1/funnels", json=body) == (422, "bad_funnel")
    if checked >= set(expected):
        return
    answer = await collector.funnel(asked(case))
    if expect("counts"):
        assert counts(answer) == expected["counts"]
    if expect("avg_seconds_from_previous"):
        assert [step.seconds.mean for step in answer.steps] == expected["avg_seconds_from_previous"]
    if expect("median_seconds_from_previous"):
        assert [step.seconds.median for step in answer.steps] == expected["median_seconds_from_previous"]
    if expect("actors"):
        # The answer counts actors and never names them; the analysis' own test of these cases looks at who they are.
        assert [len(actors) for actors in expected["actors"]] == counts(answer)
    if expect("by_breakdown"):
        how = {"first_touch": "first", "step_1": "step:1"}[case["breakdown"]["attribution"]]
        key = f"properties.{case['breakdown']['property']}"
        answer = await collector.funnel(asked(case, by=[key], attribution=how))
        groups = {group.key[key]: [step.count for step in group.steps] for group in answer.groups or []}
        assert groups == expected["by_breakdown"]
    if expect("trend_by_entry_day"):
        answer = await collector.funnel(asked(case, trend=True))
        days = {
            day.day: {"from": day.entered, "to": day.completed, "rate": day.rate * 100}
            for day in answer.trend or []
            if day.rate is not None
        }
        assert days == expected["trend_by_entry_day"]
    if expect("time_to_convert"):
        times = expected["time_to_convert"]
        histogram = {"from": times["from_step"], "to": times["to_step"], "bins": len(times["bins"]) - 1}
        answer = await collector.funnel(asked(case, histogram=histogram))
        assert answer.histogram is not None
        assert [list(one) for one in answer.histogram.bins] == times["bins"]
        assert answer.steps[times["to_step"]].seconds.mean == times["avg_seconds"]
    if expect("mixpanel_default"):
        assert counts(await collector.funnel(asked(case, entry="first"))) == expected["mixpanel_default"]
    if expect("mixpanel_optimized_reentry"):
        assert counts(answer) == expected["mixpanel_optimized_reentry"]
    if expect("clickhouse_level"):
        strict = await collector.funnel(asked(case, order="strict"))
        assert {"default": sum(counts(answer)), "strict_order": sum(counts(strict))} == expected["clickhouse_level"]
    assert checked >= set(expected)
