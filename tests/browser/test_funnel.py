"""A funnel is composed with the keyboard alone, its address shows it to anybody, and it is fairly compared."""

from __future__ import annotations

import time
import tomllib
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest

from browser.chromium import Lang, Tab
from browser.conftest import OpenTab
from browser.shop import DAY, HOSTILE, event, send
from faults.serving import Serving

_PLAN = """
currency = "JPY"
timezone = "Asia/Tokyo"
retention = "60d"
windows = ["7d", "28d"]

[events.mv_visit]
value = 5

[events.mv_search]

[events.mv_checkout_start]
value = 800

[events.purchase]
final = true
action = "primary"
value = "event"

[funnels.to_sale]
steps = ["mv_visit", "mv_checkout_start", "purchase"]

[funnels.everything]
order = "strict"
conversion_window = "3d"
entry = "first"
count = "attempts"
exclusion = "attempt"
optional = [1]
trend = true
steps = [
  "mv_visit",
  { event = "mv_checkout_start", where = { "properties.sku" = ["A, B", "2", true], "source.campaign" = "brand" } },
  "mv_checkout_start",
  "purchase",
]

[[funnels.everything.exclude]]
event = "mv_search"
where = { "properties.sku" = 7 }
from = 1
to = 2

[funnels.everything.histogram]
from = 1
to = 2
bins = 7

[values]
horizon = "7d"
lookback = "28d"
"""
_BEGAN = 54.7
_VISITS = 50
"""Recording began so many days ago, and visits so many."""

# The lines of each element, as they are broken.
_LINES = """(all) => all.filter((one) => one.checkVisibility()).map((one) => {
  const lines = [];
  const walk = document.createTreeWalker(one, NodeFilter.SHOW_TEXT);
  let last = null;
  while (walk.nextNode()) {
    const range = document.createRange();
    for (let at = 0; at < walk.currentNode.length; at += 1) {
      range.setStart(walk.currentNode, at);
      range.setEnd(walk.currentNode, at + 1);
      const box = range.getClientRects()[0];
      if (box === undefined || box.width === 0) continue;
      if (last === null || box.left < last.left - 1) lines.push("");
      lines[lines.length - 1] += walk.currentNode.data[at];
      last = box;
    }
  }
  return lines;
})"""

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


def _days(now: int) -> Iterator[dict[str, Any]]:
    yield event("mv_search", now - _BEGAN * DAY, "v-first")
    for number in range(_VISITS * 4):
        at = now - _VISITS * DAY + number * DAY / 4
        for step, name in enumerate(("mv_visit", "mv_checkout_start", "purchase")[: 1 + number % 3]):
            worth: dict[str, Any] = (
                {"value": 900, "currency": "JPY", "order": f"y-{number}"} if name == "purchase" else {}
            )
            yield event(name, at + step * 60_000, f"y-{number}", **worth)


