"""Each page with data: in both languages and themes, on a desk and on a phone."""

from __future__ import annotations

import pytest

from browser.chromium import PAGES, Lang, Theme
from browser.conftest import OpenTab
from browser.shop import HOSTILE, JAPANESE, until_learned
from faults.serving import Serving

HEADINGS = {
    "en": {"overview": "Overview", "funnel": "Funnel", "values": "Values", "live": "Live"},
    "ja": {"overview": "概要", "funnel": "ファネル", "values": "価値", "live": "ライブ"},
}
# What each page must say of the shop's data, whatever the language.
SAYS = {
    "overview": ["generic-shoes", JAPANESE, HOSTILE, "¥"],
    "funnel": ["mv_add_to_cart", "purchase", "%"],
    "values": ["mv_checkout_start", "web team", "商品チーム"],
    "live": ["mv_unplanned", "mv_never_sent", "mv_search"],
}


@pytest.mark.parametrize("lang", ["en", "ja"])
@pytest.mark.parametrize("name", PAGES)
async def test_a_page_shows_its_data(open_tab: OpenTab, name: str, lang: Lang) -> None:
    tab = await open_tab(lang=lang)
    await tab.open(name)
    assert await tab.page.get_attribute("html", "lang") == lang
    assert HEADINGS[lang][name] in await tab.page.title()
    assert await tab.page.locator("h1").count() == 1
    assert await tab.page.locator("main .problem").count() == 0
    text = await tab.text()
    assert [words for words in SAYS[name] if words not in text.replace("￥", "¥")] == []
    assert [words for words in ("undefined", "NaN", "[object") if words in text] == []
    for width in (1280, 390):
        await tab.widen(width)
        assert await tab.sideways() == [], width


@pytest.mark.parametrize("name", PAGES)
async def test_a_page_has_no_finding_in_either_theme(open_tab: OpenTab, name: str) -> None:
    tab = await open_tab()
    await tab.open(name)
    themes: tuple[Theme, ...] = ("light", "dark")
    for theme in themes:
        await tab.page.emulate_media(color_scheme=theme, reduced_motion="reduce")
        await tab.widen(1280)
        ground, letters = await tab.page.evaluate("""() => ["backgroundColor", "color"]
            .map((one) => getComputedStyle(document.body)[one].match(/[\\d.]+/g).slice(0, 3).map(Number))
            .map(([red, green, blue]) => red + green + blue)""")
        assert (ground > letters) == (theme == "light"), theme
        assert await tab.violations() == [], theme


@pytest.mark.parametrize("name", PAGES)
async def test_a_page_has_no_finding_on_a_phone(open_tab: OpenTab, name: str) -> None:
    tab = await open_tab(lang="ja", theme="dark", width=390)
    await tab.open(name)
    assert await tab.sideways() == []
    assert await tab.violations() == []


async def test_the_language_switch_keeps_the_page_and_what_it_shows(open_tab: OpenTab) -> None:
    tab = await open_tab()
    await tab.open("funnel", "?window=28d&by=campaign")
    await tab.page.click("button[value=ja]")
    await tab.page.wait_for_selector("html[lang=ja] main .funnel-result figure")
    assert tab.page.url.endswith("/funnel?window=28d&by=campaign")
    await tab.page.click("nav a[href='/values']")
    await tab.page.wait_for_selector("html[lang=ja] main .strips svg")


async def test_the_keyboard_comes_past_the_header_to_the_content(open_tab: OpenTab) -> None:
    tab = await open_tab()
    await tab.open("overview")
    await tab.page.keyboard.press("Tab")
    assert await tab.page.evaluate("document.activeElement.className") == "skip"
    shown = await tab.page.locator(".skip").bounding_box()
    assert shown is not None
    assert shown["x"] >= 0
    assert shown["y"] >= 0
    await tab.page.keyboard.press("Enter")
    await tab.page.keyboard.press("Tab")
    assert await tab.page.evaluate("document.activeElement.closest('main') !== null")


async def test_the_ladder_shows_what_was_learned_beside_what_is_declared(open_tab: OpenTab, shop: Serving) -> None:
    until_learned(shop)
    tab = await open_tab()
    await tab.open("values")
    steps = await tab.page.locator("ol.strips > li .figures").all_inner_texts()
    (cart,) = [text for text in steps if "¥300" in text]
    assert len([amount for amount in cart.split() if "¥" in amount]) >= 4  # learned, from, to, declared
    assert "mv_visit" in await tab.text("main .note-box")  # its review is overdue
