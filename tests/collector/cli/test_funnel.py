"""`kizashi funnel` against a real collector, in a real terminal."""

from __future__ import annotations

import asyncio
import json
import shutil
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from kizashi_collector import dashboard
from kizashi_collector.cli import add_funnel
from kizashi_collector.cli._funnel_losses import far_below, losses_of
from kizashi_collector.cli._funnel_steps import StepTextError, parse_step, step_text
from kizashi_collector.cli._terminal import cells
from kizashi_schemas import FunnelStep, StepSeconds, StepValue
from live_collector import HOUR, NOW, LiveCollector, event, live_collector
from terminal import Ended, called, in_a_pipe, in_a_terminal, without_colour

PLAN = """
currency = "JPY"
[events.mv_view]
value = 10
[events.mv_add_to_cart]
[events.mv_gift]
[events.purchase]
final = true
value = "event"
[funnels.checkout]
steps = [
  "mv_view", {event = "mv_add_to_cart", where = {"source.campaign" = ["春の新茶", "brand"]}}, "mv_gift", "purchase",
]
optional = [2]
conversion_window = "7d"
"""

FIGURES = Path(dashboard.__file__).parent / "static" / "funnel" / "figures.js"
FIND = """
import { readFileSync } from "node:fs";
const given = JSON.parse(readFileSync(0, "utf8"));
const stepped = (counts) => counts.map((count) => ({ count }));
console.log(JSON.stringify({
  bottleneck: given.bottleneck.map((one) => bottleneck(losses(stepped(one.counts), one.steps))),
  far_below: given.far_below.map((one) => farBelow(one.rows.map((row) => ({ steps: stepped(row) })), one.steps)),
}));
"""
CASES: dict[str, list[dict[str, Any]]] = json.loads(
    Path(__file__).with_name("funnel_losses.json").read_text(encoding="utf-8")
)
"""What both the terminal and the dashboard must find."""


@pytest.fixture
async def shop(tmp_path: Path) -> AsyncIterator[LiveCollector]:
    """Eight saw, four put in the cart, one of them as a gift, three bought."""
    async with live_collector(tmp_path, plan=PLAN) as live:
        events = []
        for number in range(8):
            source = {
                "campaign": "春の新茶" if number % 2 else "brand",
                "device": "mobile" if number < 6 else "desktop",
            }
            begun, who = NOW - HOUR, f"v-{number}"
            names = ["mv_view", *["mv_add_to_cart"] * (number < 4), *["mv_gift"] * (number < 1)]
            events += [
                event(name, begun + at * 60_000, who, source=source, properties={"qty": number})
                for at, name in enumerate(names)
            ]
            if number < 3:
                events.append(event("purchase", begun + 600_000, who, value=500, source=source))
        await live.post(events)
        yield live


async def funnel(live: LiveCollector, *arguments: str, terminal: int = 0, **environment: str) -> Ended:
    asked = ("funnel", *arguments, "--endpoint", live.url, "--key", "r-secret")
    if terminal:
        return await asyncio.to_thread(lambda: in_a_terminal(*asked, columns=terminal, **environment))
    if environment:
        return await asyncio.to_thread(lambda: in_a_pipe(*asked, **environment))
    return await asyncio.to_thread(called, add_funnel, *asked)


async def test_a_funnel_of_the_plan_is_drawn_with_its_losses_and_its_bottleneck(shop: LiveCollector) -> None:
    told = await funnel(shop, "checkout", NO_COLOR="1", terminal=100)
    assert told.status == 0
    title, _, *lines = told.lines
    assert title.startswith("checkout · actors, ordered, within 7d · 2026-09-14T14:13:20.000Z to ")
    assert [line.split()[0] for line in lines] == ["1", "↓", "2", "3", "↓", "4"]
    view, lost, cart, gift, last_lost, bought = lines
    assert lost.strip() == "↓ 4 lost (50.0%)  ◀ bottleneck"
    assert last_lost.strip() == "↓ 1 lost (25.0%)", "what an optional step passes by is no loss"
    assert view.split()[-5:] == ["8", "100.0%", "-", "-", "80"]
    assert cart.startswith("2 mv_add_to_cart[campaign=春の新茶|br…  █")
    assert gift.startswith("3 mv_gift (optional)")
    assert bought.split()[-5:] == ["3", "37.5%", "75.0%", "9.0m", "1,500"]
    assert all(cells(line) <= 100 for line in lines)
    assert cells(view) == cells(cart) == cells(bought) == 100, "figures stand below each other, wide names or not"
    assert view.count("█") >= 10
    assert cart.count("█") == view.count("█") // 2


