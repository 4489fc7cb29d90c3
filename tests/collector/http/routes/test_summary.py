"""GET /v1/summary: counted, written, tagged and paged."""

from __future__ import annotations

import base64
import csv
import io
from pathlib import Path
from typing import Any

import msgspec
import pytest

from kizashi_collector.http._routes import _summary
from kizashi_schemas import SummaryTotal
from live_collector import HOUR, MINUTE, NOW, LiveCollector, event, live_collector, settle

DAY = 24 * HOUR
PLAN = """
currency = "JPY"
rates = { USD = 150 }
[events.mv_view]
[events.mv_cart]
action = "primary"
value = 300
counting = "once"
[events.purchase]
final = true
action = "primary"
value = "event"
[events.request]
final = true
action = "secondary"
value = 5000
"""


def source(campaign: str, **more: str) -> dict[str, Any]:
    return {"source": {"campaign": campaign, **more}}


def money(row: SummaryTotal) -> tuple[Any, Any]:
    return settle(row.final_value), settle(row.declared_value)


async def test_without_events_there_is_one_row_of_zeros(collector: LiveCollector) -> None:
    answer = await collector.summary()
    assert (answer.from_, answer.to) == ("2026-09-14T14:13:20.000Z", "2026-09-21T14:13:20.000Z")
    assert [row.key for row in answer.rows] == [{}]
    assert (answer.total.actors, answer.total.events, answer.currency, answer.plan) == (0, {}, None, None)
    assert (answer.complete_until, answer.late_events_applied) == (None, 0)
    assert (await collector.summary(by="campaign")).rows == []


async def test_without_a_plan_everything_is_counted_and_nothing_is_valued(collector: LiveCollector) -> None:
    await collector.post([event(actor="a"), event(actor="b"), event("purchase", actor="a", value=500, currency="JPY")])
    answer = await collector.summary()
    assert (answer.total.actors, answer.currency) == (2, "JPY")
    assert {name: (s.count, s.actors, settle(s.value)) for name, s in answer.total.events.items()} == {
        "mv_view": (2, 2, 0),
        "purchase": (1, 1, 500),
    }
    assert money(answer.total) == (None, None)
    assert (answer.total.ready, answer.total.reason, settle(answer.total.bid_value)) == (False, "no_plan", None)


async def test_without_a_plan_mixed_currencies_have_no_sum(collector: LiveCollector) -> None:
    await collector.post([event("purchase", value=5, currency="JPY"), event("purchase", value=5, currency="USD")])
    answer = await collector.summary()
    assert (answer.currency, settle(answer.total.events["purchase"].value)) == (None, None)


async def test_with_a_plan_values_are_summed_by_its_rules(tmp_path: Path) -> None:
    async with live_collector(tmp_path, plan=PLAN) as collector:
        await collector.post(
            [
                event("mv_cart", actor="a", **source("brand")),
                event("mv_cart", actor="a", **source("brand")),
                event("mv_cart", actor="a", **source("generic")),
                event("purchase", actor="a", value="12.50", currency="USD", **source("brand")),
                event("request", actor="b", **source("generic")),
                event("mv_unplanned", actor="c", **source("other")),
            ]
        )
        answer = await collector.summary(by="campaign")
        brand, generic = answer.rows
        assert (brand.key, generic.key) == ({"campaign": "brand"}, {"campaign": "generic"})
        assert money(brand) == (1875, 300 + 1875)
        assert money(generic) == (5000, 300)
        # `once` is once per actor and row: the total is no sum of the rows.
        assert money(answer.total) == (6875, 300 + 1875)
        assert answer.total.actors == 2
        assert list(answer.total.events) == ["mv_view", "mv_cart", "purchase", "request"]
        assert {answer.total.reason, brand.reason} == {"thin"}
        assert (answer.total.journeys, answer.total.converted, answer.total.open) == (2, 2, 0)
        assert settle(answer.total.brought_value) == settle(answer.total.expected_value) == 6875
        assert settle(answer.total.bid_value) is None


async def test_a_plan_without_a_final_values_nothing(tmp_path: Path) -> None:
    async with live_collector(tmp_path, plan='currency = "JPY"\n[events.mv_view]\nvalue = 5\n') as collector:
        await collector.post([event()])
        assert money((await collector.summary()).total) == (None, None)
        assert (await collector.summary()).total.reason == "no_plan"


