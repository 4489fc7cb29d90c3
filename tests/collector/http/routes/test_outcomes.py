"""What journeys came to, in the rows of a summary: kept and counted alike."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

from kizashi_schemas import format_time
from live_collector import LiveCollector, live_collector, settle

HOUR = 3_600_000
PLAN = """
currency = "JPY"
windows = ["1d"]
SUMMARIES
[events.mv_view]
[events.purchase]
final = true
value = "event"
[values]
ladder = ["mv_view"]
horizon = "1d"
"""
_number = iter(range(10**6))


def plan(*summaries: list[str]) -> str:
    return PLAN.replace("SUMMARIES", f"summaries = {list(summaries)}")


def event(collector: LiveCollector, name: str, ago: int, actor: str = "a", **source: str) -> dict[str, Any]:
    time = collector.wall - ago
    made = {"id": f"o-{next(_number)}", "name": name, "time": time, "actor": actor, "source": source}
    return made | ({"value": 1000, "currency": "JPY"} if name == "purchase" else {})


async def test_a_journey_is_in_the_row_of_the_event_that_it_is_credited_to(tmp_path: Path) -> None:
    async with live_collector(tmp_path, plan=plan(["campaign"])) as collector:
        view = event(collector, "mv_view", 5 * HOUR, campaign="A")
        await collector.post([view, event(collector, "purchase", HOUR, campaign="B")])
        answer = await collector.learned(window="1d", by="campaign")
        assert [(row.key["campaign"], row.journeys, row.converted) for row in answer.rows] == [("A", 0, 0), ("B", 1, 1)]
        assert settle(answer.total.brought_value) == 1000
        # Credited to an event after the interval, it still began in it.
        to = {"from": format_time(collector.wall - 6 * HOUR), "to": format_time(collector.wall - 2 * HOUR)}
        before = await collector.summary(by="campaign", **to)
        assert [(row.key["campaign"], row.actors, row.journeys) for row in before.rows] == [("A", 1, 0), ("B", 0, 1)]
        assert before.total.journeys == 1


async def test_a_click_id_alone_is_a_source_too(tmp_path: Path) -> None:
    async with live_collector(tmp_path, plan=plan(["campaign"])) as collector:
        await collector.post([event(collector, "mv_view", 3 * HOUR, campaign="A")])
        await collector.post([event(collector, "mv_view", 2 * HOUR, gclid="g1")])
        await collector.post([event(collector, "mv_view", HOUR)])
        kept = await collector.learned(window="1d", by="campaign")
        counted = await collector.summary(by="campaign", window="1d", as_of=kept.as_of)
        for answer in (kept, counted):
            assert [(row.key["campaign"], row.journeys) for row in answer.rows] == [("", 1), ("A", 0)]


async def test_a_breakdown_by_a_click_id_is_counted_from_the_log_though_the_plan_names_it(tmp_path: Path) -> None:
    async with live_collector(tmp_path, plan=plan(["gclid"], ["campaign"])) as collector:
        await collector.post([event(collector, "mv_view", HOUR, f"a{at}", gclid=f"g{at}") for at in range(3)])
        answer = await collector.learned(window="1d", by="gclid")
        assert [(row.key["gclid"], row.journeys) for row in answer.rows] == [("g0", 1), ("g1", 1), ("g2", 1)]


async def test_of_more_breakdowns_than_are_kept_all_are_answered(tmp_path: Path) -> None:
    fields = ["campaign", "campaign_id", "ad_group", "keyword", "creative", "channel"]
    many = [[one] for one in fields] + [[one, "device"] for one in fields]
    async with live_collector(tmp_path, plan=plan(*many)) as collector:
        await collector.post([event(collector, "mv_view", HOUR, channel="search", device="mobile")])
        for by in ("channel", "channel,device", "campaign", "campaign,device"):
            answer = await collector.learned(window="1d", by=by)
            assert [row.journeys for row in answer.rows] == [1]


async def test_what_a_history_tells_that_is_imported_is_learned_without_waiting_for_the_hour(tmp_path: Path) -> None:
    async with live_collector(tmp_path, plan=plan(["campaign"])) as collector:
        await collector.post([event(collector, "mv_view", HOUR, "first")])
        await collector.learned(window="1d")
        history = []
        for at in range(300):
            history.append(event(collector, "mv_view", (40 + at) * 10 * HOUR // 10, f"h{at}"))
            if at % 2:
                history.append(event(collector, "purchase", (40 + at) * 10 * HOUR // 10 - HOUR, f"h{at}"))
        await collector.post(history)
        async with asyncio.timeout(20):
            while not (await collector.summary(window="1d")).total.effective_conversions:  # noqa: ASYNC110
                await asyncio.sleep(0.05)  # it is looked for every few seconds, in a thread
