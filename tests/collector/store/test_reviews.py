"""Reviews that take long to count: counted once for all who ask, and handed out until they are too old."""

from __future__ import annotations

import asyncio
from pathlib import Path

import msgspec
import pytest

from kizashi_collector.analysis import NumberedFit, Review, ReviewCounts, fit, review
from kizashi_collector.store import LogAnswers, StoreError
from kizashi_collector.store._reviews import Reviews
from kizashi_collector.store.clickhouse import ClickHouseAnswers
from kizashi_schemas.plan import Plan, load_plan
from live_collector import NOW as COLLECTOR_NOW
from live_collector import LiveCollector, event, live_collector, until
from stores import each_store
from values.small import tables

__all__ = ["each_store"]

MINUTE = 60_000
HOUR = 60 * MINUTE
NOW = 1_790_000_000_000
FIT = fit(tables([], steps=2))
PLAN, OTHER = (load_plan(f'currency = "{code}"') for code in ("JPY", "USD"))


def nobody_erased() -> int:
    return 0


class Counting:
    """Counts as soon as it may, and remembers for when it was asked."""

    def __init__(self, *, fitted: bool = True) -> None:
        self.fitted = fitted
        self.asked: list[int] = []
        self.may = asyncio.Event()
        self.may.set()

    async def __call__(self, plan: Plan, as_of: int) -> Review:
        self.asked.append(as_of)
        await self.may.wait()
        counted = review(plan, ReviewCounts.none(plan), None, as_of=as_of)
        return msgspec.structs.replace(counted, fit=NumberedFit(1, 0.5, FIT) if self.fitted else None)


async def test_who_takes_none_older_has_one_counted_each_time() -> None:
    count = Counting()
    reviews = Reviews(count, nobody_erased, slow_seconds=0)
    for as_of in (NOW, NOW, NOW + 1):
        assert (await reviews.get(PLAN, as_of, 0)).as_of == as_of
    assert count.asked == [NOW, NOW, NOW + 1]


async def test_one_that_was_slow_is_handed_out_until_it_is_too_old() -> None:
    count = Counting()
    reviews = Reviews(count, nobody_erased, slow_seconds=0)
    assert (await reviews.get(PLAN, NOW, HOUR)).as_of == NOW
    assert (await reviews.get(PLAN, NOW + 30 * MINUTE, HOUR)).as_of == NOW
    assert (await reviews.get(PLAN, NOW - MINUTE, HOUR)).as_of == NOW - MINUTE  # a clock that went back
    assert (await reviews.get(PLAN, NOW + 2 * HOUR, HOUR)).as_of == NOW + 2 * HOUR
    assert count.asked == [NOW, NOW - MINUTE, NOW + 2 * HOUR]


async def test_one_that_grows_old_is_counted_again_while_nobody_waits() -> None:
    count = Counting()
    reviews = Reviews(count, nobody_erased, slow_seconds=0)
    await reviews.get(PLAN, NOW, HOUR)
    count.may.clear()
    later = NOW + 40 * MINUTE
    assert (await reviews.get(PLAN, later, HOUR)).as_of == NOW
    assert (await reviews.get(PLAN, later + 1, HOUR)).as_of == NOW
    count.may.set()
    # Whoever takes none as old as the kept one waits for that which is being counted.
    assert (await reviews.get(PLAN, later + 2, MINUTE)).as_of == later
    assert count.asked == [NOW, later]


async def test_two_who_wait_wait_for_the_same_and_one_who_goes_away_takes_it_from_nobody() -> None:
    count = Counting()
    count.may.clear()
    reviews = Reviews(count, nobody_erased, slow_seconds=0)
    waiting = [asyncio.create_task(reviews.get(PLAN, NOW + at, HOUR)) for at in range(2)]
    await until(lambda: bool(count.asked))
    waiting[0].cancel()
    count.may.set()
    assert (await waiting[1]).as_of == NOW
    assert count.asked == [NOW]


async def test_another_plan_has_a_review_of_its_own() -> None:
    count = Counting()
    reviews = Reviews(count, nobody_erased, slow_seconds=0)
    await reviews.get(PLAN, NOW, HOUR)
    assert (await reviews.get(OTHER, NOW + 1, HOUR)).plan == OTHER.id
    assert count.asked == [NOW, NOW + 1]


async def test_nobody_waits_for_one_that_is_older_than_they_take() -> None:
    count = Counting()
    count.may.clear()
    reviews = Reviews(count, nobody_erased, slow_seconds=0)
    asked = [(NOW, 1_000), (NOW + 10_000, 1_000), (NOW + 10_500, 20_000), (NOW + 12_000, 20_000), (NOW + 12_000, 1_000)]
    waiting = []
    for as_of, max_age in asked:
        waiting.append(asyncio.create_task(reviews.get(PLAN, as_of, max_age)))
        await asyncio.sleep(0)
    await until(lambda: len(count.asked) == 3)
    count.may.set()
    got = [(await one).as_of for one in waiting]
    assert got == [NOW, NOW + 10_000, NOW + 10_000, NOW + 10_000, NOW + 12_000]
    assert count.asked == [NOW, NOW + 10_000, NOW + 12_000]


