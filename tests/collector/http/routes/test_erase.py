"""DELETE /v1/actors/{actor}: who may, what it answers, and what every answer says afterwards."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import msgspec
import pytest
from yarl import URL

from live_collector import LiveCollector, event


async def erase(collector: LiveCollector, actor: str) -> dict[str, Any]:
    path = URL(f"{collector.url}/v1/actors/{quote(actor, safe='')}", encoded=True)
    headers = {"Authorization": "Bearer a-secret"}
    async with collector.session.delete(path, headers=headers) as response:
        assert response.status == 200, await response.text()
        answer: dict[str, Any] = msgspec.json.decode(await response.read())
        return answer


async def test_after_an_erasure_no_answer_knows_the_actor(collector: LiveCollector) -> None:
    mine = [event("mv_view", actor="v-1"), event("purchase", actor="v-1", order="A", value=100, currency="JPY")]
    restated = event("purchase", order="A", adjust="restate", value=50, currency="JPY")
    del restated["actor"]
    await collector.post([*mine, restated, event("mv_view", actor="v-2"), event("BAD", actor="v-1")])
    assert await erase(collector, "v-1") == {"events": 3, "rejected": 1}
    summary = await collector.summary()
    assert (summary.total.actors, set(summary.total.events)) == (1, {"mv_view"})
    funnel = await collector.funnel({"steps": ["mv_view", "purchase"]})
    assert [step.count for step in funnel.steps] == [1, 0]
    async with collector.ask("GET", "/v1/events") as response:
        assert [one["actor"] for one in (await response.json())["events"]] == ["v-2"]
    async with collector.ask("GET", "/v1/rejected") as response:
        assert (await response.json())["total"] == 0


async def test_a_spool_that_sends_it_again_is_told_erased(collector: LiveCollector) -> None:
    sent = event(actor="v-1")
    await collector.post([sent])
    await erase(collector, "v-1")
    answer = await collector.post([sent, event(actor="v-1")])
    assert (answer.accepted, answer.duplicates) == (1, 1)
    assert [(v.verdict, v.code) for v in answer.verdicts] == [("duplicate", "erased")]


@pytest.mark.parametrize("actor", ["a/b", "ü 漢", "100%", "a+b?c#d", "%2F", "😀" * 200, "a\nb"])
async def test_any_actor_can_be_named(collector: LiveCollector, actor: str) -> None:
    await collector.post([event(actor=actor), event(actor="x")])
    assert await erase(collector, actor) == {"events": 1, "rejected": 0}
    assert (await collector.summary()).total.actors == 1


@pytest.mark.parametrize(
    ("scope", "answer"), [("read", (403, "wrong_scope")), ("write", (403, "wrong_scope")), (None, (401, "no_key"))]
)
async def test_only_an_admin_erases(collector: LiveCollector, scope: Any, answer: tuple[int, str]) -> None:
    await collector.post([event(actor="v-1")])
    assert await collector.problem("DELETE", "/v1/actors/v-1", scope=scope) == answer
    assert (await collector.summary()).total.actors == 1


async def test_what_can_be_no_actor_is_refused(collector: LiveCollector) -> None:
    assert await collector.problem("DELETE", f"/v1/actors/{'x' * 201}", scope="admin") == (400, "bad_actor")
    assert await collector.problem("DELETE", "/v1/actors/x?dry=1", scope="admin") == (400, "bad_query")
    assert await collector.problem("DELETE", "/v1/actors/", scope="admin") == (404, "not_found")