async def test_the_bottleneck_is_painted_where_there_is_colour_and_only_there(shop: LiveCollector) -> None:
    painted = await funnel(shop, "checkout", terminal=100)
    assert "\x1b[31;1m↓ 4 lost (50.0%)  ◀ bottleneck\x1b[0m" in painted.out
    plain = await funnel(shop, "checkout", terminal=100, NO_COLOR="1")
    assert without_colour(painted.out) == plain.out
    assert "\x1b" not in (await funnel(shop, "checkout")).out


async def test_a_terminal_without_block_characters_sees_other_bars(shop: LiveCollector) -> None:
    told = await funnel(shop, "--step", "mv_view", "--step", "purchase", PYTHONIOENCODING="ascii:replace")
    assert "####" in told.out
    assert "v 5 lost (62.5%)  < bottleneck" in told.out


async def test_a_funnel_is_composed_of_steps_with_conditions(shop: LiveCollector) -> None:
    told = await funnel(
        shop, "--step", "mv_view", "--step", "mv_add_to_cart[device=mobile,properties.qty=1|2]", "--json"
    )
    assert [step["count"] for step in json.loads(told.out)["steps"]] == [8, 2]
    drawn = await funnel(
        shop, "--step", "mv_view", "--step", "purchase", "--conversion-window", "5m", "--order", "strict", "--trend"
    )
    title, _, *lines = drawn.lines
    assert title.startswith("actors, strict, within 5m · ")
    assert lines[2].split()[-5] == "0", "nobody bought within five minutes"
    day = next(line for line in lines if line.startswith("2026-09-21"))
    assert day.split()[:4] == ["2026-09-21", "8", "0", "0.0%"]


async def test_what_must_not_come_in_between_is_left_out(shop: LiveCollector) -> None:
    steps = ("--step", "mv_view", "--step", "purchase", "--json")
    told = await funnel(shop, *steps, "--exclude", "mv_gift")
    assert json.loads((await funnel(shop, *steps)).out)["steps"][1]["count"] == 3
    assert [step["count"] for step in json.loads(told.out)["steps"]] == [7, 2]


async def test_a_breakdown_is_a_table_with_the_bottleneck_of_each_group(shop: LiveCollector) -> None:
    told = await funnel(shop, "checkout", "--by", "campaign,device")
    head = next(line for line in told.lines if line.startswith("campaign"))
    assert head.split() == ["campaign", "device", "1", "2", "3", "4", "of", "all", "bottleneck"]
    rows = told.lines[told.lines.index(head) + 1 :]
    assert " ".join(rows[0].split()) == "brand mobile 3 2 ( 67%) 1 ( 50%) 2 (100%) 66.7% before 2, 33%"
    assert {cells(row) for row in rows if row.startswith(("brand", "春の新茶"))} == {cells(rows[0])}


async def test_by_a_property_works_for_a_composed_funnel(shop: LiveCollector) -> None:
    told = await funnel(
        shop, "--step", "mv_view", "--step", "purchase", "--by", "properties.qty", "--attribution", "last"
    )
    assert "properties.qty" in told.out


async def test_unordered_steps_are_called_what_they_are(shop: LiveCollector) -> None:
    told = await funnel(shop, "--step", "purchase", "--step", "mv_view", "--order", "unordered")
    assert "1 any of purchase, mv_view" in told.out
    assert "2 any 2 of them" in told.out


async def test_without_a_name_the_funnels_of_the_plan_are_listed(shop: LiveCollector) -> None:
    told = await funnel(shop)
    assert told.lines[1] == ("checkout  7d      mv_view > mv_add_to_cart[campaign=春の新茶|brand] > mv_gift > purchase")
    assert "checkout" in json.loads((await funnel(shop, "--json")).out)["funnels"]


async def test_nobody_at_all_is_drawn_without_dividing_by_nothing(collector: LiveCollector) -> None:
    told = await funnel(collector, "--step", "mv_view", "--step", "purchase", "--by", "campaign")
    assert told.status == 0
    assert "bottleneck" not in told.out
    assert "nobody is in any group" in told.out
    assert "compose one with --step" in (await funnel(collector)).out


@pytest.mark.parametrize(
    ("arguments", "status", "says"),
    [
        (("checkout", "--step", "mv_view"), 2, "leave one out"),
        (("checkout", "--order", "strict"), 2, "compose a funnel with --step"),
        (("--step", "mv_view[device]"), 2, "is no condition; write mv_view"),
        (("--step", "Mv View"), 2, "is not an event name; write"),
        (("--step", "mv_view", "--conversion-window", "soon"), 2, "conversion_window: "),
        (("nowhere",), 1, "the plan has no funnel 'nowhere'; known: checkout"),
        (("checkout", "--by", "properties.sku"), 1, "bad_query"),
    ],
)
async def test_an_error_tells_the_remedy(
    shop: LiveCollector, arguments: tuple[str, ...], status: int, says: str
) -> None:
    told = await funnel(shop, *arguments)
    assert (told.status, told.out) == (status, "")
    assert told.err.startswith("kizashi funnel: ")
    assert says in told.err


