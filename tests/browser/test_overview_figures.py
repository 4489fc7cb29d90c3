"""Every figure of the overview is that of the collector's answer: tiles, what they are compared with, and the table."""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import ROUND_HALF_UP, Decimal
from typing import TYPE_CHECKING, Any

import pytest

from browser.chromium import ROWS, Tab
from browser.conftest import OpenTab
from browser.shop import until_learned
from faults.serving import Serving

if TYPE_CHECKING:
    from playwright.async_api import Route

Answer = dict[str, Any]
# The window's rows; what the older one had brought when it ended; what it will have brought, as far as is known now.
WINDOW, THEN, TODAY = re.compile(r"window=\w+&by="), re.compile(r"window=\w+&as_of="), re.compile(r"\?from=\d+&to=\d+")
LEAST = 15
"""The plan's min_effective_conversions."""
AHEAD = "The ranges do not overlap: this window will most likely end above the other."
BEHIND = "The ranges do not overlap: this window will most likely end below the other."
OVERLAP = "The ranges overlap: which of the two will have brought more in the end is open."
TILES = """() => [...document.querySelectorAll(".overview-tiles .tile")].map((tile) => {
    const text = (selector) => tile.querySelector(selector)?.textContent ?? null;
    const standing = tile.querySelector("p.small");
    return {name: text("dt"), figure: text(".figure"), delta: text(".delta"), note: text(".note"),
        way: tile.querySelector(".delta")?.className.split(" ")[1] ?? null, standing: standing?.textContent ?? null,
        ranges: [...tile.querySelectorAll(".overview-ranges title")].map((one) => one.textContent)};
})"""
CELLS = """(selector) => [...document.querySelectorAll(selector)].map((row) => Object.fromEntries(
    [...row.cells].map((cell, at) => [row.closest("table").querySelectorAll("th[data-key]")[at].dataset.key,
        cell.querySelector("title") ? [cell.querySelector("title").textContent,
            ...[...cell.querySelectorAll("small")].map((one) => one.textContent)] : cell.textContent])))"""


def yen(amount: str | Decimal | None) -> str:
    return "–" if amount is None else f"¥{Decimal(amount).quantize(Decimal(1), ROUND_HALF_UP):,}"


def plain(number: float | None) -> str:
    if number is None:
        return "–"
    text = f"{Decimal(repr(number)).quantize(Decimal('0.01'), ROUND_HALF_UP):,}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def purchases(row: Answer) -> int:
    return int(row["events"]["purchase"]["count"])


def times(row: Answer, **by: str) -> Answer:
    """A row with other amounts, which are decimal texts."""
    return row | {key: f"{Decimal(row[key]) * Decimal(factor):f}" for key, factor in by.items()}


def sold_more(row: Answer) -> Answer:
    """A row whose finals are worth another amount than its journeys have brought: older journeys have finals, too."""
    return times(row, final_value="3")


def judged(row: Answer) -> Answer:
    """A row of which nothing but its evidence says whether it is ready, whatever other tests have sent."""
    ready = row["effective_conversions"] >= LEAST
    bid = row["expected_value"] if ready else None
    return sold_more(row) | {"ready": ready, "reason": None if ready else "thin", "bid_value": bid}


def interval(row: Answer) -> str:
    value, low, high = yen(row["expected_value"]), yen(row["low"]), yen(row["high"])
    return value if low == high else f"{value}, between {low} and {high}"


async def opened(tab: Tab, query: str, changes: Mapping[re.Pattern[str], Answer]) -> dict[re.Pattern[str], Answer]:
    """Open the page and return the answers that it was given, with the totals of some changed on their way."""
    given: dict[re.Pattern[str], Answer] = {}

    async def answer(route: Route) -> None:
        response = await route.fetch()
        body = await response.json()
        kind = next(kind for kind in (THEN, TODAY, WINDOW) if kind.search(route.request.url))
        if kind in changes:
            body["total"] = changes[kind] | {"reason": body["total"]["reason"]}
        if "rows" in body:
            body["rows"] = [judged(row) for row in body["rows"]]
        given[kind] = body
        await route.fulfill(response=response, json=body)

    await tab.page.route("**/v1/summary?**", answer)
    await tab.open("overview", query)
    await tab.page.wait_for_selector(".overview-how, .overview > div.small > p")
    await tab.settled()
    return given


