"""Every figure of the funnel page is the collector's own, and says which way it went."""

from __future__ import annotations

import itertools
import math
import time
from collections.abc import Iterator, Mapping
from typing import Any

import msgspec
import pytest
from playwright.async_api import Response

from browser.chromium import Tab
from browser.conftest import OpenTab
from browser.shop import DAY, event, send
from faults.serving import Serving

_STEPS = ("mv_visit", "mv_view", "mv_cart", "purchase")
_PLAN = """
currency = "JPY"
[events.mv_visit]
[events.mv_view]
value = 10
[events.mv_cart]
value = 40
[events.mv_search]
[events.purchase]
final = true
action = "primary"
value = "event"
[funnels.checkout]
steps = ["mv_visit", "mv_view", "mv_cart", "purchase"]
conversion_window = "1d"
"""
# How many of each device took each step. The greatest number is lost first, the greatest share next, the least last;
# more enter than in the window before, and fewer buy.
_NOW = {"mobile": (250, 140, 20, 8), "desktop": (150, 100, 70, 42)}
_BEFORE = {"mobile": (200, 130, 40, 26), "desktop": (120, 80, 55, 38)}
_PACE_MS = {"mobile": (0, 30_000, 120_000, 270_000), "desktop": (0, 60_000, 240_000, 540_000)}
_YEN = {"mobile": 100, "desktop": 250}
_MINUS = "\N{MINUS SIGN}"


def _visits(counts: Mapping[str, tuple[int, ...]], ended: float, name: str) -> Iterator[dict[str, Any]]:
    for device, taken in counts.items():
        for number in range(taken[0]):
            at = ended - (0.5 + 6 * (number * 97 % taken[0]) / taken[0]) * DAY  # in no order: some buy on every day
            actor = f"{name}-{device}-{number}"
            for step, many, later in zip(_STEPS, taken, _PACE_MS[device], strict=True):
                worth: dict[str, Any] = (
                    {"value": _YEN[device], "currency": "JPY", "order": actor} if step == "purchase" else {}
                )
                if number < many:
                    yield event(step, at + later, actor, **worth) | {"source": {"device": device}}


