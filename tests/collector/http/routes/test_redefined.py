"""A plan that makes another thing of journeys: no row is ready until a horizon under it has passed."""

from __future__ import annotations

import asyncio
from pathlib import Path

from kizashi_schemas import format_time
from kizashi_schemas.plan import load_plan
from live_collector import HOUR, NOW, LiveCollector, event, live_collector
from stores import bring_up_to_date

DAY, SECOND = 24 * HOUR, 1_000
PLAN = """
currency = "JPY"
windows = ["1d"]
[events.mv_view]
[events.mv_cart]
value = 300
[events.purchase]
final = true
value = 1000
[values]
ladder = ["mv_view", "mv_cart"]
horizon = "1d"
min_effective_conversions = 5
"""
OTHER = PLAN.replace('"mv_view", "mv_cart"]', '"mv_view"]')


async def put(collector: LiveCollector, text: str) -> None:
    """Put a plan in force, and wait until its answers are kept and its values learned."""
    async with collector.ask("POST", "/v1/plan", scope="admin", data=text) as response:
        assert response.status == 200, await response.text()
    await learned(collector)


async def learned(collector: LiveCollector) -> None:
    await bring_up_to_date(collector.services.answers)
    async with asyncio.timeout(20):
        while True:
            state = collector.services.answers.state()
            if state.current and state.learned_until is not None:
                return
            await asyncio.sleep(0)


async def sell(collector: LiveCollector) -> None:
    """40 days with a few sales each, so that values can be learned; and events of just now."""
    events = []
    for number in range(160):
        time, actor = collector.wall - number * 6 * HOUR - HOUR, f"v-{number}"
        events.append(event("mv_view", time, actor))
        if number % 2:
            events.append(event("mv_cart", time + 1_000, actor))
        if number % 4 == 1:
            events.append(event("purchase", time + 2_000, actor))
    await collector.post(events, **{"import": True})
    await collector.post([event("mv_view", collector.wall - SECOND)])


async def reasons(collector: LiveCollector) -> tuple[str | None, str | None]:
    """Why the last day is not ready: as it is kept, and as it is counted from the log."""
    kept = await collector.summary(window="1d")
    start, end = format_time(collector.wall - DAY), format_time(collector.wall)
    counted = await collector.summary(**{"from": start, "to": end, "as_of": end, "by": "gclid"})
    assert counted.total.journeys == kept.total.journeys
    return kept.total.reason, counted.total.reason


async def reason_at(collector: LiveCollector, as_of: int) -> str | None:
    to = format_time(as_of)
    answer = await collector.summary(**{"from": format_time(as_of - DAY), "to": to, "as_of": to})
    return answer.total.reason


async def test_a_changed_ladder_is_waited_for_and_a_changed_value_is_not(tmp_path: Path) -> None:
    async with live_collector(tmp_path) as collector:
        await sell(collector)
        await put(collector, PLAN)
        await put(collector, PLAN.replace("300", "310"))
        assert await reasons(collector) == (None, None)
        collector.advance(HOUR)
        await collector.post([event("mv_view", collector.wall - SECOND)])
        await put(collector, OTHER)
        changed = collector.wall
        assert await reasons(collector) == ("recomputing", "recomputing")
        collector.advance(DAY - 1)
        await collector.post([event("mv_view", collector.wall - SECOND)])
        assert await reasons(collector) == ("recomputing", "recomputing")
        async with collector.ask("GET", "/v1/summary", params={"window": "1d"}) as response:
            tag = response.headers["ETag"]
        # Nothing has come, and no minute has begun: it is the horizon that has passed.
        collector.advance(1)
        async with collector.ask(
            "GET", "/v1/summary", params={"window": "1d"}, headers={"If-None-Match": tag}
        ) as response:
            assert response.status == 200
        await learned(collector)
        assert await reasons(collector) == (None, None)
        # A question about the past is judged by what had changed by then.
        assert [
            await reason_at(collector, at) for at in (NOW, changed - 1, changed, changed + HOUR, collector.wall)
        ] == [
            *(None, None, "recomputing", "recomputing", None),
        ]


async def test_a_restart_changes_nothing_and_forgets_nothing(tmp_path: Path) -> None:
    async with live_collector(tmp_path, plan=PLAN) as collector:
        await sell(collector)
        await learned(collector)
    async with live_collector(tmp_path, plan=PLAN) as collector:
        await learned(collector)
        assert await reasons(collector) == (None, None)
    for _ in range(2):
        async with live_collector(tmp_path, plan=OTHER) as collector:
            await learned(collector)
            assert await reasons(collector) == ("recomputing", "recomputing")


async def test_a_change_that_is_taken_back_at_once_is_waited_for_all_the_same(tmp_path: Path) -> None:
    async with live_collector(tmp_path) as collector:
        await sell(collector)
        await put(collector, PLAN)
        assert await reasons(collector) == (None, None)
        # Nothing is built in between: the plan that is kept is the same before and after.
        for text in (OTHER, PLAN):
            await collector.services.plans.replace(load_plan(text), collector.wall)
        assert await reasons(collector) == ("recomputing", "recomputing")
        await learned(collector)
        assert await reasons(collector) == ("recomputing", "recomputing")