async def test_adjustments_change_the_worth_of_the_originals_time_from_their_own_time_on(tmp_path: Path) -> None:
    async with live_collector(tmp_path, plan=PLAN) as collector:
        original = NOW - 3 * DAY

        def adjust(how: str, order: str, days: int, **fields: Any) -> dict[str, Any]:
            return event("purchase", NOW - days * DAY, adjust=how, order=order, **fields)

        await collector.post(
            [
                adjust("restate", "A-1", 2, value=700, currency="JPY"),
                event("purchase", original, value=1000, currency="JPY", order="A-1"),
                event("purchase", original, value=100, currency="JPY", order="A-2"),
                event("mv_cart", original, order="C-1"),
                event("mv_cart", original, order="C-2"),
                adjust("restate", "A-1", 1, value=800, currency="JPY"),
                adjust("retract", "A-2", 1),
                adjust("retract", "none", 1),
            ]
        )

        async def worth(days_ago: int) -> tuple[Any, Any]:
            return money((await collector.summary(window="7d", as_of=str(NOW - days_ago * DAY))).total)

        assert await worth(3) == (1100, 1400)
        assert await worth(2) == (800, 1100)
        assert await worth(1) == (800, 1100)
        assert await worth(0) == (800, 1100)
        total = (await collector.summary()).total
        assert (total.events["purchase"].count, settle(total.events["purchase"].value)) == (2, 1100)
        late = await collector.summary(**{"from": str(NOW - 2 * DAY)})
        assert (late.total.actors, money(late.total)) == (0, (0, 0))


async def test_a_retracted_event_does_not_use_up_once(tmp_path: Path) -> None:
    async with live_collector(tmp_path, plan=PLAN) as collector:
        await collector.post([event("mv_cart", order="C-1"), event("mv_cart", order="C-1", adjust="retract")])
        assert money((await collector.summary()).total) == (0, 0)
        await collector.post([event("mv_cart", order="C-2")])
        assert money((await collector.summary()).total) == (0, 300)


async def test_the_interval_excludes_its_start_and_includes_its_end(collector: LiveCollector) -> None:
    await collector.post([event(time=NOW - HOUR), event(time=NOW - HOUR + 1), event(time=NOW)])

    async def count(**query: str) -> int:
        events = (await collector.summary(**query)).total.events
        return events["mv_view"].count if events else 0

    assert await count(window="1h") == 2
    assert await count(**{"from": str(NOW - HOUR - 1), "to": str(NOW - HOUR)}) == 1
    assert await count(**{"from": str(NOW - HOUR), "to": str(NOW - HOUR)}) == 0
    assert await count(window="1h", to=str(NOW - HOUR)) == 1
    assert await count(window="1h", as_of=str(NOW - 1)) == 2
    assert await count(**{"from": "2026-09-21T22:13:20.000+09:00"}) == 2


async def test_to_is_clamped_to_as_of_and_the_answer_names_its_bounds(collector: LiveCollector) -> None:
    answer = await collector.summary(window="1h", to=str(NOW + DAY))
    assert (answer.from_, answer.to) == ("2026-09-21T13:13:20.000Z", "2026-09-21T14:13:20.000Z")


async def test_an_acknowledged_event_is_in_the_next_answer(collector: LiveCollector) -> None:
    for number in range(1, 20):
        await collector.post([event(actor=f"a{number}")])
        assert (await collector.summary()).total.actors == number


async def test_late_events_and_completeness_are_told(collector: LiveCollector) -> None:
    await collector.post([event(time=NOW - 10 * MINUTE), event(time=NOW - 10 * MINUTE - 1)])
    await collector.post([event(time=NOW - DAY)], **{"import": True})
    answer = await collector.summary()
    assert answer.late_events_applied == 1
    assert answer.complete_until == "2026-09-21T14:03:19.999Z"


async def test_a_tag_stays_as_long_as_no_number_changes(collector: LiveCollector) -> None:
    async def poll(etag: str | None = None, **query: str) -> tuple[int, str, bytes]:
        headers = {"If-None-Match": etag} if etag else {}
        async with collector.ask("GET", "/v1/summary", params=query, headers=headers) as response:
            return response.status, response.headers["ETag"], await response.read()

    await collector.post([event(time=NOW - DAY, **source("brand"))])
    status, etag, _ = await poll(by="campaign")
    assert status == 200
    assert etag.startswith('W/"')
    collector.advance(MINUTE)
    assert await poll(etag, by="campaign") == (304, etag, b"")
    assert (await poll(f'"other", {etag}', by="campaign"))[0] == 304
    assert (await poll(etag, by="device"))[0] == 200
    await collector.post([event(time=NOW - DAY, **source("brand"))])
    status, changed, _ = await poll(etag, by="campaign")
    assert (status, changed == etag) == (200, False)
    collector.advance(7 * DAY)
    assert (await poll(changed, by="campaign"))[0] == 200


async def test_csv_has_the_same_figures_flat(tmp_path: Path) -> None:
    async with live_collector(tmp_path, plan=PLAN) as collector:
        await collector.post(
            [
                event("purchase", value="12.34", currency="USD", **source("brand", device="mobile")),
                event("mv_view", **source("=1+1", device="-x")),
            ]
        )

        async def table(**query: str) -> list[dict[str, str]]:
            async with collector.ask("GET", "/v1/summary", params=query) as response:
                assert response.content_type == "text/csv"
                return list(csv.DictReader(io.StringIO(await response.text())))

        formula, brand = await table(by="campaign,device", format="csv")
        assert list(brand)[:6] == ["campaign", "device", "actors", "mv_view.count", "mv_view.actors", "mv_view.value"]
        assert list(brand)[-13:] == [
            *("final_value", "declared_value", "journeys", "converted", "open", "brought_value", "expected_value"),
            *("low", "high", "effective_conversions", "ready", "reason", "bid_value"),
        ]
        assert (brand["purchase.value"], brand["final_value"], brand["mv_view.value"]) == ("1851", "1851", "0")
        assert (brand["ready"], brand["reason"], brand["bid_value"], brand["journeys"]) == (
            "false",
            "thin",
            "",
            "1",
        )
        assert (formula["campaign"], formula["device"]) == ("'=1+1", "'-x")
        assert (await table(by="campaign,device", format="csv", csv="raw"))[0]["campaign"] == "=1+1"
        assert len(await table(format="csv")) == 1


