"""What queries count for a review: which journey an event belongs to, and a review that is the same in both stores."""

from __future__ import annotations

from collections.abc import Mapping
from random import Random
from typing import Any

import msgspec
import pytest

from clickhouse_engine import ask, events_table
from kizashi_collector.analysis import AmountSums, EventCounts, Lag, LoggedEvent, ReviewCounts, review
from kizashi_collector.store._clickhouse._review import review_counts
from kizashi_schemas.plan import load_plan
from oracle.timelines import DAY, at, timeline
from properties.test_clickhouse_review import in_clickhouse, in_columns

TEXT = """
    currency = "JPY"
    rates = { USD = 100 }
    [events.view]
    [events.cart]
    action = "primary"
    [events.form]
    action = "primary"
    [events.letter]
    [events.purchase]
    final = true
    value = "event"
    [values]
    ladder = ["view", "cart", "form"]
    horizon = "7d"
    lookback = "21d"
"""
PLAN = load_plan(TEXT)
AS_OF = at(40 * DAY)
START, END = 12 * DAY, 33 * DAY
"""Journeys of the cohort begin in (START, END]."""


def counted(*timelines: str, **fields: Any) -> ReviewCounts:
    """The counts of a timeline for each actor; as columns have them, too."""
    log = [event for number, text in enumerate(timelines) for event in timeline(text, f"v{number}", **fields)]
    found = in_clickhouse(log, PLAN, AS_OF)
    assert found == in_columns(log, PLAN, AS_OF)
    return found


def test_a_journey_is_counted_with_all_that_happened_in_it() -> None:
    begin = 20 * DAY
    found = counted(f"view@{begin} cart@{begin + 5} view@{begin + 6} purchase@{begin + 9}", f"view@{begin + 1}")
    assert (found.journeys, found.converted) == (2, 1)
    # Of the three weeks up to the cohort's end the second has day 20.
    assert found.events["view"] == EventCounts(2, 1, 0, 3, Lag(9000, 9000), ((0, 0), (2, 1), (0, 0)))
    assert found.events["cart"] == EventCounts(1, 1, 0, 1, Lag(4000, 4000), ((0, 0), (1, 1), (0, 0)), {"purchase": 1})
    assert found.events["form"] == EventCounts(periods=((0, 0),) * 3)


def test_at_the_instant_of_a_final_events_belong_to_the_journey_that_it_ends() -> None:
    # At one instant a letter and two finals: the second one is a journey of its own, without the letter.
    begin = END + DAY
    found = counted(f"view@{begin} letter@{begin + 5} purchase@{begin + 5} purchase@{begin + 5}")
    assert (found.events["view"].waiting, found.events["letter"].waiting) == (1, 1)
    lone = counted(f"view@{START} letter@{START + 5} purchase@{START + 5} purchase@{START + 5}")
    # That journey began too early, and nothing of it is taken for the one that begins where it ends.
    assert (lone.events["letter"].waiting, lone.events["letter"].journeys) == (0, 0)
    assert lone.brought.count == 1


@pytest.mark.parametrize(("begin", "journeys"), [(START, 0), (START + 0.001, 1), (END, 1), (END + 0.001, 0)])
def test_a_journey_counts_from_just_after_the_start_to_the_end(begin: float, journeys: int) -> None:
    found = counted(f"view@{begin} letter@{begin + 60} purchase@{begin + 61}")
    assert found.journeys == found.events["letter"].journeys == journeys
    assert found.events["letter"].waiting == (begin > END)


def test_one_that_a_deeper_step_keeps_open_waits() -> None:
    found = counted(f"view@{END} cart@{END + DAY}")
    assert (found.journeys, found.events["view"].waiting) == (0, 1)


def test_one_is_open_up_to_its_deadline_and_over_a_moment_later() -> None:
    assert counted(f"view@{END}").events["view"].waiting == 1
    assert counted(f"view@{END - 0.001}").events["view"].journeys == 1


def test_an_adjustment_of_a_micro_conversion_is_none() -> None:
    [event] = timeline(f"letter@{20 * DAY}", order="o")
    log = [event, msgspec.structs.replace(event, id="r", actor=None, adjust="restate", value=5, currency="JPY")]
    found = in_clickhouse(log, PLAN, AS_OF)
    assert found == in_columns(log, PLAN, AS_OF)
    assert found.events["letter"].recent == 1


