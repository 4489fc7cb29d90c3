"""GET /v1/values: what it takes, and as of when it answers."""

from __future__ import annotations

from pathlib import Path

import pytest

from kizashi_schemas import format_time
from live_collector import HOUR, LiveCollector, event, live_collector

PLAN = """
currency = "JPY"
[events.mv_view]
[events.purchase]
final = true
[values]
ladder = ["mv_view"]
"""


async def test_what_is_quick_to_count_is_counted_whatever_age_would_do(tmp_path: Path) -> None:
    async with live_collector(tmp_path, plan=PLAN) as collector:
        for count in (1, 2, 3):
            await collector.post([event("mv_view", collector.wall)])
            async with collector.ask("GET", "/v1/values?max_age=24h") as response:
                assert response.status == 200, await response.text()
                answer = await response.json()
            assert answer["as_of"] == format_time(collector.wall)
            assert answer["steps"][0]["count_28d"] == count
            collector.advance(HOUR)


@pytest.mark.parametrize(
    ("query", "told"),
    [
        ("max_age=2d", "more than a day"),
        ("max_age=soon", "max_age duration 'soon'"),
        ("max_age=0s", "max_age duration '0s'"),
        ("max_age=1h&as_of=0", "leave one out"),
    ],
)
async def test_an_age_that_cannot_be_meant_is_refused(collector: LiveCollector, query: str, told: str) -> None:
    assert await collector.problem("GET", f"/v1/values?{query}") == (400, "bad_query")
    async with collector.ask("GET", f"/v1/values?{query}") as response:
        assert told in (await response.json())["detail"]
