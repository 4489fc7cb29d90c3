"""Events appear on the live page while they are sent, with their verdicts and what mends them."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING
from uuid import uuid4

from browser.conftest import OpenTab
from browser.shop import HOSTILE, event, send
from faults.serving import Serving

if TYPE_CHECKING:
    from playwright.async_api import Route

_WITHIN_MS = 2_000


async def test_events_appear_within_two_seconds_with_their_verdicts(open_tab: OpenTab, shop: Serving) -> None:
    tab = await open_tab()
    await tab.open("live")
    await tab.page.wait_for_selector(".live-dot:not(.paused)")
    actor, now = uuid4().hex, time.time_ns() // 1_000_000
    good = event("mv_visit", now, actor, HOSTILE)
    wrong = event("purchase", now, actor, value=5, currency="XTS")
    send(shop, [good, good, wrong])
    rows = tab.page.locator(".live-table tbody tr", has_text=actor)
    await rows.nth(2).wait_for(timeout=_WITHIN_MS)
    texts = await rows.all_inner_texts()
    assert sorted(word for text in texts for word in ("Accepted", "Duplicate", "Rejected") if word in text) == [
        "Accepted",
        "Duplicate",
        "Rejected",
    ]
    (rejected,) = [text for text in texts if "Rejected" in text]
    assert "bad_currency" in rejected
    assert "XTS" in rejected
    assert any(HOSTILE in text for text in texts)


async def test_events_of_the_last_minute_count_once_whether_they_came_before_the_page_or_after(
    bare: Serving, open_tab: OpenTab
) -> None:
    now = time.time_ns() // 1_000_000
    nameless = {"time": now}
    send(bare, [event("mv_visit", now, "v-before"), event("mv_visit", now, "v-before"), nameless])
    tab = await open_tab(at=bare)
    await tab.open("live")
    await tab.page.wait_for_selector(".live-dot:not(.paused)")
    await tab.until("document.querySelector('main .tiles .figure').textContent === '3'")
    send(bare, [event("mv_visit", now, "v-after"), event("mv_visit", now, "v-after")])
    await tab.until("document.querySelector('main .tiles .figure').textContent === '5'")
    # What was told is asked for once more when the stream is opened anew.
    async with tab.page.expect_response("**/v1/events?limit=100"):
        await tab.page.evaluate("() => dispatchEvent(new PageTransitionEvent('pageshow', {persisted: true}))")
    await tab.settled()
    assert await tab.page.locator("main .tiles .figure").first.inner_text() == "5"


async def test_what_was_rejected_stands_with_its_fix_in_the_readers_language(open_tab: OpenTab, shop: Serving) -> None:
    send(shop, [event("mv_visit", time.time_ns() // 1_000_000, "v-1", properties=3)])
    tab = await open_tab(lang="ja")
    await tab.open("live")
    group = tab.page.locator(".live-group", has_text="bad_properties")
    await group.wait_for()
    assert any("ぁ" <= letter <= "ん" for letter in await group.inner_text())
    await group.locator("summary").click()
    await group.locator("pre", has_text='"properties": 3').wait_for()


async def test_paused_events_wait_and_come_when_resumed(open_tab: OpenTab, shop: Serving) -> None:
    tab = await open_tab()
    await tab.open("live")
    await tab.page.wait_for_selector(".live-dot:not(.paused)")
    pause = tab.page.locator("button", has_text="Pause")
    await pause.click()
    actor = uuid4().hex
    send(shop, [event("mv_visit", time.time_ns() // 1_000_000, actor)])
    await tab.page.wait_for_selector(".badge.info:not([hidden])")
    rows = tab.page.locator(".live-table tbody tr", has_text=actor)
    assert await rows.count() == 0
    await tab.page.locator("button.primary").click()
    await rows.wait_for(timeout=_WITHIN_MS)


async def test_the_filter_by_name_is_kept_in_the_address(open_tab: OpenTab) -> None:
    tab = await open_tab()
    await tab.open("live")
    await tab.page.fill("#live-filter", "unplanned")
    await tab.until("""[...document.querySelectorAll(".live-table tbody th")]
        .every((one) => one.textContent.includes("unplanned"))""")
    assert "q=unplanned" in tab.page.url


async def test_a_new_row_fades_and_nothing_of_it_stays_marked(open_tab: OpenTab, shop: Serving) -> None:
    tab = await open_tab()
    await tab.page.emulate_media(reduced_motion="no-preference")
    await tab.open("live")
    await tab.page.wait_for_selector(".live-dot:not(.paused)")
    actor = uuid4().hex
    send(shop, [event("purchase", time.time_ns() // 1_000_000, actor, value=1200, currency="JPY", order=actor)])
    await tab.page.locator(".live-table tbody tr.fresh", has_text=actor).wait_for(timeout=_WITHIN_MS)
    await tab.page.locator(".live-table tbody tr:not(.fresh)", has_text=actor).wait_for()
    await tab.page.mouse.move(0, 0)
    row = tab.page.locator(".live-table tbody tr", has_text=actor)
    colours = await row.evaluate("(row) => [row, ...row.cells].map((one) => getComputedStyle(one).backgroundColor)")
    assert set(colours) == {"rgba(0, 0, 0, 0)"}


async def test_the_answer_leaves_room_for_the_actor(open_tab: OpenTab, shop: Serving) -> None:
    source = {"campaign": "gift", "channel": "google/cpc", "device": "mobile", "gclid": "EAIab7030dddab77f754"}
    send(shop, [event("mv_product_view", time.time_ns() // 1_000_000, "v-51112a65cf319cba", source=source)])
    tab = await open_tab()
    await tab.open("live", "?show=accepted&q=v-51112a65cf319cba")
    row = tab.page.locator(".live-table tbody tr", has_text="v-51112a65cf319cba")
    actor, answer = row.locator(".live-actor"), row.locator(".live-verdict")
    lines = """(cell) => {
        const text = document.createRange();
        text.selectNodeContents(cell);
        return text.getClientRects().length;
    }"""
    assert await actor.evaluate(lines) == 1
    width = "(cell) => cell.clientWidth"
    assert await answer.evaluate(width) < 1.2 * await actor.evaluate(width)


async def test_that_events_are_missing_is_told_in_the_readers_language(open_tab: OpenTab) -> None:
    tab = await open_tab(lang="ja")
    told = "Events are complete only up to 2026-11-20 03:04 UTC, 20 hours back: delivery is behind, or stopped."

    async def late(route: Route) -> None:
        response = await route.fetch()
        body = await response.json()
        body |= {"reasons": {"incomplete": told}, "total": body["total"] | {"reason": "incomplete"}}
        await route.fulfill(response=response, json=body)

    await tab.page.route("**/v1/summary?**", late)
    await tab.open("live")
    hint = tab.page.locator("main .hint", has_text="送信が遅れているか")
    await hint.wait_for()
    assert "11月20日 12:04" in await hint.inner_text()
    assert await hint.get_attribute("lang") == "ja"
