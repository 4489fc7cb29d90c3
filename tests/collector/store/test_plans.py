"""Plans in the log: which change of them makes another thing of journeys, and since when."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from kizashi_collector.ingest import PlanBook
from kizashi_collector.store import SqliteLog
from kizashi_collector.store._plans import plans_until, rules_changed_at
from kizashi_schemas.plan import JourneyRules, load_plan

NOW, DAY = 1_790_000_000_000, 86_400_000
EVER = 1 << 62
PLAN = """
currency = "JPY"
rates = { USD = 150 }
windows = ["1d"]
summaries = [["campaign"]]
[events.mv_view]
owner = "growth"
[events.mv_cart]
value = 300
[events.mv_chat]
[events.purchase]
final = true
value = "event"
[events.request]
final = true
value = 5000
[values]
ladder = ["mv_view", "mv_cart"]
horizon = "14d"
lookback = "90d"
credit = "last"
min_effective_conversions = 15
"""
MATTERS = {
    "the ladder's order": ('ladder = ["mv_view", "mv_cart"]', 'ladder = ["mv_cart", "mv_view"]'),
    "a step more": ('ladder = ["mv_view", "mv_cart"]', 'ladder = ["mv_view", "mv_chat", "mv_cart"]'),
    "a final less": ("[events.request]\nfinal = true", "[events.request]\nfinal = false"),
    "a final brings what it carries": ("value = 5000", 'value = "event"'),
    "horizon": ('horizon = "14d"', 'horizon = "7d"'),
    "lookback": ('lookback = "90d"', 'lookback = "60d"'),
    "credit": ('credit = "last"', 'credit = "first"'),
}
DOES_NOT = {
    "a declared value": ("value = 300", "value = 350"),
    "what a final brings": ("value = 5000", "value = 6000"),
    "a rate": ("USD = 150", "USD = 151"),
    "an owner": ("growth", "web"),
    "a window": ('["1d"]', '["1d", "7d"]'),
    "a summary": ('[["campaign"]]', '[["campaign", "device"]]'),
    "an event off the ladder": ("[events.mv_chat]\n", ""),
    "the order of finals": (
        '[events.purchase]\nfinal = true\nvalue = "event"\n[events.request]\nfinal = true\nvalue = 5000',
        '[events.request]\nfinal = true\nvalue = 5000\n[events.purchase]\nfinal = true\nvalue = "event"',
    ),
    "the evidence that is asked for": ("conversions = 15", "conversions = 5"),
    "a horizon in another unit": ('"14d"', '"2w"'),
}
NO_LADDER = 'currency = "JPY"\n[events.purchase]\nfinal = true\n'
NO_FINAL = 'currency = "JPY"\n[events.mv_view]\n'


def changed(which: tuple[str, str]) -> str:
    assert which[0] in PLAN
    return PLAN.replace(*which)


class Applied:
    """Plans as they are applied, the first at NOW."""

    def __init__(self, folder: Path) -> None:
        self.log = SqliteLog(folder)

    async def apply(self, text: str, day: float = 0) -> None:
        """Put a plan in force, as a start or a POST does, some days after NOW."""
        book = PlanBook(self.log)
        await book.load(NOW)
        await book.replace(load_plan(text), NOW + int(day * DAY))

    async def changed_at(self, after: int = -1, until: int = EVER) -> int | None:
        """The last change that is told of."""
        return await self.log.read(lambda connection, _: rules_changed_at(plans_until(connection, until), after, until))


@pytest.fixture
async def applied(tmp_path: Path) -> AsyncIterator[Applied]:
    applied = Applied(tmp_path)
    yield applied
    await applied.log.close()


@pytest.mark.parametrize("which", MATTERS.values(), ids=MATTERS)
async def test_what_makes_another_thing_of_journeys_is_a_change(applied: Applied, which: tuple[str, str]) -> None:
    await applied.apply(PLAN)
    await applied.apply(changed(which), 3)
    assert await applied.changed_at() == NOW + 3 * DAY


@pytest.mark.parametrize("which", DOES_NOT.values(), ids=DOES_NOT)
async def test_what_leaves_journeys_as_they_are_is_none(applied: Applied, which: tuple[str, str]) -> None:
    await applied.apply(PLAN)
    await applied.apply(changed(which), 3)
    assert load_plan(PLAN).id != load_plan(changed(which)).id
    assert await applied.changed_at() is None


async def test_the_first_plan_and_the_same_one_again_are_no_change(applied: Applied) -> None:
    assert await applied.changed_at() is None
    for day in range(3):
        await applied.apply(PLAN, day)
    assert await applied.changed_at() is None


@pytest.mark.parametrize("nothing", [NO_LADDER, NO_FINAL])
async def test_a_plan_under_which_nothing_is_learned_changes_nothing_and_hides_nothing(
    applied: Applied, nothing: str
) -> None:
    await applied.apply(nothing)
    await applied.apply(PLAN, 1)
    await applied.apply(nothing, 2)
    await applied.apply(PLAN, 3)
    assert await applied.changed_at() is None
    await applied.apply(nothing, 4)
    await applied.apply(changed(MATTERS["credit"]), 5)
    assert await applied.changed_at() == NOW + 5 * DAY


async def test_a_change_that_is_taken_back_is_another_one(applied: Applied) -> None:
    await applied.apply(PLAN)
    await applied.apply(changed(MATTERS["credit"]), 1)
    await applied.apply(PLAN, 2)
    assert await applied.changed_at() == NOW + 2 * DAY


async def test_what_changed_nothing_since_does_not_move_the_change(applied: Applied) -> None:
    await applied.apply(PLAN)
    other = changed(MATTERS["horizon"])
    for day, text in enumerate([other, other.replace("300", "310"), other.replace("growth", "web")], 1):
        await applied.apply(text, day)
    assert await applied.changed_at() == NOW + DAY


async def test_it_is_told_of_between_two_instants(applied: Applied) -> None:
    await applied.apply(PLAN)
    await applied.apply(changed(MATTERS["credit"]), 2)
    await applied.apply(PLAN, 5)
    first, second = NOW + 2 * DAY, NOW + 5 * DAY
    assert await applied.changed_at(until=first - 1) is None
    assert await applied.changed_at(until=first) == first
    assert await applied.changed_at(until=second - 1) == first
    assert await applied.changed_at(first - 1, second - 1) == first
    assert await applied.changed_at(first, second - 1) is None
    assert await applied.changed_at(second - 1, second) == second
    assert await applied.changed_at(second, second + DAY) is None


async def test_a_plan_that_this_version_does_not_read_is_passed_over(applied: Applied) -> None:
    await applied.apply(PLAN)
    await applied.log.add_plan("x", b'{"currency": "JPY", "moods": []}', NOW + DAY)
    assert await applied.changed_at() is None


def test_the_keys_that_differ_are_named() -> None:
    rules = JourneyRules.of(load_plan(PLAN))
    assert rules is not None
    named = {}
    for what, which in MATTERS.items():
        other = JourneyRules.of(load_plan(changed(which)))
        assert other is not None
        named[what] = rules.changes(other)
    assert list(named.values()) == [
        *([["values.ladder"]] * 2),
        *([["finals"]] * 2),
        ["values.horizon"],
        ["values.lookback"],
        ["values.credit"],
    ]
