"""The shop, its visitors and a collector, end to end."""

from __future__ import annotations

import json
from collections import Counter
from typing import TYPE_CHECKING, Any

import aiohttp

if TYPE_CHECKING:
    from examples.conftest import Run, Server

VISITORS = 80


def books_of(shop: Server) -> dict[str, Any]:
    """Stop the shop, which flushes, and read what became of its events."""
    code, lines = shop.stop()
    assert code == 0, lines
    books: dict[str, Any] = json.loads(lines[-1].removeprefix("kizashi "))
    assert books["tracked"] == books["delivered"]
    assert not books["dropped"]
    return books


def test_the_collector_counts_what_the_visitors_did(collector: Server, shop: Server, run: Run) -> None:
    answer = run("visitors.py", "--shop", shop.url, "--visitors", str(VISITORS), "--pace", "0", "--seed", "3")
    assert answer.returncode == 0, answer.stderr
    tally = json.loads(answer.stdout.splitlines()[-1])
    did = sum((Counter(events) for events in tally["events"].values()), Counter[str]())

    books = books_of(shop)
    summary = collector.get("/v1/summary?window=1h&by=campaign")
    funnel = collector.get("/v1/funnels/checkout?window=1h")

    assert did["purchase"], "these visitors should have bought something"
    assert did["mv_form_error"], "a form should have refused somebody"
    assert books["tracked"] == did.total()
    assert collector.get("/v1/rejected")["rejected"] == []
    for row in summary["rows"]:
        campaign = row["key"]["campaign"]
        counted = {name: figures["count"] for name, figures in row["events"].items() if figures["count"]}
        assert counted == tally["events"][campaign]
        assert row["actors"] == tally["visitors"][campaign]
        assert row["final_value"] == tally["revenue"].get(campaign, 0)
    assert {row["key"]["campaign"] for row in summary["rows"]} == set(tally["visitors"])
    assert summary["total"]["actors"] == VISITORS
    assert summary["total"]["final_value"] == sum(tally["revenue"].values())
    assert funnel["steps"][0]["count"] == VISITORS
    assert funnel["steps"][-1]["count"] == did["purchase"], "each of these visitors buys at most once"
    assert sum(row["actors"] for row in collector.get("/v1/summary?by=campaign,device")["rows"]) == VISITORS


def test_the_same_seed_is_the_same_visitors(shop: Server, run: Run) -> None:
    crowds = [run("visitors.py", "--shop", shop.url, "--visitors", "30", "--pace", "0") for _ in range(2)]

    first, second = (json.loads(crowd.stdout.splitlines()[-1]) for crowd in crowds)
    assert first == second


def test_visitors_say_when_the_shop_is_not_there(run: Run) -> None:
    answer = run("visitors.py", "--shop", "http://127.0.0.1:9", "--visitors", "2", "--pace", "0")

    assert answer.returncode == 1
    assert answer.stderr.startswith("visitors: ")
    assert "Traceback" not in answer.stderr


async def test_one_visitor_one_session_one_order(collector: Server, shop: Server) -> None:
    jar = aiohttp.CookieJar(unsafe=True)
    async with aiohttp.ClientSession(shop.url, cookie_jar=jar, headers={"User-Agent": "A Mobile one"}) as browser:

        async def ask(method: str, path: str, expect: int = 200, **data: str) -> str:
            async with browser.request(method, path, data=data or None) as answer:
                assert answer.status == expect, path
                return await answer.text()

        await ask("GET", "/?utm_campaign=brand&utm_source=google&utm_medium=cpc&gclid=EAIa1&utm_id=ignored")
        await ask("GET", "/favicon.ico", expect=404)
        await ask("GET", "/products/none", expect=404)
        await ask("POST", "/cart/teapot")
        await ask("GET", "/checkout")
        await ask("POST", "/checkout/address", expect=422, name="Somebody", postal_code="<b>tokyo</b>")
        page = await ask("POST", "/checkout/address", name="Somebody", postal_code="1000001")
        pay = page.split('action="')[1].split('"')[0]
        await ask("POST", pay, expect=402, card="4000000000000002")
        assert "¥6,800" in await ask("POST", pay, card="4242424242424242")
        assert "¥6,800" in await ask("POST", pay, card="4242424242424242"), "a second click shows the same order"
        await ask("GET", "/?utm_campaign=gift_season")

    books_of(shop)
    events = collector.get("/v1/events?limit=100")["events"]
    names = Counter(event["name"] for event in events)
    assert names == {
        "mv_visit": 2,
        "mv_add_to_cart": 1,
        "mv_checkout_start": 1,
        "mv_checkout_address": 1,
        "mv_form_error": 2,
        "purchase": 1,
    }
    assert len({event["actor"] for event in events}) == 1
    assert len({event["session"] for event in events}) == 2, "another advertisement begins another session"
    assert "tokyo" not in json.dumps(events), "what was typed is nobody's business"
    assert "Somebody" not in json.dumps(events)
    (purchase,) = (event for event in events if event["name"] == "purchase")
    assert purchase["source"] == {"campaign": "brand", "channel": "google/cpc", "device": "mobile", "gclid": "EAIa1"}
    assert purchase["value"] == 6800
    assert purchase["order"] == pay.rpartition("/")[2]
    late = [event["source"] for event in events if event["source"]["campaign"] != "brand"]
    assert late == [{"campaign": "gift_season", "device": "mobile"}], "nothing of the old source is left in the new one"


def test_without_a_collector_named_the_shop_says_what_to_set(run: Run) -> None:
    answer = run("shop.py", "--port", "0")

    assert answer.returncode == 2
    assert "KIZASHI_ENDPOINT" in answer.stderr
