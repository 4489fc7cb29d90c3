"""GET /v1/increments: pages, cursors, money, and what is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest

from kizashi_schemas import IncrementsAnswer
from live_collector import HOUR, NOW, LiveCollector, event, live_collector

PLAN = """
    currency = "USD"
    [events.mv_cart]
    value = 2.5
    [events.purchase]
    final = true
    value = "event"
    [values]
    ladder = ["mv_cart"]
    horizon = "2h"
"""


async def increments(collector: LiveCollector, **query: str) -> dict[str, Any]:
    async with collector.ask("GET", "/v1/increments", params=query) as response:
        assert response.status == 200, await response.text()
        assert response.headers["Cache-Control"] == "no-store"
        body = await response.read()
    msgspec.json.decode(body, type=IncrementsAnswer)
    answer: dict[str, Any] = msgspec.json.decode(body)
    return answer


async def test_a_feed_is_told_each_change_once_by_the_cursor_it_keeps(tmp_path: Path) -> None:
    async with live_collector(tmp_path, plan=PLAN) as collector:
        empty = await increments(collector)
        assert (empty["increments"], empty["more"], empty["currency"]) == ([], False, "USD")
        cart = event("mv_cart", source={"campaign": "g", "gclid": "A"})
        await collector.post([cart])
        first = await increments(collector, since=empty["next_cursor"])
        (told,) = first["increments"]
        assert told == {
            "cursor": first["next_cursor"],
            "time": "2026-09-21T14:13:20.000Z",
            "journey": "1",
            "actor": "v-1",
            "source": {"campaign": "g", "gclid": "A"},
            "kind": "step",
            "event": "mv_cart",
            "event_id": cart["id"],
            "event_time": "2026-09-21T14:13:20.000Z",
            "order": None,
            "value": 2.5,
            "emitted": 2.5,
            "fit": None,
        }
        collector.advance(HOUR)
        await collector.post([event("purchase", time=NOW + HOUR, order="A-1", value=99.99, currency="USD")])
        second = await increments(collector, since=first["next_cursor"], money="string")
        (sale,) = second["increments"]
        assert (sale["kind"], sale["order"], sale["value"], sale["emitted"]) == ("sale", "A-1", "97.49", "99.99")
        # Who lost the second answer asks again, and is told the same.
        assert await increments(collector, since=first["next_cursor"], money="string") == second
        last = await increments(collector, since=second["next_cursor"])
        assert (last["increments"], last["next_cursor"]) == ([], second["next_cursor"])


async def test_pages_are_of_the_length_asked_for_and_lose_nothing(tmp_path: Path) -> None:
    async with live_collector(tmp_path, plan=PLAN) as collector:
        await collector.post([event("mv_cart", actor=f"v-{number}") for number in range(5)])
        whole = await increments(collector)
        pages: list[Any] = []
        query = {"limit": "2"}
        while True:
            page = await increments(collector, **query)
            pages += page["increments"]
            query["since"] = page["next_cursor"]
            if not page["more"]:
                break
            assert len(page["increments"]) == 2
        assert pages == whole["increments"]
        assert len(pages) == 5


async def test_an_answer_stays_below_what_scripts_can_read_and_goes_on_from_there(tmp_path: Path) -> None:
    async with live_collector(tmp_path, plan=PLAN) as collector:
        long = {f"key_{number}": "x" * 500 for number in range(20)}
        for begin in range(0, 600, 100):
            await collector.post(
                [event("mv_cart", actor=f"v-{number}", source=long) for number in range(begin, begin + 100)]
            )
        first = await increments(collector, limit="10000")
        assert first["more"]
        assert 300 < len(first["increments"]) < 600
        assert len(msgspec.json.encode(first)) < 4_500_000
        assert first["next_cursor"] == first["increments"][-1]["cursor"]
        rest = await increments(collector, limit="10000", since=first["next_cursor"])
        assert not rest["more"]
        actors = [one["actor"] for one in first["increments"] + rest["increments"]]
        assert sorted(actors) == sorted(f"v-{number}" for number in range(600))


@pytest.mark.parametrize("query", ["since=x", "since=0123456789abcdef.0", "limit=0", "limit=10001", "window=7d"])
async def test_a_query_that_cannot_be_answered_is_refused(tmp_path: Path, query: str) -> None:
    async with live_collector(tmp_path, plan=PLAN) as collector:
        assert await collector.problem("GET", f"/v1/increments?{query}") == (400, "bad_query")


async def test_without_a_final_event_nothing_can_be_told(tmp_path: Path) -> None:
    async with live_collector(tmp_path) as collector:
        assert await collector.problem("GET", "/v1/increments") == (409, "no_plan")
        async with collector.ask(
            "POST", "/v1/plan", scope="admin", data=b'currency = "USD"\n[events.mv_cart]\nvalue = 1\n'
        ) as response:
            assert response.status == 200
        assert await collector.problem("GET", "/v1/increments") == (409, "no_plan")


async def test_an_erased_actor_is_not_told_of_any_more(tmp_path: Path) -> None:
    async with live_collector(tmp_path, plan=PLAN) as collector:
        await collector.post([event("mv_cart", actor="v-1"), event("mv_cart", actor="v-2")])
        before = await increments(collector)
        async with collector.ask("DELETE", "/v1/actors/v-1", scope="admin") as response:
            assert response.status == 200
        after = await increments(collector)
        assert after["increments"] == [one for one in before["increments"] if one["actor"] == "v-2"]
        assert (await increments(collector, since=before["next_cursor"]))["increments"] == []