@pytest.mark.parametrize("second", [(OTHER, NOW), (PLAN, NOW + 2 * HOUR)], ids=["another plan", "a later instant"])
async def test_one_that_began_earlier_and_ends_later_takes_no_place(second: tuple[Plan, int]) -> None:
    plan, as_of = second
    gates = [asyncio.Event(), asyncio.Event()]
    count = Counting()
    begun = iter(gates)

    async def gated(plan: Plan, as_of: int) -> Review:
        gate = next(begun, None)
        if gate is not None:
            await gate.wait()
        return await count(plan, as_of)

    reviews = Reviews(gated, nobody_erased, slow_seconds=0)
    old = asyncio.create_task(reviews.get(PLAN, NOW, HOUR))
    await asyncio.sleep(0)
    new = asyncio.create_task(reviews.get(plan, as_of, HOUR))
    await asyncio.sleep(0)
    gates[1].set()
    assert (await new).plan == plan.id
    gates[0].set()
    assert (await old).as_of == NOW
    asked = list(count.asked)
    kept = await reviews.get(plan, as_of + 1, HOUR)
    assert (kept.plan, kept.as_of, count.asked) == (plan.id, as_of, asked)


async def test_a_close_ends_all_that_are_being_counted() -> None:
    ended: list[str] = []
    begun: list[str] = []

    async def never(plan: Plan, _: int) -> Review:
        begun.append(plan.id)
        try:
            await asyncio.Event().wait()
        finally:
            ended.append(plan.id)
        raise AssertionError

    reviews = Reviews(never, nobody_erased, slow_seconds=0)
    waiting = [asyncio.create_task(reviews.get(plan, NOW, HOUR)) for plan in (PLAN, OTHER)]
    await until(lambda: len(begun) == 2)
    await reviews.close()
    assert sorted(ended) == sorted(begun)
    assert all(
        isinstance(got, asyncio.CancelledError) for got in await asyncio.gather(*waiting, return_exceptions=True)
    )


async def test_what_was_counted_before_an_erasure_is_handed_out_to_nobody_who_asks_after_it() -> None:
    count = Counting()
    gone = [0]
    reviews = Reviews(count, lambda: gone[0], slow_seconds=0)
    await reviews.get(PLAN, NOW, HOUR)
    gone[0] += 1
    count.may.clear()
    before = asyncio.create_task(reviews.get(PLAN, NOW + 1, HOUR))
    await until(lambda: count.asked == [NOW, NOW + 1])
    gone[0] += 1  # while it is being counted
    after = asyncio.create_task(reviews.get(PLAN, NOW + 2, HOUR))
    await until(lambda: count.asked == [NOW, NOW + 1, NOW + 2])
    count.may.set()
    assert ((await before).as_of, (await after).as_of) == (NOW + 1, NOW + 2)
    assert (await reviews.get(PLAN, NOW + 3, HOUR)).as_of == NOW + 2
    assert count.asked == [NOW, NOW + 1, NOW + 2]


async def test_a_collector_counts_anew_after_an_erasure_and_not_because_something_grew_old(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = 'currency = "JPY"\n[events.mv_view]\nvalue = 1\n[events.purchase]\nfinal = true\n'
    async with live_collector(tmp_path, plan=plan) as collector:
        # As if all were slow to count and values were learned.
        monkeypatch.setattr(collector.services.answers, "_reviews", kept := all_kept(collector))
        early, late = COLLECTOR_NOW - HOUR, COLLECTOR_NOW - 1_000
        await collector.post([event(time=early, actor="old"), event(time=late, actor="v-1"), event(time=late)])

        async def recent() -> int:
            async with collector.ask("GET", "/v1/values", params={"max_age": "1h"}) as response:
                assert response.status == 200, await response.text()
                await response.read()
            asked, review = kept._kept or (None, None)
            assert asked is not None
            assert review is not None
            return next(one.recent for one in review.events if one.event == "mv_view")

        assert await recent() == 3
        await collector.post([event(time=late, actor="v-2")])
        assert await recent() == 3, "nothing was kept"
        async with collector.ask("DELETE", "/v1/actors/v-1", scope="admin") as response:
            assert response.status == 200
        assert await recent() == 2
        assert await collector.services.log.retain(early + 1) == 1
        assert await recent() == 2, "at its moment it was right"


def all_kept(collector: LiveCollector) -> Reviews:
    """Reviews of a collector's answers which are kept however quick they were, and without learned values."""
    answers = collector.services.answers
    assert isinstance(answers, LogAnswers | ClickHouseAnswers)
    real = answers._reviews

    async def count(plan: Plan, as_of: int) -> Review:
        return msgspec.structs.replace(await real._count(plan, as_of), fit=NumberedFit(1, 0.5, FIT))

    return Reviews(count, real._erasures, slow_seconds=0)


@pytest.mark.parametrize(("slow_seconds", "fitted"), [(60.0, True), (0.0, False)], ids=["quick", "without values"])
async def test_one_that_is_quick_to_count_or_knows_no_values_yet_is_not_kept(slow_seconds: float, fitted: bool) -> None:
    count = Counting(fitted=fitted)
    reviews = Reviews(count, nobody_erased, slow_seconds=slow_seconds)
    for as_of in (NOW, NOW + 1):
        assert (await reviews.get(PLAN, as_of, HOUR)).as_of == as_of


async def test_what_cannot_be_counted_is_told_to_who_waits_and_tried_again(caplog: pytest.LogCaptureFixture) -> None:
    async def fail(_: Plan, __: int) -> Review:
        raise StoreError("the disk is gone")

    reviews = Reviews(fail, nobody_erased, slow_seconds=0)
    for _ in range(2):
        with pytest.raises(StoreError, match="the disk is gone"):
            await reviews.get(PLAN, NOW, HOUR)
    assert caplog.messages.count("the review could not be counted: the disk is gone") == 2
    await reviews.close()
