"""One log replayed into both stores, over HTTP: every endpoint answers the same, to the byte."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from contract.replay import Both, both_stores
from contract.replayed_shop import BEFORE, BEGAN, DAY, OTHER_LADDER, PLAN, Shop
from kizashi_collector.http._routes import _summary
from live_collector import HOUR, MINUTE, LiveCollector

Params = dict[str, str]


@pytest.fixture(autouse=True)
def each_store() -> None:
    """Both at once."""


# -- what is asked -----------------------------------------------------------------------------------------------------

STEPS: list[Any] = ["mv_visit", "mv_view", "mv_cart", "purchase"]
BRAND: dict[str, Any] = {"event": "mv_visit", "where": {"source.campaign": ["brand", ""], "properties.plan": [1, "a"]}}
FUNNELS: list[dict[str, Any]] = [
    {"steps": STEPS, "by": ["campaign"], "trend": True, "histogram": {"from": 0, "to": 3, "bins": 12}},
    {"steps": STEPS, "by": ["properties.plan", "gclid"], "attribution": "last", "optional": [1]},
    {"steps": STEPS, "order": "strict", "by": ["device"], "attribution": "all"},
    {"steps": STEPS, "order": "unordered", "by": ["campaign"], "attribution": "step:2"},
    {"steps": STEPS, "entry": "first", "trend": True, "exclude": [{"event": "mv_chat", "from": 1}]},
    {"steps": STEPS, "count": "attempts", "by": ["campaign", "device"], "trend": True},
    {"steps": STEPS, "count": "attempts", "order": "strict", "exclude": [{"event": "lead"}], "exclusion": "attempt"},
    {"steps": STEPS, "count": "attempts", "entry": "first", "order": "unordered", "histogram": {"bins": 5}},
    {"steps": [BRAND, "*", "lead"], "conversion_window": "1h", "exclude": [{"event": "mv_cart"}]},
    {"steps": ["mv_visit", "mv_visit", "mv_visit"], "conversion_window": "30d", "count": "attempts"},
    {"steps": ["purchase"], "by": ["properties.n"]},
    {"steps": ["surprise", "nowhere"], "trend": True},
]


def windows(now: int) -> list[Params]:
    """Intervals that are declared, and others: in the past, and as of a time at which some of it had not come yet."""
    day = str(now - 9 * DAY - 5 * HOUR)
    return [
        {"window": "7d"},
        {"window": "28d"},
        {"window": "3d"},
        {"from": str(now - 20 * DAY), "to": day},
        {"from": str(now - 20 * DAY), "to": day, "as_of": day},
        {"window": "7d", "as_of": str(BEGAN + 20 * DAY + HOUR)},
    ]


def figures(now: int) -> Iterator[tuple[str, Params]]:
    """GET what is counted, with these parameters."""
    whole: Params = {}
    by_campaign, by_both = {"by": "campaign"}, {"by": "campaign,device"}
    declared, longest, other, past, past_then, then = windows(now)
    for window, by in (
        (declared, whole),
        (declared, by_both),
        (longest, by_campaign),
        (other, whole),
        (other, by_both),
        (past, by_campaign),
        (past_then, whole),
        (past_then, by_both),
        (then, by_campaign),
        (declared, {"by": "gclid"}),
        (then, {"by": "device,gclid,nowhere"}),
        (declared, {"by": "campaign", "money": "string", "fresh": "1"}),
        (longest, {"by": "device,campaign", "format": "csv"}),
        (declared, {"by": "gclid", "format": "csv", "csv": "raw"}),
        ({"window": "400d"}, whole),
    ):
        yield "/v1/summary", window | by
    for window in (declared, past_then):
        yield "/v1/funnels/checkout", window
    yield "/v1/funnels/chatty", longest
    yield "/v1/funnels/straight", declared | {"by": "campaign", "attribution": "last", "money": "string"}
    yield "/v1/values", {}
    yield "/v1/values", {"money": "string", "as_of": str(now - 25 * DAY)}


def beside_figures(now: int) -> Iterator[tuple[str, Params]]:
    """GET what is not counted."""
    yield "/v1/plan", {}
    yield "/v1/funnels", {}
    yield "/v1/funnels/none", {}
    yield "/v1/events", {}
    yield "/v1/events", {"limit": "1000"}
    yield "/v1/rejected", {"limit": "1000"}
    yield "/v1/rejected", {"codes": "unplanned", "since": str(now - 9 * DAY), "until": str(now - 5 * DAY)}


async def compare(both: Both) -> None:
    """Everything that can be asked of both, at this moment."""
    now = both.now
    for path, params in [*figures(now), *beside_figures(now)]:
        await both.say("GET", path, params=params)
    for number, funnel in enumerate(FUNNELS):
        interval = windows(now)[number % 6]
        await both.say("POST", "/v1/funnels", json=funnel | interval)
    await told(both)


async def compare_some(both: Both) -> None:
    """What the plan declares, the same as of an hour ago, and all that is not counted."""
    now = both.now
    for params in ({"window": "7d", "by": "campaign"}, {"window": "3d", "as_of": str(now - HOUR)}):
        await both.say("GET", "/v1/summary", params=params)
    await both.say("GET", "/v1/funnels/checkout", params={"window": "28d"})
    await both.say("GET", "/v1/values")
    for path, params in beside_figures(now):
        await both.say("GET", path, params=params)
    await told(both)


async def told(both: Both) -> list[Any]:
    """Every increment so far, as each feed reads them: in pages, by the cursors of its own store."""
    first, second = [await feed(one) for one in both.each]
    both.compare("every increment", first, second)
    return first


async def feed(collector: LiveCollector) -> list[Any]:
    """All lines, in an order that is the same in both stores: by when they were told, and of whom.

    Of what is told at one time it is left open which journey comes first; so are the numbers of lines and journeys.
    """
    lines: list[Any] = []
    since: Params = {}
    more = True
    while more:
        async with collector.ask("GET", "/v1/increments", params={"limit": "700", **since}) as response:
            assert response.status == 200, await response.text()
            page = msgspec.json.decode(await response.read())
        lines += page["increments"]
        since, more = {"since": page["next_cursor"]}, page["more"]
    began: dict[str, str] = {}
    for line in lines:
        # A journey is named by what was told of it first, without its numbers.
        number = line.pop("journey")
        del line["cursor"]
        line["fit"] = line["fit"] is not None
        line["journey"] = began.setdefault(number, msgspec.json.encode(line).decode())
    assert len(set(began.values())) == len(began)
    return sorted(lines, key=lambda line: (line["time"], line["journey"]))


# -- what happens ------------------------------------------------------------------------------------------------------


async def put(both: Both, plan: str) -> None:
    reply = await both.say("POST", "/v1/plan", scope="admin", data=plan)
    assert reply.status == 200, reply.body


async def post(both: Both, events: list[Any], **envelope: Any) -> None:
    reply = await both.say("POST", "/v1/events", scope="write", json={"events": events, **envelope})
    assert reply.status == 200, reply.body


async def next_hour(both: Both) -> None:
    """What came is in what is learned at the whole hour."""
    both.at((both.now // HOUR + 1) * HOUR + 4 * MINUTE)
    await both.learned()


async def replay(both: Both, shop: Shop) -> None:
    """All that came, when it came, and then the plan under which all is asked."""
    await put(both, BEFORE)
    for now, events, envelope in shop.days():
        both.at(now)
        await post(both, events, **envelope)
    await put(both, PLAN)
    await both.learned()


async def test_every_endpoint_answers_the_same_from_both_stores(tmp_path: Path) -> None:
    async with both_stores(tmp_path, BEGAN) as both:
        await replay(both, Shop())
        await compare(both)
        # There is something in what was compared.
        total = (await both.sqlite.summary(window="28d")).total
        assert total.events["purchase"].count > 100
        assert total.effective_conversions is not None
        assert total.expected_value is not None
        assert (total.open or 0) > 20
        assert not both.differences, "\n".join(both.differences)


async def test_pages_of_a_long_answer_are_cut_at_the_same_places(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_summary, "MAX_ANSWER_BYTES", 26_000)
    async with both_stores(tmp_path, BEGAN) as both:
        await put(both, PLAN)
        await post(both, next(Shop().days())[1])
        params = {"window": "28d", "by": "gclid"}
        pages = 0
        while True:
            reply = await both.say("GET", "/v1/summary", params=params)
            assert reply.status == 200, reply.body
            params = {**params, "cursor": reply.headers.get("X-Next-Cursor", "")}
            pages += 1
            if not params["cursor"]:
                break
        assert pages > 2
        assert not both.differences, "\n".join(both.differences)


async def test_whatever_happens_to_a_log_both_stores_answer_the_same_from_it(tmp_path: Path) -> None:
    shop = Shop(actors=120, days=30)
    async with both_stores(tmp_path, BEGAN) as both:
        await replay(both, shop)
        # Sales are taken back, or brought something else; and nothing that answered before holds any more.
        tag = {"If-None-Match": (await both.say("GET", "/v1/summary", params={"window": "28d"})).headers["ETag"]}
        assert (await both.say("GET", "/v1/summary", params={"window": "28d"}, headers=tag)).status == 304
        both.at(both.now + 20 * MINUTE)
        await post(both, shop.adjustments(both.now))
        assert (await both.say("GET", "/v1/summary", params={"window": "28d"}, headers=tag)).status == 200
        await next_hour(both)
        await compare_some(both)
        # Some are erased, and come back with new events, and with old ones.
        for actor in ("v-3", "v-40", "nobody"):
            await both.say("DELETE", f"/v1/actors/{actor}", scope="admin")
        await post(both, [*shop.sent_by("v-3")[:5], *shop.again("v-40", both.now)])
        await next_hour(both)
        await compare_some(both)
        # What was refused is tried again under a plan that takes it, and that makes another thing of journeys.
        await put(both, OTHER_LADDER)
        replayed = {"codes": ["unplanned", "bad_currency"], "limit": 500}
        await both.say("POST", "/v1/rejected/replay", scope="admin", json=replayed)
        await next_hour(both)
        assert (await both.sqlite.summary(window="7d")).total.reason == "recomputing"
        await compare_some(both)
        # What is old goes: older than what is learned from, since one store still knows that and the other does not.
        gone = [await one.services.log.retain(both.now - 35 * DAY) for one in both.each]
        assert gone[0] == gone[1] > 20
        await next_hour(both)
        await compare_some(both)
        assert not both.differences, "\n".join(both.differences)
