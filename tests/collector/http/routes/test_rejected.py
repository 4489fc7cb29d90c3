"""GET /v1/rejected with filters, and the replay once the plan was mended."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest

from kizashi_schemas import ReplayAnswer
from live_collector import HOUR, MINUTE, NOW, LiveCollector, event, live_collector

STRICT = 'currency = "JPY"\nunplanned = "reject"\n[events.mv_view]\n'
MENDED = 'currency = "JPY"\nrates = { USD = 150 }\nunplanned = "reject"\n[events.mv_view]\n[events.mv_new]\n'


async def replay(collector: LiveCollector, **asked: Any) -> ReplayAnswer:
    async with collector.ask("POST", "/v1/rejected/replay", scope="admin", json=asked) as response:
        assert response.status == 200, await response.text()
        return msgspec.json.decode(await response.read(), type=ReplayAnswer)


async def listed(collector: LiveCollector, **query: str) -> dict[str, Any]:
    async with collector.ask("GET", "/v1/rejected", params=query) as response:
        assert response.status == 200, await response.text()
        answer: dict[str, Any] = msgspec.json.decode(await response.read())
        return answer


async def mend(collector: LiveCollector, plan: str) -> None:
    headers = {"Content-Type": "application/toml"}
    async with collector.ask("POST", "/v1/plan", scope="admin", data=plan, headers=headers) as response:
        assert response.status == 200, await response.text()


async def test_what_a_mended_plan_allows_is_stored_and_the_rest_stays_with_its_new_reason(
    collector: LiveCollector,
) -> None:
    await mend(collector, STRICT)
    sent = [
        event("mv_new", id="a", time=NOW - HOUR, actor="v-1", value=3, currency="USD"),
        event("mv_new", id="b", value=3, currency="EUR"),
        event("mv_view", id="c", value=3, currency="USD"),
        event("mv_never", id="d"),
        event("BAD", id="e"),
    ]
    answer = await collector.post(sent)
    assert [v.code for v in answer.verdicts] == ["unplanned", "unplanned", "bad_currency", "unplanned", "bad_name"]
    await mend(collector, MENDED)
    before = await collector.summary()
    collector.advance(2 * HOUR)
    told = await replay(collector)
    assert told == ReplayAnswer(
        tried=5, accepted=2, duplicates=0, rejected=3, codes={"bad_currency": 1, "bad_name": 1, "unplanned": 1}
    )
    left = await listed(collector)
    assert [(row["id"], row["code"]) for row in left["rejected"]] == [
        ("e", "bad_name"),
        ("d", "unplanned"),
        ("b", "bad_currency"),
    ]
    assert left["rejected"][2]["event"] == sent[1]
    assert {row["received_at"] for row in left["rejected"]} == {"2026-09-21T14:13:20.000Z"}
    async with collector.ask("GET", "/v1/events") as response:
        events = {one["id"]: one for one in (await response.json())["events"]}
    assert set(events) == {"a", "c"}
    assert events["a"]["time"] == "2026-09-21T13:13:20.000Z"
    assert events["a"]["import"] is True
    # Neither figure of lateness has heard of it.
    after = await collector.summary()
    assert after.total.events["mv_new"].count == 1
    assert (before.late_events_applied, after.late_events_applied) == (0, 0)
    assert after.complete_until == before.complete_until
    # Once more changes nothing.
    again = await replay(collector)
    assert (again.tried, again.accepted, again.duplicates, again.rejected) == (3, 0, 0, 3)


async def test_an_event_that_came_in_order_meanwhile_is_a_duplicate_and_one_whose_id_is_taken_stays(
    collector: LiveCollector,
) -> None:
    await mend(collector, STRICT)
    sent = [event("mv_new", id=name) for name in ("same", "other")] + [event("mv_new", id="sale", order="A")]
    await collector.post(sent)
    await mend(collector, MENDED)
    await collector.post([sent[0], event("mv_view", id="other"), event("mv_new", order="A")])
    assert await replay(collector) == ReplayAnswer(tried=3, accepted=0, duplicates=2, rejected=1, codes={"conflict": 1})
    assert [(row["id"], row["code"]) for row in (await listed(collector))["rejected"]] == [("other", "conflict")]


async def test_a_restatement_is_checked_against_its_original_again(collector: LiveCollector) -> None:
    await mend(collector, MENDED)
    restated = {"id": "r", "name": "mv_view", "time": NOW, "order": "A", "adjust": "restate", "value": 5}
    await collector.post([event("mv_view", id="o", order="A", value=3, currency="USD")])
    answer = await collector.post([restated | {"currency": "JPY"}])
    assert [v.code for v in answer.verdicts] == ["bad_currency"]
    # Its body was not kept by the collector that took it, so there is nothing to try.
    assert (await replay(collector)).codes == {"bad_currency": 1}
    assert (await listed(collector))["total"] == 1


async def test_filters_choose_what_is_tried_and_what_is_listed(collector: LiveCollector) -> None:
    await mend(collector, STRICT)
    for name in "abcd":
        await collector.post([event("mv_new", id=name), event("BAD", id=f"{name}{name}")])
        collector.advance(MINUTE)
    late = str(NOW + MINUTE)
    assert (await listed(collector, since=late))["codes"] == {"bad_name": 2, "unplanned": 2}
    assert [row["id"] for row in (await listed(collector, codes="unplanned,none", limit="3"))["rejected"]] == [*"dcb"]
    assert (await listed(collector, codes="bad_name", until=late))["total"] == 2
    await mend(collector, MENDED)
    assert (await replay(collector, codes=["bad_name"], since=NOW)).tried == 3
    assert (await replay(collector, codes=["unplanned"], until="2026-09-21T14:13:20Z")).accepted == 1
    assert (await replay(collector, ids=["b", "bb", "zz"])).accepted == 1
    assert (await replay(collector, codes=["unplanned"], limit=1)).accepted == 1
    assert [row["id"] for row in (await listed(collector, codes="unplanned"))["rejected"]] == ["d"]


async def test_the_future_has_come_and_what_is_too_old_stays_out(tmp_path: Path) -> None:
    async with live_collector(tmp_path) as collector:
        await mend(collector, 'currency = "JPY"\nretention = "30d"\n[events.mv_view]\n')
        answer = await collector.post([event(id="ahead", time=NOW + HOUR), event(id="old", time=NOW - 31 * 24 * HOUR)])
        assert [v.code for v in answer.verdicts] == ["from_the_future", "too_old"]
        collector.advance(2 * HOUR)
        told = await replay(collector)
        assert (told.accepted, told.codes) == (1, {"too_old": 1})


async def test_a_time_is_not_corrected_a_second_time(collector: LiveCollector) -> None:
    await mend(collector, STRICT)
    await collector.post([event("mv_new", id="a", time=NOW - HOUR)], sent_at=NOW - HOUR)
    await mend(collector, MENDED)
    collector.advance(HOUR)
    assert (await replay(collector)).accepted == 1
    async with collector.ask("GET", "/v1/events") as response:
        (stored,) = (await response.json())["events"]
    assert (stored["time"], stored.get("shift_ms", 0)) == ("2026-09-21T13:13:20.000Z", 0)


async def test_many_are_replayed_in_one_call(collector: LiveCollector) -> None:
    await mend(collector, STRICT)
    await collector.post([event("mv_new") for _ in range(1_300)])
    await mend(collector, MENDED)
    assert (await replay(collector)).accepted == 1_300
    assert (await collector.summary()).total.events["mv_new"].count == 1_300
    assert (await listed(collector))["total"] == 0


@pytest.mark.parametrize(
    ("body", "answer"),
    [
        (b"{", (400, "undecodable")),
        (b'{"code":"x"}', (422, "bad_replay")),
        (b'{"limit":0}', (422, "bad_replay")),
        (b"[]", (422, "bad_replay")),
        (b'{"since":"yesterday"}', (400, "bad_query")),
    ],
)
async def test_a_wrong_request_is_refused(collector: LiveCollector, body: bytes, answer: tuple[int, str]) -> None:
    assert await collector.problem("POST", "/v1/rejected/replay", scope="admin", data=body) == answer


async def test_only_an_admin_replays(collector: LiveCollector) -> None:
    assert await collector.problem("POST", "/v1/rejected/replay", scope="read") == (403, "wrong_scope")
    assert await collector.problem("GET", "/v1/rejected?since=soon") == (400, "bad_query")
    assert (await replay(collector)).tried == 0
