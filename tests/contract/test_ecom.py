"""Half a year of a real shop, through the SDK to a running collector, against a count of a few lines over the CSV."""

from __future__ import annotations

import bisect
import csv
import gzip
import json
import urllib.request
from collections import defaultdict
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlencode

import pytest

import kizashi
from collector_process import CollectorProcess

DATA = Path(__file__).parents[2] / ".." / "shared" / "data" / "ecom.csv.gz"
DAY = 86_400_000
END = int(datetime(2024, 7, 1, tzinfo=UTC).timestamp()) * 1000
PLANNED = ["mv_product_view", "mv_add_to_cart", "mv_cart", "mv_shipping_details", "mv_payment_details"]
PLAN = (
    'currency = "JPY"\ntimezone = "Asia/Tokyo"\n'
    + "".join(f"[events.{name}]\n" for name in PLANNED)
    + '[events.mv_wishlist_add]\naction = "primary"\nvalue = 250\ncounting = "once"\n'
    + '[events.purchase]\nfinal = true\naction = "primary"\nvalue = "event"\n'
    + '[funnels.checkout]\nsteps = ["mv_product_view", "mv_add_to_cart", "mv_shipping_details", "purchase"]\n'
    + 'conversion_window = "7d"\n'
)
pytestmark = pytest.mark.skipif(not DATA.exists(), reason="the shared data folder is not beside the project")


class Row(NamedTuple):
    name: str
    time: int
    user: str
    session: str
    channel: str
    device: str
    value: int


@pytest.fixture(scope="module")
def rows() -> list[Row]:
    """The CSV, its names as a plan would have them, and a made-up amount for each purchase."""
    with gzip.open(DATA, "rt", encoding="utf-8") as file:
        read = list(csv.DictReader(file))
    made = []
    for number, row in enumerate(read):
        time = int(datetime.fromisoformat(row["timestamp"]).replace(tzinfo=UTC).timestamp()) * 1000
        final = row["event"] == "purchase"
        made.append(
            Row(
                row["event"] if final else "mv_" + row["event"],
                time,
                row["user_id"],
                row["session_id"],
                row["acquisition_channel"],
                row["platform"],
                1000 + 7 * (number % 1009) if final else 0,
            )
        )
    return made


@pytest.fixture(scope="module")
def collector(rows: list[Row], tmp_path_factory: pytest.TempPathFactory) -> Iterator[CollectorProcess]:
    """A collector that holds all rows, sent by the SDK in no particular order of time."""
    folder = tmp_path_factory.mktemp("ecom")
    (folder / "plan.toml").write_text(PLAN, encoding="utf-8")
    with CollectorProcess(folder / "data", "--plan", str(folder / "plan.toml")) as running:
        client = kizashi.Client(endpoint=running.url, key="w-secret")
        for row in sorted(rows, key=lambda row: row.session):
            client.track(
                row.name,
                actor=row.user,
                session=row.session,
                time=row.time,
                source={"channel": row.channel, "device": row.device},
                value=row.value or None,
                currency="JPY" if row.value else None,
            )
        assert client.flush(timeout=60)
        stats = client.stats()
        assert (stats.tracked, stats.delivered, dict(stats.dropped)) == (len(rows), len(rows), {})
        assert client.close(timeout=5)
        yield running
        assert running.stop()[0] == 0


