"""`kizashi summary` against a real collector, in a real terminal."""

from __future__ import annotations

import asyncio
import csv
import io
import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from kizashi_collector.cli import add_summary
from kizashi_collector.cli._terminal import cells
from kizashi_collector.http._routes._summary_page import _ENVELOPE_BYTES
from live_collector import HOUR, NOW, LiveCollector, event, live_collector
from terminal import Ended, called, in_a_terminal, without_colour

DAY = 86_400_000
PLAN = """
currency = "JPY"
[events.mv_view]
[events.purchase]
final = true
value = "event"
[values]
ladder = ["mv_view"]
horizon = "2d"
lookback = "30d"
min_effective_conversions = 5
[targets.28d]
brought_value = 20000
finals = 13
"""
WIDE = "春の新茶キャンペーン"
RED = "\x1b[31mred"


@pytest.fixture
async def shop(tmp_path: Path) -> AsyncIterator[LiveCollector]:
    """A collector with sixty journeys of a campaign that sells, and a few of one that does not."""
    async with live_collector(tmp_path, plan=PLAN) as live:
        events = []
        for number in range(60):
            begun, who = NOW - (number % 9) * DAY, f"v-{number}"
            source = {"campaign": WIDE if number % 2 else "broad", "device": "mobile"}
            events.append(event("mv_view", begun - 60_000, who, source=source))
            if number % 4 == 1 and number % 9:
                bought = begun + 20 * HOUR
                events.append(event("purchase", bought, who, value=1_000 + number, currency="JPY", source=source))
        events.append(event("mv_view", NOW - 9 * DAY, "v-strange", source={"campaign": RED}))
        await live.post(events)
        yield live


async def summary(live: LiveCollector, *arguments: str, terminal: int = 0, **environment: str) -> Ended:
    asked = ("summary", "--endpoint", live.url, "--key", "r-secret", *arguments)
    if terminal:
        return await asyncio.to_thread(lambda: in_a_terminal(*asked, columns=terminal, **environment))
    return await asyncio.to_thread(called, add_summary, *asked)


async def test_the_table_has_a_row_for_each_campaign_the_best_one_first_and_the_total(shop: LiveCollector) -> None:
    told = await summary(shop, "--window", "28d")
    assert (told.status, told.err) == (0, "")
    title, head, *rows = told.lines
    assert title.startswith("2026-08-24T14:13:20.000Z to 2026-09-21T14:13:20.000Z · JPY · plan ")
    assert head.split()[:7] == ["campaign", "actors", "journeys", "converted", "sold", "expected", "90"]
    assert [row.split()[0] for row in rows[:4]] == [WIDE, "broad", "\\x1b[31mred", "total"]
    assert rows[0].split()[1:5] == ["30", "30", "13", "13,381"]
    assert rows[3].split()[1:5] == ["61", "61", "13", "13,381"]


async def test_a_row_that_is_not_ready_says_why_and_the_reason_is_told_in_a_sentence(shop: LiveCollector) -> None:
    told = await summary(shop, "--window", "28d", "--json")
    answer = json.loads(told.out)
    reasons = {row["reason"] for row in answer["rows"]} - {None}
    assert reasons, "this test needs one that is not ready"
    lines = (await summary(shop, "--window", "28d")).lines
    for reason in reasons:
        assert any(line.endswith(f"not ready: {reason}") for line in lines)
        assert f"{reason}: {answer['reasons'][reason]}" in lines


async def test_columns_stand_below_each_other_in_cells_of_the_terminal(shop: LiveCollector) -> None:
    told = await summary(shop, "--window", "28d", terminal=150)
    lines = without_colour(told.out).splitlines()
    head = next(line for line in lines if line.startswith("campaign"))
    rows = [line for line in lines if line.startswith((WIDE, "broad", "total"))]
    end = cells(head[: head.index("actors")]) + len("actors")
    for row in rows:
        # The last digit of the actors stands below the last letter of their heading.
        figures = row.split()[1]
        assert cells(row[: row.index(figures, 8 if row.startswith("total") else 0)] + figures) == end, row
    assert "─" in told.out
    assert "●" in told.out
    assert all(cells(line) <= 150 for line in lines)


