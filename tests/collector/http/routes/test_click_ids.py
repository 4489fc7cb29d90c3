"""A summary by a click id: as many keys as visitors, and a fit of none of them."""

from __future__ import annotations

import asyncio
from pathlib import Path

import numpy as np
import pytest

from kizashi_collector.analysis import Journeys, Ladder
from kizashi_collector.store._current import learn
from kizashi_collector.store._known_keys import MOST_KEYS
from kizashi_schemas import format_time
from kizashi_schemas.plan import load_plan
from live_collector import HOUR, NOW, event, live_collector, settle

DAY = 24 * HOUR
PLAN = """
currency = "JPY"
windows = ["7d"]
summaries = [["campaign"]]
[events.mv_view]
[events.purchase]
final = true
value = 1000
[values]
ladder = ["mv_view"]
horizon = "7d"
min_effective_conversions = 5
"""
COUNT = MOST_KEYS + 100


async def test_click_ids_beyond_counting_have_the_chance_of_all_and_no_evidence(tmp_path: Path) -> None:
    events = []
    for number in range(COUNT):
        time, actor = NOW - HOUR - number * 60 * DAY // COUNT, f"v-{number}"
        events.append(event("mv_view", time, actor, source={"gclid": f"g{number:05}", "campaign": "c"}))
        sold = time + (1 + number % 97) * HOUR
        if number % 5 == 0 and sold <= NOW:
            events.append(event("purchase", sold, actor))
    async with live_collector(tmp_path) as collector:
        for at in range(0, len(events), 1_000):
            await collector.post(events[at : at + 1_000], **{"import": True})
        await collector.post([event("mv_view", NOW)])
    async with live_collector(tmp_path, plan=PLAN) as collector:
        interval = {"from": format_time(NOW - 7 * DAY), "to": format_time(NOW), "as_of": format_time(NOW)}
        async with asyncio.timeout(20):
            while (whole := await collector.summary(**interval)).total.reason == "recomputing":  # noqa: ASYNC110
                await asyncio.sleep(0)  # it is learned in a thread
        answer = await collector.summary(by="gclid", **interval)
        assert answer.total.journeys == whole.total.journeys == sum(row.journeys or 0 for row in answer.rows)
        # All together they are what they are without any breakdown, evidence and all.
        assert answer.total.effective_conversions == whole.total.effective_conversions
        assert settle(answer.total.expected_value) == pytest.approx(settle(whole.total.expected_value), rel=0.02)
        assert (answer.total.ready, answer.total.reason) == (True, None)
        waiting = [row for row in answer.rows if row.open]
        assert len(waiting) > 100
        for row in waiting:
            assert (row.ready, row.reason, row.effective_conversions) == (False, "thin", 0.0)
            assert 0 <= settle(row.expected_value) < 250
        assert len({settle(row.expected_value) for row in waiting}) > 20
        converted = [row for row in answer.rows if row.converted]
        assert {settle(row.expected_value) for row in converted} == {1000}


class _EnoughError(Exception):
    """Nobody waits any more."""


def test_learning_ends_when_nobody_waits_for_it() -> None:
    plan = load_plan(PLAN)
    ladder = Ladder.of(plan)
    assert ladder is not None
    count = 2_000
    begin = NOW - np.arange(count) * 60 * DAY // count
    never = np.full(count, -1)
    journeys = Journeys(
        actor=np.arange(count, dtype=np.int32),
        begin=begin,
        source=np.zeros(count, np.int32),
        deepest=np.ones(count, np.int16),
        reached=np.stack([never, begin], axis=1),
        ended=np.zeros(count, np.int8),
        end=never,
        final=np.zeros(count, np.int32),
        brought=np.zeros(count, np.int64),
        apart={},
    )
    looks = 0

    def check() -> None:
        nonlocal looks
        looks += 1
        if looks == most:
            raise _EnoughError

    most = -1
    learn(journeys, [{}], plan, ladder, NOW, [()], check)
    assert looks >= 5
    last, most = looks, 0
    for most in (1, last // 2, last):
        looks = 0
        with pytest.raises(_EnoughError):
            learn(journeys, [{}], plan, ladder, NOW, [()], check)
        assert looks == most