async def test_money_is_exact_beyond_what_floats_and_64_bits_hold(tmp_path: Path) -> None:
    async with live_collector(tmp_path, plan=PLAN) as collector:
        for _ in range(2):
            await collector.post([event("purchase", value=10_000_000_000, currency="JPY") for _ in range(1_000)])
        await collector.post([event("purchase", value="0.01", currency="USD")])
        exact = "20000000000001.5"
        async with collector.ask("GET", "/v1/summary") as response:
            assert f'"final_value":{exact}' in await response.text()
        answer = await collector.summary(money="string")
        assert settle(answer.total.final_value) == exact
        assert settle(answer.total.events["purchase"].value) == exact


@pytest.mark.parametrize("form", ["json", "csv"])
async def test_large_answers_come_in_pages(
    collector: LiveCollector, monkeypatch: pytest.MonkeyPatch, form: str
) -> None:
    monkeypatch.setattr(_summary, "MAX_ANSWER_BYTES", 30_000)
    await collector.post([event(time=NOW - HOUR, actor=f"a{n}", **source(f"c{n:03}")) for n in range(600)])
    whole: list[str] = []
    query = {"by": "campaign", "format": form}
    pages = 0
    while True:
        async with collector.ask("GET", "/v1/summary", params=query) as response:
            text = await response.text()
            following = response.headers.get("X-Next-Cursor")
        assert len(text) <= 30_000
        pages += 1
        if form == "json":
            page = msgspec.json.decode(text)
            assert page["total"]["actors"] == 600
            assert page.get("next_cursor") == following
            whole += [row["key"]["campaign"] for row in page["rows"]]
        else:
            whole += [row["campaign"] for row in csv.DictReader(io.StringIO(text))]
        if following is None:
            break
        query["cursor"] = following
        collector.advance(DAY)  # later pages still speak of the first one's interval
    assert whole == [f"c{n:03}" for n in range(600)]
    assert pages > 1


async def test_a_cursor_serves_its_own_question_alone(
    collector: LiveCollector, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_summary, "MAX_ANSWER_BYTES", 30_000)
    await collector.post([event(time=NOW - HOUR, **source(f"c{n:03}")) for n in range(300)])
    cursor = (await collector.summary(by="campaign")).next_cursor
    assert cursor is not None
    for other in ("by=device", "by=campaign&window=1d", "by=campaign&money=string", "by=campaign&format=csv"):
        asked = f"/v1/summary?{other}&cursor={cursor}"
        assert await collector.problem("GET", asked) == (400, "bad_query")
    fields = msgspec.json.decode(base64.urlsafe_b64decode(cursor + "=="))
    for forged in ([10**18, 10**18, 10**18], [-5, -5, -5], [0, NOW + 10 * DAY, NOW + 10 * DAY], [5, 1, NOW]):
        text = base64.urlsafe_b64encode(msgspec.json.encode([*forged, *fields[3:]])).decode().rstrip("=")
        asked = f"/v1/summary?by=campaign&cursor={text}"
        assert await collector.problem("GET", asked) == (400, "bad_query")
    async with collector.ask("POST", "/v1/plan", scope="admin", data=b'currency = "JPY"') as response:
        assert response.status == 200
    assert await collector.problem("GET", f"/v1/summary?by=campaign&cursor={cursor}") == (400, "bad_query")


async def test_a_row_that_no_page_could_hold_is_refused_with_the_remedy(
    collector: LiveCollector, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_summary, "MAX_ANSWER_BYTES", 30_000)
    await collector.post([event(f"mv_{n:04}") for n in range(1_000)])
    assert await collector.problem("GET", "/v1/summary") == (422, "too_many_names")
    async with collector.ask("POST", "/v1/plan", scope="admin", data=b'currency = "JPY"\n[events.mv_0001]') as response:
        assert response.status == 200
    assert (await collector.summary()).total.events["mv_0001"].count == 1


async def test_answers_are_compressed_for_those_who_read_gzip(collector: LiveCollector) -> None:
    await collector.post([event(**source(f"c{n}")) for n in range(20)])
    async with collector.ask("GET", "/v1/summary", params={"by": "campaign"}) as response:
        assert response.headers["Content-Encoding"] in ("gzip", "deflate")
    plain = {"Accept-Encoding": "identity"}
    async with collector.ask("GET", "/v1/summary", params={"by": "campaign"}, headers=plain) as response:
        assert "Content-Encoding" not in response.headers
        assert response.headers["Cache-Control"] == "private, no-cache"