async def test_colour_is_for_a_terminal_whose_owner_wants_it(shop: LiveCollector) -> None:
    assert "\x1b[1m" in (await summary(shop, terminal=100)).out
    assert "\x1b" not in (await summary(shop, terminal=100, NO_COLOR="1")).out
    assert "\x1b" not in (await summary(shop, terminal=100, TERM="dumb")).out
    assert "\x1b" not in (await summary(shop)).out


async def test_json_is_what_the_collector_answers(shop: LiveCollector) -> None:
    told = json.loads((await summary(shop, "--by", "campaign,device", "--as-of", str(NOW), "--json")).out)
    async with shop.ask("GET", f"/v1/summary?by=campaign,device&as_of={NOW}") as response:
        assert told == await response.json()


async def test_the_pages_of_a_large_answer_become_one(shop: LiveCollector, monkeypatch: pytest.MonkeyPatch) -> None:
    await shop.post([event("mv_view", NOW - 1, f"c-{at}", source={"campaign": f"c{at}"}) for at in range(12)])
    at = ("--as-of", str(NOW))
    whole, whole_csv = json.loads((await summary(shop, "--json", *at)).out), (await summary(shop, "--csv", *at)).out
    monkeypatch.setattr("kizashi_collector.http._routes._summary.MAX_ANSWER_BYTES", _ENVELOPE_BYTES + 900)
    for form in ("json", "csv"):
        async with shop.ask("GET", f"/v1/summary?by=campaign&format={form}") as response:
            assert "X-Next-Cursor" in response.headers, "this test needs several pages"
    paged = await summary(shop, "--json", *at)
    assert json.loads(paged.out)["rows"] == whole["rows"]
    assert "next_cursor" not in paged.out
    assert (await summary(shop, "--csv", *at)).out == whole_csv


async def test_csv_has_every_column(shop: LiveCollector) -> None:
    rows = list(csv.DictReader(io.StringIO((await summary(shop, "--csv", "--window", "28d")).out)))
    assert {row["campaign"] for row in rows} >= {WIDE, "broad"}
    assert {"mv_view.count", "purchase.value", "bid_value", "reason"} <= set(rows[0])


async def test_only_the_best_rows_are_shown_where_that_is_asked(shop: LiveCollector) -> None:
    lines = (await summary(shop, "--window", "28d", "--top", "1")).lines
    assert [line.split()[0] for line in lines[2:5]] == [WIDE, "and", "total"]
    assert "and 2 more" in lines[3]


async def test_without_a_plan_it_counts_what_came(collector: LiveCollector) -> None:
    await collector.post([event("anything", source={"campaign": "brand"}), event("else", source={"campaign": "brand"})])
    told = await summary(collector)
    title, head, brand, *_ = told.lines
    assert "no plan is in force" in title
    assert head.split()[:4] == ["campaign", "actors", "anything", "else"]
    assert brand.split()[:4] == ["brand", "1", "1", "1"]


async def test_without_an_event_there_is_a_total_of_nothing(collector: LiveCollector) -> None:
    told = await summary(collector)
    assert told.status == 0
    assert "total" in told.out


@pytest.mark.parametrize(
    ("arguments", "status", "says"),
    [
        (("--json", "--csv"), 2, "leave one out"),
        (("--top", "0"), 2, "give 1 or more"),
        (("--window", "tomorrow"), 1, "bad_query"),
        (("--key", "wrong"), 1, "no_key: no valid key; send"),
        (("--endpoint", "http://127.0.0.1:1"), 1, "is the collector there?"),
    ],
)
async def test_an_error_tells_the_remedy(
    collector: LiveCollector, arguments: tuple[str, ...], status: int, says: str
) -> None:
    told = await summary(collector, *arguments)
    assert (told.status, told.out) == (status, "")
    assert says in told.err
    assert "Traceback" not in told.err


async def test_a_window_says_how_far_it_has_come_towards_the_targets_of_the_plan(shop: LiveCollector) -> None:
    told = await summary(shop, "--window", "28d")
    assert told.lines[-1] == "targets for 28d: brought so far 13,381 of 20,000 (66%); finals 13 of 13 (100%)"
    for none in (("--window", "7d"), ("--from", "2026-09-01T00:00:00Z", "--to", "2026-09-21T00:00:00Z")):
        told = await summary(shop, *none)
        assert (told.status, told.err) == (0, "")
        assert "targets" not in told.out
