"""Days of a funnel's trend: those of the plan's zone, also when clocks are put forward or back."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from kizashi_schemas import parse_time
from live_collector import HOUR, NOW, LiveCollector, event, live_collector

# A day, when it begins and ends by the wall clock there, and how many half hours it has.
DAYS = [
    ("Europe/Berlin", "2026-10-25", "2026-10-25T00:00:00+02:00", "2026-10-26T00:00:00+01:00", 50),
    ("Europe/Berlin", "2027-03-28", "2027-03-28T00:00:00+01:00", "2027-03-29T00:00:00+02:00", 46),
    ("America/New_York", "2026-11-01", "2026-11-01T00:00:00-04:00", "2026-11-02T00:00:00-05:00", 50),
    ("America/New_York", "2027-03-14", "2027-03-14T00:00:00-05:00", "2027-03-15T00:00:00-04:00", 46),
    ("Australia/Lord_Howe", "2026-10-04", "2026-10-04T00:00:00+10:30", "2026-10-05T00:00:00+11:00", 47),
    # Clocks are put back from midnight to eleven, and forward from midnight to one.
    ("Asia/Beirut", "2026-10-24", "2026-10-24T00:00:00+03:00", "2026-10-25T00:00:00+02:00", 50),
    ("Asia/Beirut", "2027-03-28", "2027-03-28T00:00:00+02:00", "2027-03-29T00:00:00+03:00", 46),
    ("Asia/Kolkata", "2026-10-25", "2026-10-25T00:00:00+05:30", "2026-10-26T00:00:00+05:30", 48),
    ("Asia/Tokyo", "2026-10-25", "2026-10-25T00:00:00+09:00", "2026-10-26T00:00:00+09:00", 48),
]
PLAN = """
currency = "JPY"
timezone = "{zone}"
windows = ["1d"]
summaries = [["campaign"]]
[events.mv_view]
[events.purchase]
final = true
[funnels.daily]
steps = ["mv_view", "purchase"]
conversion_window = "1h"
trend = true
"""


async def trends(collector: LiveCollector, start: int, end: int) -> list[list[tuple[str, int, int, Any]]]:
    """The trend of the plan's funnel, and of the same posted, as (day, entered, completed, rate)."""
    interval: dict[str, Any] = {"from": str(start), "to": str(end)}
    async with collector.ask("GET", "/v1/funnels/daily", params=interval) as response:
        declared = (await response.json())["trend"]
    body = {"steps": ["mv_view", "purchase"], "conversion_window": "1h", "trend": True, "from": start, "to": end}
    async with collector.ask("POST", "/v1/funnels", json=body) as response:
        posted = (await response.json())["trend"]
    return [
        [(one["day"], one["entered"], one["completed"], one["rate"]) for one in trend] for trend in (declared, posted)
    ]


@pytest.mark.parametrize(("zone", "day", "begins", "ends", "half_hours"), DAYS)
async def test_a_day_has_the_hours_that_it_has_where_the_plan_is(
    tmp_path: Path, zone: str, day: str, begins: str, ends: str, half_hours: int
) -> None:
    first, next_day = parse_time(begins), parse_time(ends)
    half = HOUR // 2
    async with live_collector(tmp_path, plan=PLAN.format(zone=zone)) as collector:
        collector.advance(next_day + 2 * HOUR - NOW)
        entries = [first - 1, *range(first, next_day, half), next_day - 1, next_day]
        await collector.post([event(time=time, actor=f"v-{time}") for time in entries])
        # Who entered in the day's last millisecond buys on the next one: that is a completion of the day of entry.
        await collector.post([event("purchase", next_day + 1, f"v-{next_day - 1}")])
        inside = half_hours + 1
        for trend in await trends(collector, first - HOUR, next_day + HOUR):
            assert [one[1:3] for one in trend] == [(1, 0), (inside, 1), (1, 0)]
            assert trend[1] == (day, inside, 1, 1 / inside)
        # The interval excludes its start: asked from midnight on, the day's first millisecond is not in it.
        for trend in await trends(collector, first, next_day - 1):
            assert trend == [(day, inside - 1, 1, 1 / (inside - 1))]


async def test_an_actor_counts_once_on_each_day_of_the_plans_zone(tmp_path: Path) -> None:
    midnight = parse_time("2026-10-25T00:00:00+02:00")
    async with live_collector(tmp_path, plan=PLAN.format(zone="Europe/Berlin")) as collector:
        collector.advance(midnight + 30 * HOUR - NOW)
        # 02:30 comes twice that night, an hour apart; the day lasts until its 25th hour is over.
        hours = [-1, 0.5 + 2, 0.5 + 3, 24.5, 25]
        await collector.post([event(time=midnight + int(hour * HOUR)) for hour in hours])
        for trend in await trends(collector, midnight - 2 * HOUR, midnight + 30 * HOUR):
            assert [one[:2] for one in trend] == [("2026-10-24", 1), ("2026-10-25", 1), ("2026-10-26", 1)]


async def test_a_window_of_a_day_has_24_hours_whatever_the_clocks_do(tmp_path: Path) -> None:
    midnight = parse_time("2026-10-26T00:00:00+01:00")
    async with live_collector(tmp_path, plan=PLAN.format(zone="Europe/Berlin")) as collector:
        collector.advance(midnight - NOW)
        times = [midnight - 24 * HOUR, midnight - 24 * HOUR + 1]
        await collector.post([event(time=time, actor=f"v-{time}") for time in times])
        for query in ({}, {"as_of": str(midnight)}):
            assert (await collector.summary(window="1d", **query)).total.actors == 1
