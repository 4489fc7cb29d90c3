"""Every figure of the values page is that of the review."""

from __future__ import annotations

from decimal import ROUND_HALF_UP, Decimal
from typing import TYPE_CHECKING, Any

from browser.conftest import OpenTab
from browser.shop import until_learned
from faults.serving import Serving

if TYPE_CHECKING:
    from playwright.async_api import Page, Response, Route

Step = dict[str, Any]
RUNGS = """() => [...document.querySelectorAll(".strips > li")].filter((row) => row.querySelector("dl.figures"))
    .map((row) => [row.querySelector("code.names").textContent, row.querySelector("svg title, svg[aria-label]")
        ?.textContent ?? null, ...[...row.querySelectorAll("dl.figures dd")].map((one) => one.textContent.trim())])"""
CELLS = """() => [...document.querySelectorAll(".values-all tbody tr")].map((row) => Object.fromEntries(
    [...row.cells].map((cell, at) =>
        [row.closest("table").querySelectorAll("th[data-key]")[at].dataset.key, cell.textContent])))"""


def rounded(number: float | str, places: str) -> str:
    text = f"{Decimal(str(number)).quantize(Decimal(places), ROUND_HALF_UP):,f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def yen(amount: str) -> str:
    return f"¥{rounded(amount, '1')}"


def percent(share: float | None) -> str:
    """A share with three digits that mean something."""
    if share is None:
        return "–"
    number = Decimal(repr(share)) * 100
    digits = number.quantize(Decimal(1).scaleb(number.adjusted() - 2), ROUND_HALF_UP) if number else Decimal(0)
    return f"{rounded(f'{digits:f}', '0.00001')}%"


def declared(step: Step) -> str:
    amount = step["declared"]
    return "nothing" if amount is None else "what the event carries" if amount == "event" else yen(amount)


async def reviewed(page: Page, shown: Response) -> list[Step]:
    steps: list[Step] = (await shown.json())["steps"]
    await page.wait_for_selector(".values-all tbody tr")
    return steps


async def test_the_ladder_says_what_is_learned_and_whether_what_is_declared_fits(
    open_tab: OpenTab, shop: Serving
) -> None:
    until_learned(shop)
    tab = await open_tab()
    fits: dict[str, str] = {}

    async def answer(route: Route) -> None:
        response = await route.fetch()
        body = await response.json()
        kept = [step for step in body["steps"] if step["learned"] is not None and step["verdict"] == "keep"]
        amounts = [("low", "0.5", "too low"), ("high", "2", "too high"), ("value", "1", "fits")]
        for step, (of, by, words) in zip(kept, amounts, strict=False):
            step["declared"] = f"{Decimal(step['learned'][of]) * Decimal(by):f}"
            fits[step["event"]] = words
        await route.fulfill(response=response, json=body)

    await tab.page.route("**/v1/values?**", answer)
    async with tab.page.expect_response("**/v1/values?**") as caught:
        await tab.open("values")
    steps = await reviewed(tab.page, await caught.value)
    assert sorted(fits.values()) == ["fits", "too high", "too low"]
    shown = {event: (words, told) for event, words, *told in await tab.page.evaluate(RUNGS)}
    assert shown.keys() == {step["event"] for step in steps}
    for step in steps:
        learned, name = step["learned"], step["event"]
        amount = "not learned yet"
        expected = [amount]
        if learned is not None:
            amount = f"{yen(learned['value'])} ({yen(learned['low'])} to {yen(learned['high'])})"
            expected = [amount, f"{percent(learned['chance'])} convert"]
        expected.append(f"{declared(step)} {fits.get(name, '')}".strip())
        assert shown[name] == (f"{name}: learned {amount}, declared {declared(step)}", expected)


async def test_the_table_has_the_figures_of_the_review(open_tab: OpenTab, shop: Serving) -> None:
    until_learned(shop)
    tab = await open_tab()
    async with tab.page.expect_response("**/v1/values?**") as caught:
        await tab.open("values")
    steps = await reviewed(tab.page, await caught.value)
    cells = {cell["event"]: cell for cell in await tab.page.evaluate(CELLS)}
    assert cells.keys() == {step["event"] for step in steps}
    for step in steps:
        learned = step["learned"] or dict.fromkeys(("value", "low", "high"))
        lift = step["lift"] and step["lift"]["ratio"]
        expected = {
            "step": "–" if step["step"] is None else str(step["step"]),
            "verdict": {"keep": "Keep", "prune": "Prune", "unknown": "Unknown"}[step["verdict"]],
            "declared": declared(step),
            "learned": "–" if learned["value"] is None else yen(learned["value"]),
            "low": "–" if learned["low"] is None else yen(learned["low"]),
            "high": "–" if learned["high"] is None else yen(learned["high"]),
            "chance": percent(step["learned"] and step["learned"]["chance"]),
            "journeys": rounded(step["journeys"], "1"),
            "converted": rounded(step["converted"], "1"),
            "share": percent(step["share"]),
            "waiting": rounded(step["waiting"], "1"),
            "lift": "–" if lift is None else rounded(lift, "1" if lift >= 100 else "0.1" if lift >= 0.95 else "0.01"),
            "gain": percent(step["marginal_gain"]),
            "recent": rounded(step["count_28d"], "1"),
            "owner": step["owner"] or "–",
        }
        assert {key: cells[step["event"]][key] for key in expected} == expected
