"""What broke in the tracking is told on the live page: an alarm where bids rest on it, a warning where none does."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from browser.conftest import OpenTab
from browser.shop import DAY, event, send
from faults.serving import Serving, until

PLAN = """
currency = "JPY"
timezone = "Asia/Tokyo"
windows = ["7d"]
[events.mv_visit]
[events.mv_newsletter]
[events.purchase]
final = true
value = 1000
[values]
ladder = ["mv_visit"]
horizon = "1d"
"""
HOUR = DAY // 24
WARNING = "main .note-box.warn[role=status]"
ALARM = "main .note-box.bad[role=alert]"


def weeks(name: str, now: int, ended: int = 0) -> Iterator[dict[str, Any]]:
    """Nine days of an event, one in twenty minutes, until so long ago."""
    for ago in range(HOUR // 60, 9 * DAY, HOUR // 3):
        if ago >= ended:
            yield event(name, now - ago, f"v-{ago}")


@pytest.fixture
def letters_stopped(tmp_path: Path) -> Iterator[Serving]:
    """A collector without keys, to which nobody has subscribed for 20 hours."""
    plan = tmp_path / "plan.toml"
    plan.write_text(PLAN, encoding="utf-8")
    options = ("--plan", str(plan), "--dev")
    with Serving(tmp_path / "data", tmp_path / "log", *options, environment={}) as collector:
        now = time.time_ns() // 1_000_000
        send(collector, weeks("mv_visit", now), imported=True)
        send(collector, weeks("mv_newsletter", now, 20 * HOUR), imported=True)
        send(collector, [event("mv_visit", now, "v-now")])
        until_told(collector, "mv_newsletter")
        yield collector


def until_told(collector: Serving, *broken: str) -> None:
    """Wait until just these events are told."""

    def told() -> bool:
        found = collector.ask("GET", "/v1/plan").body["health"]["breaks"]
        return found is not None and {one["event"] for one in found} == set(broken)

    until(told, f"breaks of {broken}")


async def test_what_no_bid_rests_on_is_a_warning_until_it_is_mended(
    letters_stopped: Serving, open_tab: OpenTab
) -> None:
    tab = await open_tab(at=letters_stopped)
    await tab.open("live")
    warning = await tab.text(WARNING)
    assert "bids go on" in warning
    assert "mv_newsletter has not come in since" in " ".join(warning.split())
    assert await tab.page.locator(ALARM).is_hidden()
    assert await tab.violations() == []
    # The letters come after all.
    now = time.time_ns() // 1_000_000
    late = [one for one in weeks("mv_newsletter", now) if one["time"] > now - 19 * HOUR]
    send(letters_stopped, late, imported=True)
    until_told(letters_stopped)
    await tab.open("live")
    assert await tab.page.locator(WARNING).is_hidden()
    assert "every planned event arrives as often as" in await tab.text()


async def test_alarm_and_warning_stand_beside_each_other_in_the_readers_language(
    letters_stopped: Serving, open_tab: OpenTab
) -> None:
    # A robot: visits jump, and bids rest on them.
    now = time.time_ns() // 1_000_000
    visits = (event("mv_visit", now - 6 * HOUR - at * 60_000, f"robot-{at}") for at in range(900))
    send(letters_stopped, visits, imported=True)
    until_told(letters_stopped, "mv_visit", "mv_newsletter")
    tab = await open_tab(at=letters_stopped, lang="ja", width=390)
    await tab.open("live")
    alarm, warning = await tab.text(ALARM), await tab.text(WARNING)
    assert "mv_visit" in alarm
    assert "急増しています" in alarm
    assert "mv_newsletter" not in alarm
    assert "入札はそのまま続けられます" in warning
    assert "mv_newsletter" in warning
    assert await tab.violations() == []
    assert await tab.sideways() == []
