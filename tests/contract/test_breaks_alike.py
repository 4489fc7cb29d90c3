"""Both stores tell the same breaks in the tracking, to the byte, and agree with their own summaries."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from contract.replay import both_stores
from contract.test_breaks import DAY, PLAN, weeks
from live_collector import HOUR, NOW, event


@pytest.fixture(autouse=True)
def each_store() -> None:
    """Both at once."""


async def test_an_event_on_the_ladder_and_one_off_it_are_told_alike(tmp_path: Path) -> None:
    async with both_stores(tmp_path, NOW) as both:
        # More events than are looked at without being surer, most of which never came.
        plan = PLAN.replace("[events.mv_never]", "\n".join(f"[events.mv_never_{number}]" for number in range(30)))
        assert (await both.say("POST", "/v1/plan", scope="admin", data=plan)).status == 200
        events = list(weeks(NOW, mv_cart=DAY, mv_newsletter=9 * HOUR))
        for start in range(0, len(events), 2_500):
            batch = {"import": True, "events": events[start : start + 2_500]}
            await both.say("POST", "/v1/events", scope="write", json=batch)
        await both.say("POST", "/v1/events", scope="write", json={"events": [event("mv_view", NOW)]})
        await both.learned()
        told = []
        # As a silence becomes too long, and where a minute begins.
        for later in (0, HOUR, 5 * HOUR, 5 * HOUR + 60_000):
            both.at(NOW + later)
            await both.say("POST", "/v1/events", scope="write", json={"events": [event("mv_view", both.now)]})
            reply = await both.say("GET", "/v1/plan")
            found = msgspec.json.decode(reply.body)["health"]["breaks"]
            blocking = " ".join(one["sentence"] for one in found if one["blocks_bids"])
            for each in both.each:
                assert (await each.summary(window="7d")).reasons == {"tracking_break": blocking}
            told.append([one["event"] for one in found])
        assert told[0] == ["mv_cart"]
        assert told[-1] == ["mv_cart", "mv_newsletter"]
        assert not both.differences, "\n".join(both.differences)
