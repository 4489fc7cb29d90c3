"""The overview's table is sorted, narrowed and taken along."""

from __future__ import annotations

import asyncio
import csv
import io
from pathlib import Path

from browser.chromium import ROWS
from browser.conftest import OpenTab
from browser.shop import FORMULA, HOSTILE, JAPANESE


async def test_a_head_sorts_down_and_up(open_tab: OpenTab) -> None:
    tab = await open_tab()
    await tab.open("overview", "?window=28d")
    head = tab.page.locator("main th[data-key=campaign]").first
    await head.locator("button").focus()
    orders = []
    for _ in range(2):
        await tab.page.keyboard.press("Enter")
        names = await tab.page.locator(f"{ROWS} th").all_inner_texts()
        orders.append((await head.get_attribute("aria-sort"), names))
    (first, up), (second, down) = orders
    assert {first, second} == {"ascending", "descending"}
    assert {HOSTILE, JAPANESE, "brand", "generic-shoes"} <= set(up)
    named = [name for name in up if name and not name.startswith("(")]
    assert [name for name in down if name in named] == named[::-1]


async def test_a_filter_narrows_the_rows_and_the_address_keeps_it(open_tab: OpenTab) -> None:
    tab = await open_tab()
    await tab.open("overview", "?window=28d")
    await tab.page.locator("main .table-filter input").first.fill("広告")
    await tab.until("document.querySelectorAll(arg).length === 1", ROWS)
    assert JAPANESE in await tab.text(ROWS)
    other = await open_tab()
    await other.page.goto(tab.page.url)
    await other.page.wait_for_selector(ROWS)
    await other.settled()
    assert await other.page.locator(ROWS).count() == 1


async def test_the_csv_is_what_is_seen_and_runs_nothing(open_tab: OpenTab) -> None:
    tab = await open_tab()
    await tab.open("overview", "?window=28d")
    seen = await tab.page.locator(f"{ROWS} th").all_inner_texts()
    async with tab.page.expect_download() as started:
        await tab.page.locator("main button.table-csv").first.click()
    taken = await started.value
    assert taken.suggested_filename.endswith(".csv")
    content = await asyncio.to_thread(Path(await taken.path()).read_bytes)
    assert content.startswith(b"\xef\xbb\xbf")
    head, *rows = csv.reader(io.StringIO(content.decode("utf-8-sig"), newline=""))
    assert len(rows) == len(seen)
    assert {len(row) for row in rows} == {len(head)}
    names = {row[0] for row in rows}
    assert {HOSTILE, JAPANESE, f"'{FORMULA}"} <= names
    assert FORMULA not in names
