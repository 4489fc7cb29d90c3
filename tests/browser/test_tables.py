"""Tables are sorted, narrowed, taken along, and read on a phone and on a thousand rows."""

from __future__ import annotations

import asyncio
import base64
import csv
import io
from pathlib import Path

from browser.chromium import ROWS
from browser.conftest import OpenTab
from browser.shop import FORMULA, HOSTILE, JAPANESE
from faults.serving import Serving

LINES = """(cell) => {
    const lines = new Map();
    const letter = document.createRange();
    const texts = document.createTreeWalker(cell, NodeFilter.SHOW_TEXT);
    while (texts.nextNode()) {
        const { data } = texts.currentNode;
        for (let at = 0; at < data.length; at += 1) {
            letter.setStart(texts.currentNode, at);
            letter.setEnd(texts.currentNode, at + 1);
            const bottom = Math.round(letter.getBoundingClientRect().bottom);
            lines.set(bottom, (lines.get(bottom) ?? "") + data[at]);
        }
    }
    return [...lines.values()];
}"""
"""The lines that an element's text has on the screen."""


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


async def test_on_a_phone_names_break_after_an_underscore_and_stay_the_names(open_tab: OpenTab) -> None:
    tab = await open_tab(width=390)
    await tab.open("values")
    table = tab.page.locator(".values-all")
    cell = table.locator("tbody th", has_text="mv_checkout_start")
    lines = await cell.evaluate(LINES)
    assert len(lines) > 1
    assert "".join(lines) == "mv_checkout_start"
    assert all(line.endswith("_") for line in lines[:-1])
    await cell.select_text()
    assert (await tab.page.evaluate("getSelection().toString()")).strip() == "mv_checkout_start"
    assert "mv_checkout_start" in {row[0] for row in await tab.saved(".values-all")}


async def test_all_figures_of_a_step_stand_in_one_line(open_tab: OpenTab) -> None:
    tab = await open_tab()
    await tab.open("values")
    rows = tab.page.locator(".values-all tbody tr")
    assert await rows.count() >= 6
    for cell in await rows.locator("th, td").all():
        assert len(await cell.evaluate(LINES)) <= 1
        assert await cell.evaluate("(cell) => cell.scrollWidth <= cell.clientWidth")


async def test_on_a_phone_a_row_is_ruled_off_below_its_name_as_below_its_figures(open_tab: OpenTab) -> None:
    tab = await open_tab(width=390, lang="ja")  # whose lines do not end on whole pixels
    await tab.open("overview", "?window=28d")
    box = tab.page.locator("main .scroller").first
    await box.evaluate("(box) => { box.scrollIntoView(); box.scrollLeft = 60; }")
    await tab.page.mouse.move(0, 0)
    picture = base64.b64encode(await tab.page.screenshot()).decode()
    ruled = await box.evaluate(
        """async (box, picture) => {
        const image = new Image();
        image.src = `data:image/png;base64,${picture}`;
        await image.decode();
        const canvas = new OffscreenCanvas(image.width, image.height).getContext("2d", { willReadFrequently: true });
        canvas.drawImage(image, 0, 0);
        const colours = (x, top) => [-2, -1, 0, 1, 2].map((by) => canvas.getImageData(x, top + by, 1, 1).data.join());
        const left = box.getBoundingClientRect().left;
        return [...box.querySelectorAll("tbody tr")]
            .map((row) => Math.round(row.getBoundingClientRect().top)).filter((top) => top < innerHeight - 2)
            .map((top) => [colours(left + 4, top), colours(left + 330, top)]);
    }""",
        picture,
    )
    assert len(ruled) >= 3
    for name, figure in ruled:
        assert len(set(figure)) == 2
        assert set(name) == set(figure)


async def test_an_interval_is_drawn_from_its_low_to_its_high_end_and_told_once_where_they_are_one(
    open_tab: OpenTab,
) -> None:
    tab = await open_tab()
    await tab.open("overview", "?window=28d")
    wide, narrow = await tab.page.evaluate("""async () => {
        const { interval } = await import(document.querySelector("script[src$='core.js']").src);
        const format = (amount) => `¥${amount}`;
        const drawn = (svg) => ({
            title: svg.querySelector("title").textContent,
            bar: ["x", "width"].map((name) => Number(svg.querySelector(".interval-bar").getAttribute(name))),
            mark: Number(svg.querySelector(".interval-value").getAttribute("cx")),
        });
        return [
            drawn(interval({ low: 250, value: 300, high: 400, max: 1000, format })),
            drawn(interval({ low: 300, value: 300, high: 300, max: 1000, format })),
        ];
    }""")
    assert wide == {"title": "¥300, between ¥250 and ¥400", "bar": [50, 30], "mark": 60}
    assert narrow == {"title": "¥300", "bar": [60, 0], "mark": 60}


async def test_of_a_thousand_rows_those_out_of_view_cost_nothing_and_all_are_there(
    crowded: Serving, open_tab: OpenTab
) -> None:
    tab = await open_tab(at=crowded)
    await tab.open("overview", "?window=28d")
    await tab.page.locator("main button.table-more:visible").first.click()
    rows = tab.page.locator(ROWS)
    assert await rows.count() == 1_000
    seen = await rows.evaluate_all(
        "(rows) => rows.map((row) => row.cells[1].checkVisibility({ contentVisibilityAuto: true }))"
    )
    assert sum(seen) < 300
    assert not seen[-1]
    places = """(row) => [...row.cells].map((cell) => Math.round(cell.getBoundingClientRect().left))"""
    heads = await tab.page.locator("main thead tr").first.evaluate(places)
    for row in (rows.first, rows.last):
        await row.scroll_into_view_if_needed()
        assert await row.evaluate(places) == heads
        assert await row.evaluate("(row) => [...row.cells].every((cell) => cell.scrollWidth <= cell.clientWidth)")
    assert await tab.page.get_by_role("row").count() > 1_000
    assert await tab.page.get_by_role("rowheader", name="campaign-0042").count() == 1


async def test_only_all_is_a_hundred_percent(open_tab: OpenTab) -> None:
    tab = await open_tab()
    await tab.open("overview")
    told = await tab.page.evaluate("""async () => {
        const { percent } = await import(document.querySelector("script[src$='core.js']").src);
        return [0, 0.1234, 0.9949, 0.9996, 0.99999999, 1, "1", 1.5, null].map(percent);
    }""")
    assert told == ["0%", "12.3%", "99.5%", "99.9%", "99.9%", "100%", "100%", "150%", "–"]