@pytest.fixture(scope="module")
def fallen(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    """A collector without keys: visitors of this week and of the week before."""
    folder = tmp_path_factory.mktemp("fallen")
    (folder / "plan.toml").write_text(_PLAN, encoding="utf-8")
    plan = ("--plan", str(folder / "plan.toml"), "--dev")
    with Serving(folder / "data", folder / "log", *plan, environment={}) as collector:
        now = time.time_ns() // 1_000_000
        searches = [event("mv_search", now - days * DAY, f"v-{days}") for days in (1.5, 3.5, 20)]
        send(collector, searches, imported=True)
        send(collector, _visits(_NOW, now, "now"), imported=True)
        send(collector, _visits(_BEFORE, now - 7 * DAY, "before"), imported=True)
        yield collector


class Seen(msgspec.Struct):
    """What the page was answered: the funnel, the same with its days and times, and the window before."""

    answer: dict[str, Any]
    here: dict[str, Any]
    before: dict[str, Any]


async def looked_at(tab: Tab, query: str) -> Seen:
    """Open the page, and keep the collector's answers to it."""
    caught: list[Response] = []
    tab.page.on("response", lambda one: caught.append(one) if "/v1/funnels" in one.url else None)
    await tab.open("funnel", query)
    await tab.page.wait_for_selector(".funnel-result h2 >> text=Against the window before")
    answer, *others = [await one.json() for one in caught]
    # It also asks when recording began, by a funnel of one step.
    beside = [one for one in others if len(one["steps"]) == len(_STEPS)]
    assert caught[0].request.method == "GET"
    (before,) = [one for one in beside if one["as_of"] == answer["from"]]
    (here,) = [one for one in beside if one is not before]
    return Seen(answer, here, before)


async def texts(tab: Tab, selector: str) -> list[str]:
    return [" ".join(text.split()) for text in await tab.page.locator(selector).all_text_contents()]


async def lengths(tab: Tab, selector: str) -> list[float]:
    found: list[float] = await tab.page.locator(selector).evaluate_all("(all) => all.map((e) => e.width.baseVal.value)")
    return found


async def cells(tab: Tab, selector: str) -> list[list[str]]:
    """The text of each cell, row by row; parts of a cell stand apart."""
    rows: list[list[str]] = await tab.page.locator(f"{selector} tbody tr").evaluate_all("""(all) => all.map((row) =>
        [...row.cells].map((cell) => {
          const parts = [...cell.querySelectorAll(".share-text > span, .share-mark")];
          return parts.length > 0 ? parts.map((one) => one.textContent).join(" ") : cell.textContent;
        }))""")
    return rows


def percent(share: float | None) -> str:
    return "–" if share is None else f"{share * 100:.3g}%"


def lasting(seconds: float | None) -> str:
    if seconds is None:
        return "–"
    minutes, rest = divmod(round(seconds), 60)
    return " ".join([*([f"{minutes} min"] * (minutes > 0)), *([f"{rest} sec"] * (rest > 0))])


def change(now: float, then: float) -> str:
    if now == then:
        return "no change"
    part = abs(now - then) / then
    return f"{'+' if now > then else _MINUS}{percent(round(part, 3 if part < 0.1 else 2))}"


def yen(step: dict[str, Any]) -> float:
    return float(step["value"]["final"])


def direction(now: float, then: float) -> str:
    return "same" if now == then else "up" if now > then else "down"


async def arrows(tab: Tab, selector: str) -> list[str]:
    """Which way each delta is shown to go, by its class and by the arrow before it."""
    shown: list[list[str]] = await tab.page.locator(f"{selector} .delta:not(.funnel-before)").evaluate_all(
        "(all) => all.map((one) => [one.className, getComputedStyle(one, '::before').content])"
    )
    ways = [next((way for way in ("up", "down") if way in classes.split()), "same") for classes, _ in shown]
    assert all(
        ("▲" if way == "up" else "▼") in drawn for way, (_, drawn) in zip(ways, shown, strict=True) if drawn[0] == '"'
    )
    return ways


def rate_text(now: float, then: float) -> str:
    points = round((now - then) * 100, 1)
    return f"{'+' if points > 0 else _MINUS}{abs(points):g} points"


async def test_every_tile_bar_and_loss_is_the_collectors(open_tab: OpenTab, fallen: Serving) -> None:
    tab = await open_tab(at=fallen)
    seen = await looked_at(tab, "?funnel=checkout&window=7d")
    now, then = seen.answer["steps"], seen.before["steps"]
    assert ([step["count"] for step in now], [step["count"] for step in then]) == (
        [400, 240, 90, 50],
        [320, 210, 95, 64],
    )
    (first, *_, last), (first_then, *_, last_then) = now, then
    assert await texts(tab, ".tile dt") == ["Entered", "Completed", "Conversion", "Brought by these"]
    assert await texts(tab, ".tile .figure") == [
        f"{first['count']}",
        f"{last['count']}",
        percent(last["rate"]),
        f"¥{yen(last):,.0f}",
    ]
    assert await texts(tab, ".tile dd:not(.figure)") == [
        f"{change(first['count'], first_then['count'])} ({first_then['count']} actors before)",
        f"{change(last['count'], last_then['count'])} ({last_then['count']} actors before)",
        f"{rate_text(last['rate'], last_then['rate'])} ({percent(last_then['rate'])} before)",
        f"{change(yen(last), yen(last_then))} (¥{yen(last_then):,.0f} before)",
    ]
    assert await arrows(tab, ".tile") == ["up", "down", "down", "down"]

    bars = ".funnel-bars li.bar"
    assert await texts(tab, f"{bars} .bar-label") == [f"{at}. {name}" for at, name in enumerate(_STEPS, 1)]
    assert await texts(tab, f"{bars} .bar-text") == [f"{one['count']} actors ({percent(one['rate'])})" for one in now]
    for kind, steps in (("fill", now), ("beside", then)):
        widths = await tab.page.locator(f"{bars} .bar-{kind}").evaluate_all(
            "all => all.map(e => e.width.baseVal.value)"
        )
        assert widths == pytest.approx([step["count"] / first["count"] * 1000 for step in steps]), kind
    told = [f"{percent(one['step_rate'])} of the step before" for one in now[1:]]
    assert [text for text in await texts(tab, ".funnel-facts li") if "of the step before" in text] == told
    lost = [(one["count"] - other["count"], one["count"]) for one, other in itertools.pairwise(now)]
    assert await texts(tab, f"{bars} .funnel-loss:not(.worst)") == [
        f"{_MINUS}{some} actors lost ({percent(some / of)})" for some, of in (lost[0], lost[2])
    ]
    worst, of = lost[1]
    assert await texts(tab, f"{bars}:nth-child(2) .funnel-loss.worst") == [
        f"{_MINUS}{worst} actors lost ({percent(worst / of)})Bottleneck"
    ]
    assert await texts(tab, ".funnel-result .panel:has(.funnel-bars) > .note-box") == [
        f"The bottleneck is between mv_view and mv_cart: {worst} actors lost, which is {percent(worst / of)} of those "
        f"who came so far and {percent(worst / first['count'])} of all who entered."
    ]


async def test_every_cell_of_both_windows_is_the_collectors(open_tab: OpenTab, fallen: Serving) -> None:
    tab = await open_tab(at=fallen)
    seen = await looked_at(tab, "?funnel=checkout&window=7d")
    pairs = list(zip(seen.answer["steps"], seen.before["steps"], strict=True))
    place = ".funnel-result .panel:has(h2:text-is('Against the window before'))"
    assert await cells(tab, place) == [
        [
            f"{at}. {now['event']}",
            f"{now['count']}",
            f"{then['count']}",
            change(now["count"], then["count"]),
            percent(now["rate"]),
            percent(then["rate"]),
            lasting(now["seconds"]["median"]),
            lasting(then["seconds"]["median"]),
        ]
        for at, (now, then) in enumerate(pairs, 1)
    ]
    ways = [direction(now["count"], then["count"]) for now, then in pairs]
    assert await arrows(tab, place) == ways == ["up", "up", "down", "down"]
    head, *rows = await tab.saved(place)
    assert head[:4] == ["Step", "This window", "The window before", "Change"]
    for row, (now, then) in zip(rows, pairs, strict=True):
        figures = [now["count"], then["count"], now["count"] / then["count"] - 1, now["rate"], then["rate"]]
        assert [float(cell) for cell in row[1:6]] == pytest.approx(figures, abs=1e-4)
        medians = [one["seconds"]["median"] for one in (now, then)]
        assert row[6:] == ["" if median is None else f"{median:g}" for median in medians]

    for label, key, form in (
        ("Conversion of those who entered on each day", "rate", percent),
        ("Entered on each day", "entered", str),
    ):
        figure = f".funnel-result figure.line:has(.line-label:text-is('{label}'))"
        days = zip(seen.here["trend"], seen.before["trend"], strict=True)
        assert [row[1:] for row in await cells(tab, figure)] == [
            [form(one[key]), form(other[key])] for one, other in days
        ]


async def test_the_times_of_each_step_are_the_collectors(open_tab: OpenTab, fallen: Serving) -> None:
    tab = await open_tab(at=fallen)
    seen = await looked_at(tab, "?funnel=checkout&window=7d")
    drawn = await tab.page.locator(".funnel-paces .strips > li").evaluate_all("""(all) => all.map((one) => {
        const x = (kind, side) => parseFloat(one.querySelector(kind).getAttribute(side));
        return [one.firstChild.textContent, one.lastChild.textContent, x("circle", "cx"), x(".strip-bar", "x2")];
    })""")
    steps = list(enumerate(seen.here["steps"], 1))[1:]
    seconds = [(one["seconds"]["median"], one["seconds"]["p90"]) for _, one in steps]
    places = [
        (length, x) for both, row in zip(seconds, drawn, strict=True) for length, x in zip(both, row[2:], strict=True)
    ]
    least, *_, most = sorted(places)
    # On a logarithmic scale what is twice as long lies as much further, wherever that is.
    doubled = (most[1] - least[1]) / math.log(most[0] / least[0])
    assert [(x - least[1]) / doubled for _, x in places] == pytest.approx(
        [math.log(length / least[0]) for length, _ in places], abs=0.01
    )
    assert [row[:2] for row in drawn] == [
        [
            f"{at}. {one['event']}",
            f"median {lasting(median)}" + (f", 9 of 10 within {lasting(most)}" if most != median else ""),
        ]
        for (at, one), (median, most) in zip(steps, seconds, strict=True)
    ]


async def test_every_cell_of_a_breakdown_is_the_collectors(open_tab: OpenTab, fallen: Serving) -> None:
    tab = await open_tab(at=fallen)
    seen = await looked_at(tab, "?funnel=checkout&window=7d&by=device")
    groups = sorted(seen.answer["groups"], key=lambda group: -group["steps"][0]["count"])
    assert [group["key"]["device"] for group in groups] == ["mobile", "desktop"]
    marks = {("mobile", 2): " Bottleneck below others", ("desktop", 1): "", ("desktop", 3): " Bottleneck"}
    rows = [
        [
            group["key"]["device"],
            f"{group['steps'][0]['count']}",
            *(
                f"{percent(one['step_rate'])} {one['count']}{marks.get((group['key']['device'], at), '')}"
                for at, one in enumerate(group["steps"][1:], 1)
            ),
            percent(group["steps"][-1]["rate"]),
            f"¥{yen(group['steps'][-1]):,.0f}",
        ]
        for group in groups
    ]
    assert await cells(tab, ".funnel-groups") == rows
    widths = await tab.page.locator(".funnel-groups .bar-fill").evaluate_all(
        "all => all.map(e => e.width.baseVal.value)"
    )
    assert widths == pytest.approx([one["step_rate"] * 100 for group in groups for one in group["steps"][1:]])
    (mobile, desktop) = groups
    rates = [percent(group["steps"][2]["count"] / group["steps"][1]["count"]) for group in (mobile, desktop)]
    assert await texts(tab, ".panel:has(.funnel-groups) > .note-box") == [
        f"mobile: {rates[0]} go on from mv_view to mv_cart, {rates[1]} in the other rows."
    ]
    head, *lines = await tab.saved(".funnel-groups")
    assert head == ["Device", "Entered", "2. mv_view", "3. mv_cart", "4. purchase", "Conversion", "Brought by these"]
    for line, group in zip(lines, groups, strict=True):
        assert line[:5] == [group["key"]["device"], *(f"{one['count']}" for one in group["steps"])]
        assert [float(cell) for cell in line[5:]] == [group["steps"][-1]["rate"], yen(group["steps"][-1])]


async def test_an_axis_of_people_has_whole_numbers(open_tab: OpenTab, fallen: Serving) -> None:
    tab = await open_tab(at=fallen)
    await tab.open("funnel", "?step=mv_search&step=purchase&window=7d")
    await tab.page.wait_for_selector(".funnel-result h2 >> text=Against the window before")
    figure = tab.page.locator("figure.line", has=tab.page.get_by_text("Entered on each day", exact=True))
    marks = await figure.locator(".line-y span").all_text_contents()
    entered = await figure.locator("tbody td:nth-child(2)").all_text_contents()
    assert max(map(int, entered)) == 1, "few enough that halves would be marked"
    assert all(mark.isdigit() for mark in marks), marks
