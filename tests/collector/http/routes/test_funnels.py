"""GET and POST /v1/funnels: the answer's form. What is counted is tested with the analysis."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest

from live_collector import HOUR, MINUTE, NOW, LiveCollector, event, live_collector, settle

PLAN = """
currency = "JPY"
timezone = "Asia/Tokyo"
[events.mv_view]
[events.mv_cart]
value = 300
[events.purchase]
final = true
[funnels.checkout]
steps = ["mv_view", "mv_cart", "purchase"]
conversion_window = "7d"
trend = true
histogram = { from = 0, to = 2, bins = 2 }
"""


async def visits(collector: LiveCollector) -> None:
    def step(name: str, actor: str, minutes: int, **fields: Any) -> dict[str, Any]:
        return event(name, NOW - HOUR + minutes * MINUTE, actor, source={"campaign": actor[0]}, **fields)

    await collector.post(
        [
            step("mv_view", "a1", 0),
            step("mv_cart", "a1", 10, order="C-1"),
            step("purchase", "a1", 30, value=1000, currency="JPY"),
            step("mv_view", "a2", 0),
            step("mv_view", "b1", 1),
            step("mv_cart", "b1", 2),
            step("mv_cart", "a1", 40, order="C-1", adjust="retract"),
        ]
    )


async def test_a_funnel_of_the_plan_is_answered_by_name(tmp_path: Path) -> None:
    async with live_collector(tmp_path, plan=PLAN) as collector:
        await visits(collector)
        async with collector.ask("GET", "/v1/funnels/checkout", params={"by": "campaign", "window": "1d"}) as response:
            answer = await response.json()
    assert answer["name"] == "checkout"
    assert [(s["event"], s["count"], s["rate"], s["step_rate"]) for s in answer["steps"]] == [
        ("mv_view", 3, 1.0, None),
        ("mv_cart", 2, 2 / 3, 2 / 3),
        ("purchase", 1, 1 / 3, 0.5),
    ]
    assert answer["steps"][0]["seconds"] == {"mean": None, "median": None, "p90": None}
    assert answer["steps"][1]["seconds"] == {"mean": 330.0, "median": 330.0, "p90": 600.0}
    assert [s["value"] for s in answer["steps"]] == [
        {"declared": 0, "final": 0},
        {"declared": 300, "final": 0},
        {"declared": 1000, "final": 1000},
    ]
    assert [(g["key"], [s["count"] for s in g["steps"]]) for g in answer["groups"]] == [
        ({"campaign": "a"}, [2, 1, 1]),
        ({"campaign": "b"}, [1, 1, 0]),
    ]
    assert answer["trend"] == [
        {"day": "2026-09-20", "entered": 0, "completed": 0, "rate": None},
        {"day": "2026-09-21", "entered": 3, "completed": 1, "rate": 1 / 3},
    ]
    assert answer["histogram"] == {"from": 0, "to": 2, "bins": [[1800.0, 1]]}
    assert answer["dialect"] == {"order": "ordered", "entry": "latest", "exclusion": "actor"}
    assert (answer["from"], answer["to"]) == ("2026-09-20T14:13:20.000Z", "2026-09-21T14:13:20.000Z")


async def test_any_funnel_can_be_posted(collector: LiveCollector) -> None:
    await visits(collector)
    asked = {"steps": ["mv_view", {"event": "mv_cart", "where": {"source.campaign": ["a", "c"]}}], "order": "unordered"}
    answer = await collector.funnel(asked)
    assert [step.count for step in answer.steps] == [3, 1]
    assert [settle(step.value.declared) for step in answer.steps] == [None, None]
    assert answer.dialect.exclusion == "attempt"
    assert (answer.groups, answer.trend, answer.histogram, answer.plan) == (None, None, None, None)


async def test_the_example_of_the_documentation_is_answered(collector: LiveCollector) -> None:
    text = (Path(__file__).parents[4] / "docs" / "funnels.md").read_text(encoding="utf-8")
    example = text.partition("```json\n")[2].partition("```")[0]
    answer = await collector.funnel(json.loads(example))
    assert [step.count for step in answer.steps] == [0, 0, 0]
    assert [step.rate for step in answer.steps] == [None, None, None]
    assert answer.histogram is not None
    assert answer.histogram.bins == []


async def test_messagepack_is_understood(collector: LiveCollector) -> None:
    body = msgspec.msgpack.encode({"steps": ["mv_view"]})
    headers = {"Content-Type": "application/msgpack"}
    async with collector.ask("POST", "/v1/funnels", data=body, headers=headers) as response:
        assert (await response.json())["steps"][0]["count"] == 0


async def test_the_plans_funnels_are_listed(tmp_path: Path) -> None:
    async with live_collector(tmp_path, plan=PLAN) as collector, collector.ask("GET", "/v1/funnels") as response:
        listing = await response.json()
    assert list(listing["funnels"]) == ["checkout"]
    assert listing["funnels"]["checkout"]["conversion_window"] == "7d"


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ("{", 400, "undecodable"),
        ("[]", 422, "bad_funnel"),
        ("{}", 422, "bad_funnel"),
        ('{"steps": []}', 422, "bad_funnel"),
        ('{"steps": ["a"], "setps": []}', 422, "bad_funnel"),
        ('{"steps": ["a", "b"], "exclude": [{"event": "x", "from": 1, "to": 1}]}', 422, "bad_funnel"),
        ('{"steps": ["a", "b"], "exclude": [{"event": "x", "from": 0, "to": 2}]}', 422, "bad_funnel"),
        ('{"steps": ["a", "b"], "order": "unordered", "optional": [1]}', 422, "bad_funnel"),
        ('{"steps": ["a", "b"], "by": ["Campaign"]}', 422, "bad_funnel"),
        ('{"steps": ["a", "b"], "attribution": "step:2"}', 422, "bad_funnel"),
        ('{"steps": ["a", "b"], "histogram": {"bins": 0}}', 422, "bad_funnel"),
        ('{"steps": ["a"], "window": "7d", "from": 0}', 400, "bad_query"),
        ('{"steps": ["a"], "from": "yesterday"}', 400, "bad_query"),
        ('{"steps": [' + "[" * 100_000 + "]" * 100_000 + "]}", 422, "bad_funnel"),
    ],
    ids=lambda value: str(value)[:60],
)
async def test_an_impossible_funnel_is_refused(collector: LiveCollector, body: str, status: int, code: str) -> None:
    headers = {"Content-Type": "application/json"}
    assert await collector.problem("POST", "/v1/funnels", data=body, headers=headers) == (status, code)


@pytest.mark.parametrize("query", ["by=properties.sku", "attribution=step:9", "attribution=middle", "trend=true"])
async def test_a_bad_query_for_a_funnel_of_the_plan_is_refused(tmp_path: Path, query: str) -> None:
    async with live_collector(tmp_path, plan=PLAN) as collector:
        assert await collector.problem("GET", f"/v1/funnels/checkout?{query}") == (400, "bad_query")
