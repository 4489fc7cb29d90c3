"""A funnel is composed with the keyboard alone, and its address shows it to anybody."""

from __future__ import annotations

from browser.chromium import Tab
from browser.conftest import OpenTab
from browser.shop import HOSTILE

# The words of the focused element: its label, or what it says.
_FOCUSED = """() => {
  const one = document.activeElement;
  return one.getAttribute("aria-label") ?? one.labels?.[0]?.textContent ?? one.textContent ?? "";
}"""


async def tab_to(tab: Tab, words: str) -> None:
    """Press the tab key until the focus is on what bears these words."""
    for _ in range(100):
        await tab.page.keyboard.press("Tab")
        if words in await tab.page.evaluate(_FOCUSED):
            return
    raise AssertionError(f"the tab key does not come to {words!r}")


async def retype(tab: Tab, text: str) -> None:
    """Replace what stands in the focused field."""
    await tab.page.keyboard.press("Control+a")
    await tab.page.keyboard.type(text)


async def test_a_composed_funnel_is_the_same_for_whoever_opens_its_address(open_tab: OpenTab) -> None:
    tab = await open_tab()
    await tab.open("funnel", "?funnel=to_sale&window=28d")
    before = await tab.text(".funnel-result")
    await tab_to(tab, "Compose")
    await tab.page.keyboard.press("Enter")
    await tab_to(tab, "step 2")
    await tab.page.keyboard.press("Shift+Tab")
    while "Event of step 2" not in await tab.page.evaluate(_FOCUSED):
        await tab.page.keyboard.press("Tab")
    await retype(tab, "mv_add_to_cart")
    await tab_to(tab, "Add a step")
    await tab.page.keyboard.press("Enter")  # and the focus is on the new step's event
    await tab.page.keyboard.type("purchase")
    await tab.page.keyboard.press("Enter")
    await tab.until("document.querySelector('.funnel-result').innerText !== arg", before)
    await tab.settled()
    await tab.page.wait_for_selector(".funnel-result figure >> text=mv_add_to_cart")
    composed = await tab.text(".funnel-result")
    assert "Bottleneck" in composed

    other = await open_tab()
    await other.page.goto(tab.page.url)
    await other.page.wait_for_selector(".funnel-result figure")
    await other.settled()
    assert await other.text(".funnel-result") == composed

    await tab.page.go_back()
    await tab.until("document.querySelector('.funnel-result').innerText === arg", before)


async def test_steps_are_moved_by_the_keyboard(open_tab: OpenTab) -> None:
    tab = await open_tab()
    await tab.open("funnel", "?funnel=checkout&window=28d")
    await tab_to(tab, "Compose")
    await tab.page.keyboard.press("Enter")
    await tab_to(tab, "Event of step 1")
    await tab.page.keyboard.press("Alt+ArrowDown")
    events = await tab.page.eval_on_selector_all(".funnel-event", "all => all.map((one) => one.value)")
    assert events == ["mv_product_view", "mv_visit", "mv_add_to_cart", "mv_checkout_start", "purchase"]
    assert "mv_visit" in await tab.page.evaluate("document.activeElement.value")
    assert await tab.violations() == []


async def test_a_breakdown_stands_side_by_side_and_is_in_the_address(open_tab: OpenTab) -> None:
    tab = await open_tab()
    await tab.open("funnel", "?funnel=checkout&window=28d")
    await tab.page.get_by_label("Break down by").first.select_option("campaign")
    await tab.page.wait_for_selector("main .funnel-groups tbody tr")
    assert "by=campaign" in tab.page.url
    rows = await tab.page.locator(".funnel-groups tbody th").all_inner_texts()
    assert {"brand", "generic-shoes", HOSTILE} <= set(rows)


async def test_a_mistake_is_told_beside_its_field(open_tab: OpenTab) -> None:
    tab = await open_tab()
    await tab.open("funnel", "?funnel=checkout&window=28d")
    await tab_to(tab, "Compose")
    await tab.page.keyboard.press("Enter")
    await tab_to(tab, "Conversion window")
    await retype(tab, "soon")
    await tab.page.keyboard.press("Enter")
    await tab.page.wait_for_selector("[data-field=conversion_window] .field-error:not([hidden])")
    assert await tab.page.evaluate("document.activeElement.getAttribute('aria-invalid')") == "true"
    # The browser tells of the 400 by itself.
    assert ["400" in wrong or "422" in wrong for wrong in tab.wrong] == [True] * len(tab.wrong)
    tab.wrong.clear()
