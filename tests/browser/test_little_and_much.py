"""Pages with nothing, with one event, with a thousand campaigns; what a first view weighs."""

from __future__ import annotations

import time
from typing import Any

import pytest

from browser.chromium import PAGES, ROWS, Lang
from browser.conftest import OpenTab
from browser.shop import event, send
from faults.serving import Serving

_MOST_BYTES = 300_000
_USEFUL_MS = 5_000
"""Beyond this a page has stalled; how long it takes on a machine of its own is printed."""


@pytest.mark.parametrize("lang", ["en", "ja"])
async def test_pages_of_an_empty_collector_say_what_to_do_first(
    open_tab: OpenTab, plan_only: Serving, lang: Lang
) -> None:
    tab = await open_tab(at=plan_only, lang=lang, width=390)
    for name in PAGES:
        await tab.open(name, seen="main h1")
        assert len(await tab.text()) > 80, name
        assert await tab.page.locator("main .problem").count() == 0, name
        assert await tab.sideways() == [], name
        if lang == "en":
            assert await tab.violations() == [], name


async def test_pages_without_a_plan_show_nothing_and_then_one_event(bare: Serving, open_tab: OpenTab) -> None:
    tab = await open_tab(at=bare)
    for name in PAGES:
        await tab.open(name, seen="main h1")
        assert len(await tab.text()) > 80, name
        assert await tab.page.locator("main .problem").count() == 0, name
        assert await tab.violations() == [], name
    send(bare, [event("mv_only", time.time_ns() // 1_000_000, "v-only")])
    for name in PAGES:
        await tab.open(name, seen="main h1")
        text = await tab.text()
        assert "NaN" not in text, name
        assert "undefined" not in text, name
        assert await tab.page.locator("main .problem").count() == 0, name
        assert await tab.sideways() == [], name
    await tab.open("live")
    assert await tab.page.locator(".live-table tbody tr", has_text="mv_only").count() == 1


async def test_a_thousand_campaigns_are_shown_and_narrowed_at_once(
    crowded: Serving, open_tab: OpenTab, capsys: pytest.CaptureFixture[str]
) -> None:
    tab = await open_tab(at=crowded)
    times = {}
    for name in reversed(list(PAGES)):
        await tab.open(name, {"overview": "?window=28d", "funnel": "?window=28d&by=campaign"}.get(name, ""))
        times[name] = round(await tab.page.evaluate("performance.now()"))
    with capsys.disabled():
        print(f"\nuseful with 1,000 campaigns after ms: {times}")
    assert max(times.values()) < _USEFUL_MS
    rows = tab.page.locator(ROWS)
    assert 100 <= await rows.count() < 1_000
    await tab.page.locator("main button.table-more:visible").first.click()
    assert await rows.count() == 1_000
    assert await tab.sideways() == []
    await tab.page.locator("main .table-filter input").first.fill("campaign-0042")
    await tab.until("document.querySelectorAll(arg).length === 1", ROWS)


@pytest.mark.parametrize("name", ["overview", "values", "live"])
async def test_no_japanese_paragraph_ends_with_a_character_alone(open_tab: OpenTab, name: str) -> None:
    tab = await open_tab(lang="ja", width=390)
    await tab.open(name)
    for width in range(320, 480, 16):
        await tab.widen(width)
        alone = await tab.page.evaluate("""() => [...document.querySelectorAll("main :is(p, h2, dd)")].filter((one) => {
            const text = document.createRange();
            text.selectNodeContents(one);
            const boxes = [...text.getClientRects()].filter((box) => box.width > 0);
            const end = Math.max(...boxes.map((box) => box.bottom)) - 4;
            const last = boxes.filter((box) => box.bottom > end);
            const width = Math.max(...last.map((box) => box.right)) - Math.min(...last.map((box) => box.left));
            return last.length < boxes.length && width < 2.2 * parseFloat(getComputedStyle(one).fontSize);
        }).map((one) => one.textContent)""")
        assert alone == [], width


@pytest.mark.parametrize("name", PAGES)
async def test_a_first_view_weighs_little(open_tab: OpenTab, name: str, capsys: pytest.CaptureFixture[str]) -> None:
    tab = await open_tab()
    watch = await tab.page.context.new_cdp_session(tab.page)
    received: list[int] = []

    def finished(told: dict[str, Any]) -> None:
        received.append(int(told["encodedDataLength"]))

    watch.on("Network.loadingFinished", finished)
    await watch.send("Network.enable")
    await watch.send("Network.clearBrowserCache")
    await tab.open(name)
    with capsys.disabled():
        print(f"\n{name}: {sum(received):,} bytes in {len(received)} answers")
    assert len(received) > 5
    assert sum(received) < _MOST_BYTES