@pytest.fixture(scope="module")
def young(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    """A collector without keys that keeps 60 days, recorded for 55, and has seen visits for 50."""
    folder = tmp_path_factory.mktemp("young")
    (folder / "plan.toml").write_text(_PLAN, encoding="utf-8")
    plan = ("--plan", str(folder / "plan.toml"), "--dev")
    with Serving(folder / "data", folder / "log", *plan, environment={}) as collector:
        send(collector, _days(time.time_ns() // 1_000_000), imported=True)
        yield collector


async def declared(tab: Tab) -> Any:
    """The funnel that the form says, as the plan would have it."""
    return tomllib.loads(await tab.page.locator(".funnel-compose pre").text_content() or "")["funnels"]["my_funnel"]


def asked(tab: Tab) -> list[dict[str, Any]]:
    """What the page asks to be counted, from now on."""
    bodies: list[dict[str, Any]] = []
    tab.page.on(
        "request",
        lambda one: bodies.append(msgspec.json.decode(one.post_data or "")) if one.method == "POST" else None,
    )
    return bodies


async def entries(tab: Tab) -> list[list[str]]:
    """How many entered, row by row: the day, this window and, where it is compared, the window before."""
    figure = tab.page.locator("figure.line", has=tab.page.get_by_text("Entered on each day", exact=True))
    rows: list[list[str]] = await figure.locator("tbody tr").evaluate_all(
        "(all) => all.map((row) => [...row.cells].map((cell) => cell.textContent))"
    )
    return rows


async def test_a_funnel_composed_by_keyboard_is_the_same_for_whoever_opens_its_address(open_tab: OpenTab) -> None:
    tab = await open_tab()
    # Fixed at a moment, so that no minute goes by between one look and the next.
    await tab.open("funnel", f"?funnel=to_sale&window=28d&as_of={time.time_ns() // 1_000_000}")
    before = await tab.text(".funnel-result")
    keys = tab.page.keyboard
    await tab_to(tab, "Compose")
    await keys.press("Enter")
    await tab_to(tab, "Event of step 2")
    await retype(tab, "mv_product_view")
    await tab_to(tab, "Add a condition to step 2")
    await keys.press("Enter")  # and the focus is on the field
    await keys.type("properties.sku")
    await keys.press("Tab")
    await keys.type("A")
    await tab_to(tab, "Another value for condition 1 of step 2")
    await keys.press("Enter")
    await keys.type("B")
    await tab_to(tab, "Add a step")
    for name in ("mv_add_to_cart", "mv_checkout_start", "purchase"):
        await keys.press("Enter")  # and the focus is on the new step's event
        await keys.type(name)
        while name != "purchase" and "Add a step" not in await tab.page.evaluate(_FOCUSED):
            await keys.press("Tab")
    await tab_to(tab, "Exclude an event")
    await keys.press("Enter")
    await keys.type("mv_search")
    await keys.press("Tab")
    await keys.type("2")  # the choice that begins so
    await keys.press("Shift+Tab")
    await keys.press("Enter")
    await tab.until("document.querySelector('.funnel-result').innerText !== arg", before)
    await tab.settled()
    await tab.page.wait_for_selector(".funnel-result figure >> text=mv_add_to_cart")
    composed = await tab.text(".funnel-result")
    assert "Bottleneck" in composed
    says = {
        "steps": [
            "mv_visit",
            {"event": "mv_product_view", "where": {"properties.sku": ["A", "B"]}},
            *("mv_add_to_cart", "mv_checkout_start", "purchase"),
        ],
        "exclude": [{"event": "mv_search", "from": 1}],
    }
    assert await declared(tab) == says

    other = await open_tab()
    await other.page.goto(tab.page.url)
    await other.page.wait_for_selector(".funnel-result figure")
    await other.settled()
    assert await other.text(".funnel-result") == composed
    assert await declared(other) == says
    assert await other.violations() == []

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
    await tab.page.get_by_label("Broken down by").first.select_option("campaign")
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


async def test_every_key_of_a_funnel_can_be_composed(open_tab: OpenTab, young: Serving) -> None:
    tab = await open_tab(at=young)
    await tab.open("funnel", "?step=mv_visit&step=mv_checkout_start&step=purchase")
    page = tab.page
    await page.get_by_text("Compose or change", exact=True).click()
    await page.get_by_text("More rules").click()
    await page.get_by_label("Step 2 may be skipped").check()
    await page.get_by_label("Order").select_option("strict")
    await page.get_by_label("Conversion window").fill("2d")
    await page.get_by_label("Count", exact=True).select_option("attempts")
    await page.get_by_label("An attempt begins").select_option("first")
    await page.get_by_label("An exclusion takes away").select_option("attempt")
    await page.get_by_role("checkbox", name="Measure the time").check()
    await page.get_by_label("The time is measured to").select_option(label="2. mv_checkout_start")
    await page.get_by_label("in so many bins").fill("5")
    await page.get_by_label("answer by day").check()
    await page.get_by_text("Exclude an event").click()
    await page.get_by_label("Event of exclusion 1").fill("mv_search")
    await page.get_by_label("Exclusion 1 ends before").select_option(label="3. purchase")
    await page.get_by_label("Add a condition to exclusion 1").click()
    await page.get_by_label("Field of condition 1 of exclusion 1").fill("properties.n")
    await page.get_by_label("Value 1 of condition 1 of exclusion 1").fill("2")
    says = {
        "steps": ["mv_visit", "mv_checkout_start", "purchase"],
        "order": "strict",
        "conversion_window": "2d",
        "count": "attempts",
        "entry": "first",
        "exclude": [{"event": "mv_search", "where": {"properties.n": ["2", 2]}, "to": 2}],
        "exclusion": "attempt",
        "optional": [1],
        "trend": True,
        "histogram": {"to": 1, "bins": 5},
    }
    assert await declared(tab) == says
    # An exclusion and a span stay with their steps when these are moved.
    await page.get_by_label("Move step 3 up").click()
    moved = await declared(tab)
    assert (moved["exclude"][0]["to"], moved["histogram"]["to"]) == (1, 2)
    await page.get_by_label("Move step 2 down").click()
    bodies = asked(tab)
    await page.get_by_role("button", name="Count this funnel").click()
    await page.wait_for_selector(".funnel-result >> text=from the first step to mv_checkout_start")
    assert {key: bodies[0][key] for key in says} == says | {"histogram": {"to": 1, "bins": 400}}

    other = await open_tab(at=young)
    await other.page.goto(page.url)
    await other.page.wait_for_selector(".funnel-result figure")
    assert await declared(other) == says


async def test_a_declared_funnel_that_is_changed_keeps_all_its_keys(open_tab: OpenTab, young: Serving) -> None:
    tab = await open_tab(at=young)
    await tab.open("funnel", "?funnel=everything&window=28d", seen="main .funnel-compose")
    await tab.settled()
    plan: dict[str, Any] = tomllib.loads(_PLAN)["funnels"]["everything"]
    assert await declared(tab) == plan
    await tab.page.get_by_text("Compose or change", exact=True).click()
    await tab.page.get_by_label("Event of step 1").fill("mv_search")
    await tab.page.keyboard.press("Enter")
    await tab.page.wait_for_url("**/funnel?*step=*")
    changed = plan | {"steps": ["mv_search", *plan["steps"][1:]]}
    assert await declared(tab) == changed

    other = await open_tab(at=young)
    await other.page.goto(tab.page.url)
    await other.page.wait_for_selector(".funnel-result figure, .funnel-result .empty")
    assert await declared(other) == changed
    # Put back as it was, it is the plan's again.
    await other.page.get_by_text("Compose or change", exact=True).click()
    await other.page.get_by_label("Event of step 1").fill("mv_visit")
    await other.page.keyboard.press("Enter")
    await other.page.wait_for_url("**/funnel?*funnel=everything*")


async def test_a_mistake_in_an_exclusion_is_told_beside_it(open_tab: OpenTab, young: Serving) -> None:
    tab = await open_tab(at=young)
    address = '/funnel?step=mv_visit&step=purchase&exclude={"event":"mv_search"}&exclude={"event":"mv_search","to":4}'
    await tab.page.goto(address)
    told = tab.page.locator(".funnel-exclusions > li:nth-child(2) .field-error")
    await told.wait_for()
    assert "the second after the first" in await told.inner_text()
    assert ["422" in wrong for wrong in tab.wrong] == [True] * len(tab.wrong)
    tab.wrong.clear()


async def test_a_window_before_that_is_not_whole_is_not_compared_with(open_tab: OpenTab, young: Serving) -> None:
    tab = await open_tab(at=young)
    for window, why in (("30d", "Recording began only after"), ("58d", "Events are kept for 60 days")):
        await tab.open("funnel", f"?window={window}")
        await tab.page.wait_for_selector(f".funnel-result >> text={why}")
        assert await tab.page.locator(".funnel-result :is(.delta, .bar-beside, .key-beside)").count() == 0
    # Days before recording began have no figure; those after it that nobody entered have one.
    entered = {row[0]: row[1] for row in await entries(tab)}
    assert list(entered.values())[:2] == ["–", "–"]
    assert list(entered.values())[5:7] == ["0", "0"]
    assert "part" in next(iter(entered))
    assert "far)" in list(entered)[-1]
    assert "the days before have no figure" in await tab.text(".funnel-result")


async def test_the_window_before_has_gaps_where_nothing_was_recorded_yet(open_tab: OpenTab, young: Serving) -> None:
    tab = await open_tab(at=young)
    await tab.open("funnel", "?window=28d")
    await tab.page.wait_for_selector(".funnel-result h2 >> text=Against the window before")
    assert await tab.page.locator(".funnel-result .key-beside").count() == 2
    before = [row[2] for row in await entries(tab)]
    assert before[0] == "–"
    assert before[3:5] == ["0", "0"]
    assert before[10] == "4"


@pytest.mark.parametrize(("lang", "words"), [("en", "Broken down by"), ("ja", "内訳")])
async def test_a_breakdown_is_called_the_same_on_both_pages(open_tab: OpenTab, lang: Lang, words: str) -> None:
    tab = await open_tab(lang=lang)
    for page, element in (("overview", "legend"), ("funnel", "label")):
        await tab.open(page, seen=f"main .controls {element}")
        assert words in await tab.page.locator(f"main .controls {element}").all_inner_texts(), page


async def test_a_narrow_page_breaks_names_and_sentences_well(open_tab: OpenTab) -> None:
    tab = await open_tab(lang="ja", width=390)
    await tab.open("funnel", "?funnel=checkout&window=7d&by=campaign")
    await tab.page.locator(".funnel-compose > summary").click()
    await tab.page.locator(".funnel-more > summary").click()
    for width in (390, 360):
        await tab.widen(width)
        assert await tab.sideways() == []
        said: list[list[str]] = await tab.page.eval_on_selector_all("main :is(p, li li, .hint, figcaption)", _LINES)
        assert len(said) > 10
        assert [lines for lines in said if len(lines) > 1 and len(lines[-1].strip("。）")) < 2] == []
        names: list[list[str]] = await tab.page.eval_on_selector_all(".bar-label, .scroller tbody th span", _LINES)
        assert len(names) >= 10
        assert [lines for lines in names for line in lines[:-1] if line[-1] not in "_ "] == []
