"""Where intervals end, to the millisecond, and what is said of empty ones: of what is kept, and of what is counted."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import msgspec
import pytest

from kizashi_schemas import format_time
from live_collector import HOUR, MINUTE, NOW, LiveCollector, event, live_collector, settle, until

WINDOW, CONVERSION = 6 * HOUR, 10 * MINUTE
PLAN = """
currency = "JPY"
windows = ["6h"]
summaries = [["campaign"]]
[events.mv_view]
[events.purchase]
final = true
action = "primary"
value = "event"
[funnels.quick]
steps = ["mv_view", "purchase"]
conversion_window = "10m"
"""
QUICK = {"steps": ["mv_view", "purchase"], "conversion_window": "10m"}
ANSWERS = Path(__file__).parents[4] / "docs" / "answers.md"


@pytest.fixture
async def shop(tmp_path: Path) -> AsyncIterator[LiveCollector]:
    """A collector with a plan, what it declares kept current."""
    async with live_collector(tmp_path, plan=PLAN) as shop:
        await until(lambda: shop.services.answers.state().current)
        yield shop


def own(name: str, time: int, who: str, **fields: Any) -> dict[str, Any]:
    """An event of an actor with a campaign of the same name."""
    return event(name, time, who, source={"campaign": who}, **fields)


async def get(shop: LiveCollector, path: str, **query: str) -> Any:
    async with shop.ask("GET", path, params=query) as response:
        assert response.status == 200, await response.text()
        return await response.json()


async def posted(shop: LiveCollector, asked: Mapping[str, Any]) -> Any:
    """A funnel that nobody declared."""
    async with shop.ask("POST", "/v1/funnels", json=dict(asked)) as response:
        assert response.status == 200, await response.text()
        return await response.json()


async def summed(shop: LiveCollector) -> list[set[str]]:
    """The campaigns in the window that ends now: as it is kept, counted as of now, between two instants, by more."""
    now, start = str(shop.wall), str(shop.wall - WINDOW)
    queries: list[dict[str, str]] = [
        {"window": "6h", "by": "campaign"},
        {"window": "6h", "by": "campaign", "as_of": now},
        {"from": start, "to": now, "by": "campaign"},
        {"window": "6h", "by": "campaign,device"},
    ]
    answers = [await shop.summary(**query) for query in queries]
    assert {answer.total.actors for answer in answers} == {len(answers[0].rows)}
    return [{row.key["campaign"] for row in answer.rows} for answer in answers]


async def funnels(shop: LiveCollector) -> list[dict[str, list[int]]]:
    """Counts by campaign of the funnel over the window that ends now: kept, counted as of now, posted."""
    query = {"window": "6h", "by": "campaign"}
    answers = [
        await get(shop, "/v1/funnels/quick", **query),
        await get(shop, "/v1/funnels/quick", **query, as_of=str(shop.wall)),
        await posted(shop, QUICK | {"window": "6h", "by": ["campaign"]}),
    ]
    return [
        {group["key"]["campaign"]: [step["count"] for step in group["steps"]] for group in answer["groups"]}
        for answer in answers
    ]


async def test_a_window_moves_by_the_millisecond(shop: LiveCollector) -> None:
    first = NOW - WINDOW
    times = {"e0": first - 1, "e1": first, "e2": first + 1, "l1": NOW - 1, "l2": NOW, "l3": NOW + 1, "l4": NOW + 2}
    await shop.post([own("mv_view", time, who) for who, time in times.items()])
    for inside in ({"e2", "l1", "l2"}, {"l1", "l2", "l3"}, {"l1", "l2", "l3", "l4"}):
        assert await summed(shop) == [inside] * 4
        assert await funnels(shop) == [{who: [1, 0] for who in inside}] * 3
        shop.advance(1)
    past = await shop.summary(window="6h", by="campaign", as_of=str(NOW))
    assert {row.key["campaign"] for row in past.rows} == {"e2", "l1", "l2"}


async def test_late_events_fall_on_their_side_of_the_edge(shop: LiveCollector) -> None:
    for who, time in {"out": NOW - WINDOW, "in": NOW - WINDOW + 1}.items():
        await shop.post([own("mv_view", time, who)])
        assert await summed(shop) == [{"in"} if who == "in" else set()] * 4
    shop.advance(1)
    assert await summed(shop) == [set()] * 4


async def test_a_step_counts_at_the_last_millisecond_of_the_conversion_window(shop: LiveCollector) -> None:
    begun = NOW - HOUR
    after = {"less": CONVERSION - 1, "exact": CONVERSION, "more": CONVERSION + 1, "same": 0, "before": -1}
    await shop.post([own("mv_view", begun, who) for who in after])
    await shop.post([own("purchase", begun + time, who) for who, time in after.items()])
    expected = {"before": [1, 0], "exact": [1, 1], "less": [1, 1], "more": [1, 0], "same": [1, 1]}
    assert await funnels(shop) == [expected] * 3


async def test_a_step_counts_from_its_own_millisecond_on(shop: LiveCollector) -> None:
    await shop.post([own("mv_view", NOW, "v"), own("purchase", NOW + 2, "v")])
    for counts in ([1, 0], [1, 0], [1, 1]):
        assert await funnels(shop) == [{"v": counts}] * 3
        shop.advance(1)


async def test_only_the_first_step_must_lie_in_the_interval(shop: LiveCollector) -> None:
    begun = NOW - HOUR
    await shop.post([own("mv_view", begun, "v"), own("purchase", begun + MINUTE, "v")])

    async def counts(start: int, end: int, as_of: int = NOW) -> list[int]:
        query = {"from": str(start), "to": str(end), "as_of": str(as_of)}
        declared = await get(shop, "/v1/funnels/quick", **query)
        other = await posted(shop, QUICK | {"from": start, "to": end, "as_of": as_of})
        assert declared["steps"] == other["steps"]
        return [step["count"] for step in other["steps"]]

    assert await counts(begun - 1, begun) == [1, 1]
    assert await counts(begun, begun + MINUTE) == [0, 0]
    assert await counts(begun - 1, begun - 1) == [0, 0]
    assert await counts(begun - 1, begun, begun + MINUTE - 1) == [1, 0]
    assert await counts(begun - 1, begun, begun + MINUTE) == [1, 1]


async def test_of_an_empty_window_rates_are_null_and_rows_are_none(shop: LiveCollector) -> None:
    long_ago = NOW - 30 * 24 * HOUR
    await shop.post([own("mv_view", long_ago, "v"), own("purchase", long_ago + 1, "v", value=5, currency="JPY")])
    instant = format_time(NOW - HOUR)
    queries: list[dict[str, str]] = [
        {"window": "6h"},
        {"window": "6h", "as_of": format_time(NOW)},
        {"window": "5h"},
        {"from": instant, "to": instant},
    ]
    for query in queries:
        summary = await get(shop, "/v1/summary", by="campaign", **query)
        assert summary["rows"] == []
        total = summary["total"]
        assert (total["actors"], total["final_value"], total["declared_value"]) == (0, 0, 0)
        assert total["events"]["mv_view"] == {"count": 0, "actors": 0, "value": 0}
        assert [row["key"] for row in (await get(shop, "/v1/summary", **query))["rows"]] == [{}]
        async with shop.ask("GET", "/v1/summary", params={"by": "campaign", "format": "csv", **query}) as response:
            assert len((await response.text()).splitlines()) == 1

        funnel = await get(shop, "/v1/funnels/quick", by="campaign", **query)
        asked = QUICK | query | {"by": ["campaign"], "trend": True, "histogram": {}}
        answer = await posted(shop, asked)
        for one in (funnel, answer):
            assert one["groups"] == []
            assert [(step["count"], step["rate"], step["step_rate"]) for step in one["steps"]] == [(0, None, None)] * 2
            assert [step["seconds"] for step in one["steps"]] == [{"mean": None, "median": None, "p90": None}] * 2
            assert [step["value"] for step in one["steps"]] == [{"declared": 0, "final": 0}] * 2
        assert answer["histogram"]["bins"] == []
        assert {(day["entered"], day["completed"], day["rate"]) for day in answer["trend"]} == {(0, 0, None)}


# -- docs/answers.md, "Why rows do not add up to the total" ----------------------------------------------------------


def section() -> str:
    return ANSWERS.read_text(encoding="utf-8").partition("## Why rows do not add up")[2].partition("\n## ")[0]


def block(language: str) -> str:
    (found,) = re.findall(rf"```{language}\n(.*?)```", section(), re.DOTALL)
    return str(found)


def tables() -> list[list[list[str]]]:
    """The rows of each table, its head left out."""
    lines = [line.replace("`", "") for line in section().splitlines()]
    cells = [[cell.strip() for cell in line.split("|")[1:-1]] for line in lines]
    heads = [at for at, row in enumerate(cells) if row and set("".join(row)) == {"-"}]
    ends = [next(at for at in range(head, len(cells)) if not cells[at]) for head in heads]
    return [cells[head + 1 : end] for head, end in zip(heads, ends, strict=True)]


@pytest.fixture(params=["kept", "counted"])
async def example(tmp_path: Path, request: pytest.FixtureRequest) -> AsyncIterator[LiveCollector]:
    """A collector with the plan and the events of the documentation; its breakdown is kept, or is not."""
    declared = 'windows = ["7d"]\nsummaries = [["campaign"]]\n' if request.param == "kept" else ""
    async with live_collector(tmp_path, plan=declared + block("toml")) as collector:
        await until(lambda: collector.services.answers.state().current)
        await collector.post(msgspec.json.decode(block("json"))["events"])
        yield collector


async def test_the_rows_of_the_documentation_do_not_add_up_as_it_says(example: LiveCollector) -> None:
    answer = await example.summary(by="campaign")
    figures = {
        name: [row.actors, row.events["mv_cart"].count, settle(row.final_value), settle(row.declared_value)]
        for name, row in [*((row.key["campaign"], row) for row in answer.rows), ("total", answer.total)]
    }
    rows = zip(figures["brand"], figures["generic"], strict=True)
    figures["sum of the rows"] = [sum(each) for each in rows]
    assert {name: [str(figure) for figure in row] for name, row in figures.items()} == {
        name: row for name, *row in tables()[0]
    }
    assert figures["sum of the rows"] != figures["total"]


async def test_the_groups_of_the_documentation_are_what_it_says(example: LiveCollector) -> None:
    for attributions, *row in tables()[1]:
        for attribution in attributions.split(", "):
            asked = {"steps": ["mv_cart", "purchase"], "by": ["campaign"], "attribution": attribution}
            answer = await example.funnel(asked)
            counts = {group.key["campaign"]: group.steps for group in answer.groups or []} | {"total": answer.steps}
            written = {name: ", ".join(str(step.count) for step in steps) for name, steps in counts.items()}
            assert {name: written.get(name, "") for name in ("brand", "generic", "total")} == dict(
                zip(("brand", "generic", "total"), row, strict=True)
            )


async def test_a_sale_whose_steps_came_by_different_campaigns_is_in_no_group_of_all(example: LiveCollector) -> None:
    await example.post([event("mv_cart", NOW - 2, "v-2", source={"campaign": "x"}), event("purchase", NOW, "v-2")])
    asked = {"steps": ["mv_cart", "purchase"], "by": ["campaign"], "attribution": "all"}
    answer = await example.funnel(asked)
    counts = {group.key["campaign"]: [step.count for step in group.steps] for group in answer.groups or []}
    assert counts == {"brand": [1, 0], "generic": [1, 1], "x": [1, 0]}
    assert [step.count for step in answer.steps] == [2, 2]
