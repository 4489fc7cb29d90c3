"""An event that does not come as it did is told with the plan, whether anything is bid on it or not."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from kizashi_collector.store._chunks import _texts
from kizashi_schemas import format_time
from live_collector import HOUR, MINUTE, LiveCollector, event, live_collector, until
from stores import bring_up_to_date

DAY = 24 * HOUR
NO_FINAL = """
currency = "JPY"
windows = ["7d"]
[events.mv_view]
[events.mv_cart]
[events.mv_newsletter]
[events.mv_never]
[events.purchase]
"""
PLAN = (
    NO_FINAL
    + """
final = true
value = 1000
[values]
ladder = ["mv_view", "mv_cart"]
horizon = "1d"
min_effective_conversions = 5
"""
)
EVENTS = ("mv_view", "mv_cart", "mv_newsletter", "purchase")


def weeks(now: int, **ended: int) -> Iterator[dict[str, Any]]:
    """Nine days of every event, one in twenty minutes; of those named only until so long ago."""
    for number in range(9 * DAY // (20 * MINUTE)):
        ago = number * 20 * MINUTE + MINUTE
        for at, name in enumerate(EVENTS):
            if ago >= ended.get(name, 0):
                yield event(name, now - ago + at * 1_000, f"v-{number}")


async def import_weeks(collector: LiveCollector, **ended: int) -> None:
    """Have them stored, and something arrive as it happens."""
    batch = list(weeks(collector.wall, **ended))
    for start in range(0, len(batch), 2_500):
        await collector.post(batch[start : start + 2_500], **{"import": True})
    await collector.post([event("mv_view", collector.wall)])


async def health(collector: LiveCollector) -> Any:
    async with collector.ask("GET", "/v1/plan") as response:
        assert response.status == 200, await response.text()
        return (await response.json())["health"]


async def breaks(collector: LiveCollector) -> list[dict[str, Any]]:
    """What is told once it can be."""
    await bring_up_to_date(collector.services.answers)
    async with asyncio.timeout(20):
        while True:
            state = collector.services.answers.state()
            if state.current and (found := (await health(collector))["breaks"]) is not None:
                assert isinstance(found, list)
                return found
            await asyncio.sleep(0)


async def tracking_break(collector: LiveCollector) -> str | None:
    """What a summary says of the tracking, once values were learned."""
    return ((await collector.learned(window="7d")).reasons or {}).get("tracking_break")


async def test_an_event_that_stopped_is_told_on_the_ladder_and_off_it(tmp_path: Path) -> None:
    async with live_collector(tmp_path, plan=PLAN) as collector:
        await import_weeks(collector, mv_cart=DAY, mv_newsletter=20 * HOUR)
        cart, newsletter = await breaks(collector)
        assert cart.keys() == {"event", "kind", "seen", "expected", "since", "sentence", "blocks_bids"}
        assert (cart["event"], cart["kind"], cart["seen"], cart["blocks_bids"]) == ("mv_cart", "stopped", 0, True)
        # Three an hour came; the silence is told from its first whole hour on.
        assert 23 * 3 <= cart["expected"] <= 25 * 3
        assert format_time(collector.wall - DAY - HOUR) <= cart["since"] <= format_time(collector.wall - DAY + HOUR)
        assert (newsletter["event"], newsletter["kind"], newsletter["blocks_bids"]) == (
            "mv_newsletter",
            "stopped",
            False,
        )
        # Rows are not ready for the sake of the one alone, and in the same words.
        assert await tracking_break(collector) == cart["sentence"]


async def test_what_is_bid_on_stays_ready_beside_an_event_off_the_ladder_that_stopped(tmp_path: Path) -> None:
    async with live_collector(tmp_path, plan=PLAN) as collector:
        await import_weeks(collector, mv_newsletter=DAY - 5 * HOUR)
        (newsletter,) = await breaks(collector)
        assert (newsletter["event"], newsletter["blocks_bids"]) == ("mv_newsletter", False)
        assert await tracking_break(collector) is None
        # What was missing comes after all: nothing is broken.
        late = [one for one in weeks(collector.wall) if one["name"] == "mv_newsletter"]
        await collector.post(late[: 19 * 3], **{"import": True})
        assert await breaks(collector) == []


async def test_a_plan_without_a_final_is_watched_and_nothing_waits_for_it(tmp_path: Path) -> None:
    async with live_collector(tmp_path, plan=NO_FINAL) as collector:
        await import_weeks(collector, purchase=DAY)
        (purchase,) = await breaks(collector)
        assert (purchase["event"], purchase["kind"], purchase["blocks_bids"]) == ("purchase", "stopped", False)


async def test_breaks_are_told_however_many_sources_there_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_texts, "MOST_SOURCES", 3)
    async with live_collector(tmp_path, plan=PLAN) as collector:
        await import_weeks(collector, mv_newsletter=DAY)
        await collector.post([event("mv_view", collector.wall, source={"campaign": str(n)}) for n in range(9)])
        assert [one["event"] for one in await breaks(collector)] == ["mv_newsletter"]


async def test_what_cannot_be_told_is_null(tmp_path: Path) -> None:
    async with live_collector(tmp_path) as collector:
        # Without a plan there is nothing to look at.
        assert (await health(collector))["breaks"] == []
        async with collector.ask("POST", "/v1/plan", scope="admin", data=PLAN) as response:
            assert (await response.json())["health"]["breaks"] is None
        # What was imported does not tell up to when events have arrived.
        await collector.post(list(weeks(collector.wall))[:2_500], **{"import": True})
        await until(lambda: collector.services.answers.state().current)
        assert (await health(collector))["breaks"] is None
        await collector.post([event("mv_view", collector.wall)])
        assert await breaks(collector) == []
        # Nothing has arrived for a day: who could say whose silence that is?
        collector.advance(DAY)
        assert (await health(collector))["breaks"] is None