@pytest.mark.parametrize(
    ("text", "where"),
    [
        ("mv_view", {}),
        ("mv_view[]", {}),
        ("*[device=mobile]", {"source.device": "mobile"}),
        ("mv_view[source.device = mobile|tablet]", {"source.device": ["mobile", "tablet"]}),
        ("mv_view[qty=2]", {"source.qty": "2"}),
        ("mv_view[properties.qty=2]", {"properties.qty": 2}),
        ('mv_view[properties.sku="2"]', {"properties.sku": "2"}),
        ("mv_view[properties.sku=A-1,properties.new=true]", {"properties.sku": "A-1", "properties.new": True}),
    ],
)
def test_a_step_is_read_from_its_text(text: str, where: object) -> None:
    step = parse_step(text)
    assert (step.event, step.where) == (text.partition("[")[0], where)
    again = parse_step(step_text(step))
    assert again.event == step.event


@pytest.mark.parametrize("text", ["", "[device=mobile]", "mv_view[=x]", "mv_view[a=1,a=2]", "a[b", "a]b["])
def test_what_is_no_step_is_refused(text: str) -> None:
    with pytest.raises(StepTextError, match="--step"):
        parse_step(text)


def steps_of(*counts: int) -> list[FunnelStep]:
    nothing = msgspec.Raw(b"null")
    return [
        FunnelStep(
            event="mv",
            count=count,
            rate=None,
            step_rate=None,
            seconds=StepSeconds(),
            value=StepValue(declared=nothing, final=nothing),
        )
        for count in counts
    ]


def steps_told(case: dict[str, Any]) -> list[dict[str, Any]]:
    """The steps of a case as the page has them."""
    widest = case.get("counts") or case["rows"][0]
    return [{"event": "mv", "optional": at in case.get("optional", [])} for at in range(len(widest))]


@pytest.mark.parametrize("case", CASES["bottleneck"], ids=lambda case: case["says"])
def test_the_bottleneck_is_the_greatest_share_of_those_who_came_so_far(case: dict[str, Any]) -> None:
    losses = losses_of(steps_of(*case["counts"]), case.get("optional", []))
    assert [at for at, loss in enumerate(losses) if loss and loss.bottleneck] == [case["at"]] * (case["at"] >= 0)


def test_losses_are_of_the_last_step_that_is_not_optional() -> None:
    losses = losses_of(steps_of(100, 5, 60, 45), [1])
    assert [loss and (loss.count, loss.share) for loss in losses] == [None, None, (40, 0.4), (15, 0.25)]
    assert losses_of(steps_of(0, 0)) == [None, None]


@pytest.mark.parametrize("case", CASES["far_below"], ids=lambda case: case["says"])
def test_a_row_that_falls_far_behind_the_others_is_found(case: dict[str, Any]) -> None:
    found = far_below([steps_of(*row) for row in case["rows"]], case.get("optional", []))
    told = found and {
        "row": found.row,
        "from": found.before,
        "at": found.step,
        "rate": found.rate,
        "others": found.others,
    }
    assert told == pytest.approx(case["below"]) if told else told is case["below"]


def test_the_dashboard_finds_the_same_bottlenecks_and_rows() -> None:
    node = shutil.which("node")
    if node is None:
        pytest.skip("no `node` on the PATH: the page's figures.js needs a JavaScript engine to be run")
    given = {kind: [case | {"steps": steps_told(case)} for case in cases] for kind, cases in CASES.items()}
    done = subprocess.run(
        [node, "--input-type=module", "--eval", FIGURES.read_text(encoding="utf-8") + FIND],
        input=json.dumps(given),
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
    )
    told = json.loads(done.stdout)
    assert told["bottleneck"] == [case["at"] for case in CASES["bottleneck"]]
    for found, case in zip(told["far_below"], CASES["far_below"], strict=True):
        assert found == (case["below"] and pytest.approx(case["below"])), case["says"]


async def test_a_breakdown_says_which_row_falls_behind(collector: LiveCollector) -> None:
    events = []
    for number in range(80):
        who, device = f"v-{number}", "mobile" if number % 2 else "desktop"
        goes_on = number % 8 == 1 if device == "mobile" else number % 10 != 0
        names = ["mv_view", *["purchase"] * goes_on]
        events += [event(name, NOW - HOUR + at, who, source={"device": device}) for at, name in enumerate(names)]
    await collector.post(events)
    told = await funnel(collector, "--step", "mv_view", "--step", "purchase", "--by", "device")
    assert told.lines[-1] == "mobile: 25% go on from 1 to 2, 80% in the other rows"