def test_one_follows_another_from_the_first_of_the_one_to_the_last_of_the_other() -> None:
    begin = 20 * DAY
    found = counted(
        f"form@{begin} cart@{begin + 1}",
        f"cart@{begin} form@{begin}",
        f"cart@{begin} form@{begin + 1} cart@{begin + 2}",
        f"form@{begin} purchase@{begin}",
    )
    assert found.events["cart"].followed == {"form": 2}
    assert found.events["form"].followed == {"cart": 3, "purchase": 1}
    assert found.events["view"].followed == {}


def test_an_event_of_nobody_is_recent_and_belongs_to_no_journey() -> None:
    log = [msgspec.structs.replace(event, actor=None) for event in timeline(f"view@{20 * DAY} cart@{11 * DAY}")]
    found = in_clickhouse(log, PLAN, AS_OF)
    assert found == in_columns(log, PLAN, AS_OF)
    assert (found.journeys, found.events["view"].recent, found.events["cart"].recent) == (0, 1, 0)


def test_squares_of_amounts_that_outgrow_64_bits_are_exact() -> None:
    most = 10**16 - 1
    found = counted(*(f"purchase@{(20 + day) * DAY}" for day in range(3)), value=most, currency="USD")
    assert found.brought == AmountSums(3, 300 * most, 3 * (100 * most) ** 2)
    assert counted(f"purchase@{20 * DAY}", value=most, currency="EUR").brought == AmountSums()


def test_percentiles_of_the_lag_are_by_nearest_rank() -> None:
    begin = 20 * DAY
    found = counted(*(f"letter@{begin} purchase@{begin + lag}" for lag in range(1, 20)))
    assert found.events["letter"].lag == Lag(10_000, 18_000)


def test_a_plan_without_a_final_asks_nothing() -> None:
    plan = load_plan('currency = "JPY"\n[events.view]\n[events.cart]')

    def nothing(sql: str, parameters: Mapping[str, Any]) -> list[Any]:
        raise AssertionError(sql)

    view = events_table(timeline(f"view@{20 * DAY}"))
    assert review_counts(nothing, view, plan, AS_OF, False) == ReviewCounts.none(plan)


def test_a_plan_of_finals_alone_has_what_they_brought() -> None:
    plan = load_plan('currency = "JPY"\n[events.purchase]\nfinal = true\nvalue = 70')
    log = timeline(f"purchase@{-20 * DAY}")
    found = in_clickhouse(log, plan, AS_OF)
    assert found == in_columns(log, plan, AS_OF) == ReviewCounts({}, 0, 0, AmountSums(1, 70_000_000, 4900 * 10**12))


def test_an_empty_log_has_counts_of_nothing() -> None:
    assert in_clickhouse([], PLAN, AS_OF) == in_columns([], PLAN, AS_OF) == ReviewCounts.none(PLAN)


def test_work_is_given_up_between_queries() -> None:
    def enough() -> None:
        raise TimeoutError

    with pytest.raises(TimeoutError):
        review_counts(ask, events_table([]), PLAN, AS_OF, False, enough)


def _shop(draw: Random, actors: int) -> list[LoggedEvent]:
    """Actors that come back, one of them a thousand times; half of what they buy is in dollars."""
    log = []
    for number in range(actors):
        for visit in range(1000 if number == 0 else draw.randint(1, 4)):
            second = draw.randrange(40 * DAY)
            text = " ".join(
                f"{name}@{second + 60 * place}"
                for place, name in enumerate(("view", "letter", "cart", "form", "purchase"))
                if draw.random() < 0.6
            )
            money: dict[str, Any] = {"value": draw.randrange(10**9), "currency": draw.choice(["USD", "JPY"])}
            log += [
                msgspec.structs.replace(event, id=f"{number}/{visit}/{event.id}", actor=f"v{number}")
                for event in timeline(text, **money)
            ]
    draw.shuffle(log)
    return log


def test_the_review_of_many_is_the_same_in_both_stores() -> None:
    log = _shop(Random(3), 300)
    counts = in_clickhouse(log, PLAN, AS_OF)
    assert counts.journeys > 300
    assert counts.brought.count > 100
    found = review(PLAN, counts, None, as_of=AS_OF)
    assert found == review(PLAN, in_columns(log, PLAN, AS_OF), None, as_of=AS_OF)
    assert all(event.learned is not None for event in found.events)