def ask(collector: CollectorProcess, path: str, body: dict[str, Any] | None = None, **query: str) -> Any:
    request = urllib.request.Request(
        f"{collector.url}{path}?{urlencode(query)}",
        data=None if body is None else json.dumps(body).encode(),
        headers={"Authorization": "Bearer r-secret", "Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request) as response:
        return json.load(response)


@pytest.mark.parametrize("by", ["", "channel", "device", "channel,device"])
@pytest.mark.parametrize(("days", "end"), [(1, END - 30 * DAY), (7, END), (28, END - 11 * DAY - 1), (365, END)])
def test_the_summary_is_what_the_csv_counts(
    collector: CollectorProcess, rows: list[Row], by: str, days: int, end: int
) -> None:
    answer = ask(collector, "/v1/summary", window=f"{days}d", as_of=str(end), by=by)
    planned = [*PLANNED, "mv_wishlist_add", "purchase"]
    expected: dict[tuple[str, ...], list[Row]] = {} if by else {(): []}
    for row in rows:
        if end - days * DAY < row.time <= end and row.name in planned:
            key = tuple(getattr(row, field) for field in by.split(",")) if by else ()
            expected.setdefault(key, []).append(row)
    assert [tuple(row["key"].values()) for row in answer["rows"]] == sorted(expected)
    for row, mine in zip(answer["rows"], (expected[key] for key in sorted(expected)), strict=True):
        assert row["actors"] == len({r.user for r in mine})
        for name in planned:
            own = [r for r in mine if r.name == name]
            assert row["events"][name] == {
                "count": len(own),
                "actors": len({r.user for r in own}),
                "value": sum(r.value for r in own),
            }
        revenue = sum(r.value for r in mine)
        assert row["final_value"] == revenue
        assert row["declared_value"] == revenue + 250 * len({r.user for r in mine if r.name == "mv_wishlist_add"})


def times_by_name(rows: list[Row]) -> dict[str, dict[str, list[int]]]:
    users: dict[str, dict[str, list[int]]] = defaultdict(lambda: defaultdict(list))
    for row in sorted(rows, key=lambda row: row.time):
        users[row.user][row.name].append(row.time)
    return users


def first_from(times: list[int], start: int) -> int | None:
    index = bisect.bisect_left(times, start)
    return times[index] if index < len(times) else None


def ordered(own: dict[str, list[int]], steps: list[str], window: int, start: int, end: int) -> int:
    """The depth of one user in an ordered funnel of steps with different names; -1 where never begun."""
    depth = -1
    for begun in own[steps[0]]:
        if start < begun <= end:
            reached, taken = begun, 0
            for name in steps[1:]:
                after = first_from(own[name], reached)
                if after is None or after > begun + window:
                    break
                reached, taken = after, taken + 1
            depth = max(depth, taken)
    return depth


def unordered(own: dict[str, list[int]], steps: list[str], window: int, start: int, end: int) -> int:
    """The same for an unordered one: how many other steps follow within the window of any step."""
    depth = -1
    for begun in (time for name in steps for time in own[name]):
        if start < begun <= end:
            found = [first_from(own[name], begun) for name in steps]
            depth = max(depth, sum(t is not None and t <= begun + window for t in found) - 1)
    return depth


def counts(depths: list[int], steps: int) -> list[int]:
    return [sum(depth >= step for depth in depths) for step in range(steps)]


def test_a_planned_funnel_is_what_the_csv_counts(collector: CollectorProcess, rows: list[Row]) -> None:
    steps = ["mv_product_view", "mv_add_to_cart", "mv_shipping_details", "purchase"]
    for days in (7, 28, 365):
        answer = ask(collector, "/v1/funnels/checkout", window=f"{days}d", as_of=str(END))
        depths = [ordered(own, steps, 7 * DAY, END - days * DAY, END) for own in times_by_name(rows).values()]
        assert [step["count"] for step in answer["steps"]] == counts(depths, 4)
    assert counts(depths, 4)[3] > 0


def test_an_unordered_funnel_is_what_the_csv_counts(collector: CollectorProcess, rows: list[Row]) -> None:
    steps = ["mv_search", "mv_wishlist_add", "mv_support_chat"]
    start, end = END - 90 * DAY, END - 30 * DAY
    asked = {"steps": steps, "order": "unordered", "conversion_window": "3d", "from": start, "to": end, "as_of": END}
    answer = ask(collector, "/v1/funnels", asked)
    depths = [unordered(own, steps, 3 * DAY, start, end) for own in times_by_name(rows).values()]
    assert [step["count"] for step in answer["steps"]] == counts(depths, 3)
    assert counts(depths, 3)[2] > 0


def test_a_funnel_on_each_channel_alone_is_what_the_csv_counts(collector: CollectorProcess, rows: list[Row]) -> None:
    steps = ["mv_add_to_cart", "purchase"]
    asked = {"steps": steps, "conversion_window": "1d", "window": "365d", "as_of": END, "by": ["channel"]}
    answer = ask(collector, "/v1/funnels", {**asked, "attribution": "all"})
    expected = {}
    for channel in {row.channel for row in rows}:
        users = times_by_name([row for row in rows if row.channel == channel])
        expected[channel] = counts([ordered(own, steps, DAY, END - 365 * DAY, END) for own in users.values()], 2)
    assert {g["key"]["channel"]: [s["count"] for s in g["steps"]] for g in answer["groups"]} == expected
