"""Logging in, the session that it gives, and logging out."""

from __future__ import annotations

import time

import pytest

from browser.conftest import OpenTab


async def test_a_wrong_key_is_told_and_shows_nothing(open_tab: OpenTab) -> None:
    tab = await open_tab(logged_in=False)
    await tab.page.goto("/funnel?window=7d")
    assert await tab.page.evaluate("document.activeElement.id") == "key"
    await tab.page.keyboard.type("w-secret")  # a key, but not one to read with
    await tab.page.keyboard.press("Enter")
    await tab.page.wait_for_selector("[role=alert]")
    assert "opens nothing here" in await tab.text("[role=alert]")
    assert await tab.page.locator("nav").count() == 0
    assert await tab.page.context.cookies() == []
    # The browser tells what was answered; nothing else.
    assert len(tab.wrong) == 1
    assert "403" in tab.wrong.pop()


@pytest.mark.parametrize("key", ["r-secret", "a-secret"])
async def test_a_right_key_leads_to_the_page_that_was_asked_for(open_tab: OpenTab, key: str) -> None:
    tab = await open_tab(logged_in=False)
    await tab.page.goto("/funnel?window=28d")
    await tab.page.fill("#key", key)
    await tab.page.keyboard.press("Enter")
    await tab.page.wait_for_selector("main .funnel-result figure")
    assert tab.page.url.endswith("/funnel?window=28d")


async def test_the_session_is_out_of_reach_of_scripts_and_other_sites(open_tab: OpenTab) -> None:
    tab = await open_tab(logged_in=False)
    await tab.page.goto("/")
    await tab.page.fill("#key", "r-secret")
    await tab.page.click("main button")
    await tab.page.wait_for_selector("main h1")
    (cookie,) = await tab.page.context.cookies()
    assert (cookie["name"], cookie["path"], cookie["httpOnly"], cookie["sameSite"]) == (
        "kizashi_session",
        "/",
        True,
        "Strict",
    )
    assert 11 < (cookie["expires"] - time.time()) / 3600 <= 12
    assert "r-secret" not in cookie["value"]
    assert await tab.page.evaluate("document.cookie") == ""
    assert await tab.page.evaluate("[localStorage.length, sessionStorage.length]") == [0, 0]


async def test_who_logs_out_sees_no_page_any_more(open_tab: OpenTab) -> None:
    tab = await open_tab()
    await tab.open("values")
    await tab.page.click("form.log-out button")
    await tab.page.wait_for_selector("#key")
    await tab.page.goto("/values")
    assert await tab.page.locator("#key").count() == 1
    assert [cookie["name"] for cookie in await tab.page.context.cookies()] == []


async def test_the_login_page_speaks_both_languages_in_both_themes(open_tab: OpenTab) -> None:
    for lang, theme, words in (("en", "light", "Read key"), ("ja", "dark", "読み取りキー")):
        tab = await open_tab(logged_in=False, lang=lang, theme=theme, width=390)
        await tab.page.goto("/")
        assert words in await tab.text()
        assert await tab.sideways() == []
        assert await tab.violations() == []
