"""The overview: targets of the plan, windows changed while they are counted, odd addresses, the file of all columns."""

from __future__ import annotations

import asyncio
import contextlib
import csv
import io
import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from browser.chromium import ROWS, Lang
from browser.conftest import OpenTab
from browser.shop import JAPANESE, until_learned
from faults.serving import Serving

if TYPE_CHECKING:
    from playwright.async_api import Route


@pytest.mark.parametrize(
    ("lang", "reached", "far"),
    [("en", "Target of ", "0% of the target, 1,000,000"), ("ja", "を達成", "目標 1,000,000 の0%")],
)
async def test_a_window_is_held_against_the_targets_of_the_plan(
    open_tab: OpenTab, lang: Lang, reached: str, far: str
) -> None:
    tab = await open_tab(lang=lang)
    await tab.open("overview", "?window=7d")
    assert await tab.page.locator(".overview-tiles .overview-target").count() == 2
    told = await tab.text(".overview-tiles")
    assert reached in told
    assert far in told
    await tab.open("overview", "?window=28d")
    assert await tab.page.locator(".overview-target").count() == 0


async def test_an_answer_that_comes_after_back_is_not_shown_as_that_of_another_window(
    open_tab: OpenTab, shop: Serving
) -> None:
    until_learned(shop)
    tab = await open_tab()
    await tab.open("overview", "?window=7d")
    asked, answer = asyncio.Event(), asyncio.Event()

    async def hold(route: Route) -> None:
        asked.set()
        await answer.wait()
        with contextlib.suppress(Exception):  # the page has given it up
            await route.continue_()

    await tab.page.route(re.compile(r"/v1/summary\?window=24h&by="), hold)
    figures = tab.page.locator(".overview-tiles .figure")
    before = await figures.all_inner_texts()
    await tab.page.locator("main .choice input[value='24h']").check()
    await asyncio.wait_for(asked.wait(), 20)
    async with tab.page.expect_event("requestfailed", lambda request: "window=24h" in request.url):
        await tab.page.go_back()
        answer.set()
    await tab.settled()
    await tab.until("document.querySelector('main .choice input:checked').value === '7d'")
    assert await figures.all_inner_texts() == before
    assert await tab.page.locator("main .problem").count() == 0


@pytest.mark.parametrize(
    ("query", "works"),
    [
        ("?by=", True),
        ("?window=&by=&versus=", True),
        ("?by=device&sort=nothing&q=", True),
        ("?window=abc", False),
        ("?by=<img>", False),
        ("?by=,", False),
        ("?window=99999999999d", False),
    ],
)
async def test_an_odd_address_shows_rows_or_says_what_is_wrong(open_tab: OpenTab, query: str, works: bool) -> None:
    tab = await open_tab()
    await tab.open("overview", query, seen=ROWS if works else "main .problem")
    assert await tab.page.locator("main .problem").count() == (0 if works else 1)
    assert not works or await tab.page.locator(".overview-tiles .figure").count() == 4
    assert ["400" in wrong for wrong in tab.wrong] == [not works] * len(tab.wrong)
    tab.wrong.clear()


async def test_what_fails_while_it_is_drawn_is_told(open_tab: OpenTab) -> None:
    tab = await open_tab()

    async def broken(route: Route) -> None:
        body = await (await route.fetch()).json()
        await route.fulfill(json=body | {"rows": [row | {"events": None} for row in body["rows"]]})

    await tab.page.route(re.compile(r"/v1/summary\?window=7d&by="), broken)
    await tab.open("overview", "?window=7d", seen="main .problem")
    assert "This page failed" in await tab.text("main .problem")
    # Told to the console by the page, and not left to the browser.
    assert [wrong.split(":")[0] for wrong in tab.wrong] == ["console error"] * len(tab.wrong)
    tab.wrong.clear()


async def test_the_file_of_all_columns_has_every_page_once_and_is_read_as_utf_8(
    open_tab: OpenTab, shop: Serving
) -> None:
    tab = await open_tab()
    query = "/v1/summary?window=28d&by=campaign&format=csv"
    head, *rows = shop.ask("GET", query).body.splitlines(keepends=True)

    async def paged(route: Route) -> None:
        second = "cursor=c%2B1" in route.request.url
        headers = {"content-type": "text/csv"} | ({} if second else {"x-next-cursor": "c+1"})
        await route.fulfill(body=head + "".join(rows[2:] if second else rows[:2]), headers=headers)

    await tab.page.route("**/v1/summary?*format=csv*", paged)
    await tab.open("overview", "?window=28d")
    async with tab.page.expect_download() as started:
        await tab.page.locator("button.overview-all").click()
    taken = await started.value
    content = await asyncio.to_thread(Path(await taken.path()).read_bytes)
    assert taken.suggested_filename == "kizashi-28d.csv"
    assert content.startswith(b"\xef\xbb\xbfcampaign,actors,")
    assert content.decode("utf-8-sig") == head + "".join(rows)
    names = [row["campaign"] for row in csv.DictReader(io.StringIO(content.decode("utf-8-sig"), newline=""))]
    assert JAPANESE in names
    assert len(names) == len(set(names)) == len(rows)


async def test_a_file_that_cannot_be_had_is_told(open_tab: OpenTab) -> None:
    tab = await open_tab()
    refusal = {"code": "busy", "detail": "later"}
    await tab.page.route("**/v1/summary?*format=csv*", lambda route: route.fulfill(status=503, json=refusal))
    await tab.open("overview", "?window=28d")
    await tab.page.locator("button.overview-all").click()
    await tab.page.locator("main .problem", has_text="more to do than it can").wait_for()
    assert ["503" in wrong for wrong in tab.wrong] == [True]
    tab.wrong.clear()


@pytest.mark.parametrize(("by", "learned"), [("device", ""), ("channel", "&by=channel")])
async def test_both_windows_are_valued_by_what_was_learned_alike(open_tab: OpenTab, by: str, learned: str) -> None:
    tab = await open_tab()
    async with tab.page.expect_request(re.compile(r"/v1/summary\?from=")) as asked:
        await tab.open("overview", f"?window=7d&by={by}")
    assert re.sub(r".*as_of=\d+|&money=string", "", (await asked.value).url) == learned
    await tab.page.wait_for_selector(".overview-how")
