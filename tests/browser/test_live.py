"""Events appear on the live page while they are sent, with their verdicts and what mends them."""

from __future__ import annotations

import time
from uuid import uuid4

from browser.conftest import OpenTab
from browser.shop import HOSTILE, event, send
from faults.serving import Serving

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