def asked(shop: Serving, window: str, answer: Answer) -> list[Answer]:
    """The rows of the window at the instant of another answer."""
    query = f"/v1/summary?window={window}&by=campaign&money=string&as_of={answer['as_of']}"
    return [judged(row) for row in shop.ask("GET", query).body["rows"]]


@pytest.mark.parametrize(
    ("towards", "standing", "expected_way", "finals", "brought", "actors"),
    [
        ("0.25", AHEAD, ("up", "300% above"), 1, ("2", "down", "50% below"), ("4", "down", "75% below")),
        ("4", BEHIND, ("down", "75% below"), -1, ("0.5", "up", "100% above"), ("0.5", "up", "100% above")),
        ("0.8", OVERLAP, ("same", "25% above"), 0, ("1", "same", "the same as"), ("1", "same", "the same as")),
    ],
)
async def test_each_tile_shows_its_figure_and_what_it_is_compared_with(
    open_tab: OpenTab,
    shop: Serving,
    towards: str,
    standing: str,
    expected_way: tuple[str, str],
    finals: int,
    brought: tuple[str, str, str],
    actors: tuple[str, str, str],
) -> None:
    until_learned(shop)
    now = shop.ask("GET", "/v1/summary?window=7d&by=campaign&money=string").body["total"]
    # Narrow, so that ranges lie apart unless the two are alike.
    near = times(now | {"low": now["expected_value"], "high": now["expected_value"]}, low="0.9", high="1.1")
    wide = times(near, low="0.5", high="1.6") if standing == OVERLAP else near
    now = sold_more(wide) | {"actors": now["actors"] // 4 * 4}
    elsewhere: Answer = {"brought_value": "7", "actors": 7, "final_value": "7"}
    today = times(now, expected_value=towards, low=towards, high=towards) | elsewhere
    then = times(now, brought_value=brought[0]) | {"actors": int(now["actors"] * Decimal(actors[0]))}
    then |= {"expected_value": "7", "low": "6", "high": "8"}
    before = purchases(now) * (2 if finals < 0 else 1) // (2 if finals > 0 else 1)
    then["events"] = now["events"] | {"purchase": now["events"]["purchase"] | {"count": before}}
    today["events"] = now["events"] | {"purchase": now["events"]["purchase"] | {"count": 7}}
    tab = await open_tab()
    given = await opened(tab, "?window=7d", {WINDOW: now, THEN: then, TODAY: today})
    expected, won, sold, seen = await tab.page.evaluate(TILES)
    as_of = given[WINDOW]["as_of"]
    assert given[TODAY]["as_of"] == as_of
    assert given[THEN]["as_of"] == given[THEN]["to"] == given[TODAY]["to"] == given[WINDOW]["from"]
    low, high = yen(now["low"]), yen(now["high"])
    assert expected == {
        "name": "Expected value",
        "figure": yen(now["expected_value"]),
        "delta": f"{expected_way[1]} {yen(today['expected_value'])}",
        "way": expected_way[0],
        "note": f"What the journeys begun in this window, {plain(now['journeys'])} so far, will have brought once all "
        f"are over. In 90 of 100 cases between {low} and {high}.",
        "standing": standing,
        "ranges": [interval(now), interval(today)],
    }
    nothing: Answer = {"standing": None, "ranges": []}
    assert won == nothing | {
        "name": "Brought so far",
        "figure": yen(now["brought_value"]),
        "delta": f"{brought[2]} {yen(then['brought_value'])}",
        "way": brought[1],
        "note": f"What those journeys have brought up to now. Still open, and may bring more: {plain(now['open'])}.",
    }
    share = abs(purchases(now) / before - 1)
    change = {1: f"{share:.0%} above", 0: "the same as", -1: f"{share:.0%} below"}[finals]
    assert sold == nothing | {
        "name": "Final conversions",
        "figure": plain(purchases(now)),
        "delta": f"{change} {plain(before)}",
        "way": {1: "up", 0: "same", -1: "down"}[finals],
        "note": f"purchase within the window, worth {yen(now['final_value'])}; whenever their journeys began.",
    }
    assert seen == nothing | {
        "name": "Actors",
        "figure": plain(now["actors"]),
        "delta": f"{actors[2]} {plain(then['actors'])}",
        "way": actors[1],
        "note": "Distinct visitors or users with a planned event.",
    }


async def test_a_window_in_which_recording_began_is_no_measure(open_tab: OpenTab, shop: Serving) -> None:
    until_learned(shop)
    tab = await open_tab()
    await opened(tab, "?window=28d", {})
    tiles = await tab.page.evaluate(TILES)
    assert [(tile["delta"], tile["standing"], len(tile["ranges"])) for tile in tiles] == [
        (None, None, 1),
        *[(None, None, 0)] * 3,
    ]
    assert "Recording began only between" in await tab.text(".overview > div.small")


async def test_the_file_has_both_ends_of_a_range_as_figures(open_tab: OpenTab, shop: Serving) -> None:
    until_learned(shop)
    tab = await open_tab()
    given = (await opened(tab, "?window=28d", {}))[WINDOW]
    head, *rows = await tab.saved("main")
    ends = [head.index(f"90% range, {end} end") for end in ("low", "high")]
    amounts = sorted((row[ends[0]], row[ends[1]]) for row in rows)
    assert amounts == sorted((row["low"] or "", row["high"] or "") for row in given["rows"])
    assert len(set(amounts)) > 1


async def test_each_cell_of_the_table_is_that_of_the_answer(open_tab: OpenTab, shop: Serving) -> None:
    until_learned(shop)
    tab = await open_tab()
    given = (await opened(tab, "?window=28d", {}))[WINDOW]
    # Beside the collector's own answer of that instant, so that nothing between the two is wrong.
    assert given["rows"] == asked(shop, "28d", given)
    rows = {row["key"]["campaign"]: row for row in given["rows"]}
    assert {row["ready"] for row in rows.values()} == {True, False}
    cells = {cell["campaign"]: cell for cell in await tab.page.evaluate(CELLS, ROWS)}
    assert cells.keys() == rows.keys()
    for name, row in rows.items():
        borrowed = row["evidence"]["borrowed"]
        outside = Decimal(row["expected_value"]) > Decimal(row["high"])
        few = f"Too little: {plain(row['effective_conversions'])} of {LEAST}"
        assert cells[name] == {
            "campaign": name,
            "expected": yen(row["expected_value"]),
            "range": [
                interval(row),
                yen(row["low"]) if yen(row["low"]) == yen(row["high"]) else f"{yen(row['low'])} – {yen(row['high'])}",
                *(["the mean lies outside"] if outside else []),
            ],
            "brought": yen(row["brought_value"]),
            "actors": plain(row["actors"]),
            "finals": plain(purchases(row)),
            "evidence": plain(row["effective_conversions"]) + (f"{plain(borrowed)} borrowed" if borrowed > 0 else ""),
            "ready": "Ready" if row["ready"] else few,
            "bid": yen(row["expected_value"]) if row["ready"] else "–",
        }, name


async def test_rows_are_sorted_by_amounts_and_by_readiness_in_both_directions(open_tab: OpenTab, shop: Serving) -> None:
    until_learned(shop)
    tab = await open_tab()
    given = (await opened(tab, "?window=28d", {}))[WINDOW]
    rows = {row["key"]["campaign"]: row for row in given["rows"]}

    async def order(key: str, direction: str) -> list[Answer]:
        head = tab.page.locator(f"main th[data-key={key}]")
        while await head.get_attribute("aria-sort") != direction:
            await head.locator("button").click()
        return [rows[cell["campaign"]] for cell in await tab.page.evaluate(CELLS, ROWS)]

    for column, key in (("expected", "expected_value"), ("brought", "brought_value"), ("bid", "bid_value")):
        for direction in ("ascending", "descending"):
            found = [row[key] for row in await order(column, direction)]
            known = [Decimal(amount) for amount in found if amount is not None]
            assert known == sorted(known, reverse=direction == "descending"), (column, direction)
            assert None not in found[: len(known)], (column, direction)
    ready = [row["ready"] for row in await order("ready", "ascending")]
    assert ready == sorted(ready, reverse=True)
    assert [row["ready"] for row in await order("ready", "descending")] == sorted(ready)
