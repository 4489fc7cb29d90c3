"""The summary's columns: the rules of docs/api.md, sentence by sentence."""

from __future__ import annotations

import pytest

from kizashi_collector.analysis import Interval, LoggedEvent, Summary, Worth, summarize
from kizashi_schemas import MAX_MICROS
from kizashi_schemas.plan import Plan, load_plan
from oracle.timelines import ALL, at, span, timeline

YEN = 1_000_000
TEXT = """
    currency = "JPY"
    rates = { USD = 150 }
    [events.mv_view]
    action = "secondary"
    value = 20
    [events.mv_cart]
    action = "primary"
    value = 300
    counting = "once"
    [events.purchase]
    final = true
    action = "primary"
    value = "event"
    [events.request]
    final = true
    action = "secondary"
    value = 1_000
"""
PLAN = load_plan(TEXT)


def summary(
    log: list[LoggedEvent], plan: Plan | None = PLAN, interval: Interval = ALL, by: tuple[str, ...] = ()
) -> Summary:
    adjustments = [event for event in log if event.adjust and event.time <= interval.as_of]
    return summarize(log, plan=plan, worth=Worth(plan, adjustments), interval=interval, by=by)


def sale(seconds: float, yen: int, order: str | None = None, actor: str = "i", currency: str = "JPY") -> LoggedEvent:
    return LoggedEvent(
        id=f"{actor}{seconds}{order}",
        name="purchase",
        time=at(seconds),
        received_at=at(seconds),
        actor=actor,
        value=yen * YEN,
        currency=currency,
        order=order,
    )


# rows


def test_without_by_there_is_always_one_row_with_an_empty_key() -> None:
    answer = summary([])
    assert [row.key for row in answer.rows] == [()]
    assert answer.rows[0] == answer.total
    assert (answer.total.actors, answer.total.final_value, answer.total.declared_value) == (0, 0, 0)


def test_with_by_there_are_the_keys_that_have_a_planned_event_sorted() -> None:
    log = timeline("mv_view@0[campaign=z] mv_view@1 mv_view@2[campaign=b] surprise@3[campaign=q]")
    assert [row.key for row in summary(log, by=("campaign",)).rows] == [("",), ("b",), ("z",)]
    assert [row.key for row in summary(log, None, by=("campaign",)).rows] == [("",), ("b",), ("q",), ("z",)]
    assert summary([], by=("campaign",)).rows == []


def test_key_holds_source_fields_of_the_event_itself_and_a_missing_value_is_empty() -> None:
    log = timeline("mv_view@0[campaign=g,device=d] mv_view@1[campaign=g] mv_view@2[p.campaign=x]")
    assert [row.key for row in summary(log, by=("campaign", "device")).rows] == [("", ""), ("g", ""), ("g", "d")]


@pytest.mark.parametrize(("start", "end", "count"), [(10, 20, 0), (9.999, 20, 1), (0, 10, 1), (0, 9.999, 0)])
def test_the_interval_leaves_its_start_out_and_takes_its_end_in(start: float, end: float, count: int) -> None:
    assert summary(timeline("mv_view@10"), interval=span(start, end)).total.events["mv_view"].count == count


# counts


def test_actors_are_distinct_actors_with_any_planned_event() -> None:
    log = [*timeline("mv_view@0 mv_cart@1"), *timeline("mv_view@0", "j"), *timeline("surprise@0", "k")]
    assert summary(log).total.actors == 2
    assert summary(log, None).total.actors == 3


def test_each_event_has_count_actors_and_value_as_sent() -> None:
    figures = summary([sale(0, 100), sale(1, 200), sale(2, 400, actor="j")]).total.events["purchase"]
    assert (figures.count, figures.actors, figures.value) == (3, 2, 700 * YEN)


def test_every_planned_event_is_listed_in_the_plans_order() -> None:
    answer = summary(timeline("purchase@0 surprise@1"))
    assert list(answer.total.events) == ["mv_view", "mv_cart", "purchase", "request"]


def test_with_no_plan_every_name_seen_is_listed() -> None:
    answer = summary(timeline("b@0[campaign=g] a@1"), None, by=("campaign",))
    assert [list(row.events) for row in answer.rows] == [["a", "b"], ["a", "b"]]
    assert [[event.count for event in row.events.values()] for row in answer.rows] == [[1, 0], [0, 1]]


# money


def test_value_is_converted_by_the_plans_rates() -> None:
    log = [sale(0, 100), sale(1, 2, currency="USD")]
    assert summary(log).total.events["purchase"].value == 400 * YEN
    assert summary(log).total.final_value == 400 * YEN


def test_with_no_plan_sums_over_mixed_currencies_are_null() -> None:
    mixed = summary([sale(0, 100), sale(1, 2, currency="USD")], None)
    assert mixed.total.events["purchase"].value is None
    assert mixed.currency is None
    single = summary([sale(0, 100), sale(1, 2)], None)
    assert single.total.events["purchase"].value == 102 * YEN
    assert single.currency == "JPY"


def test_with_no_plan_or_none_with_a_final_the_values_are_null() -> None:
    without_final = load_plan(TEXT.replace("final = true", ""))
    for plan in (None, without_final):
        total = summary([sale(0, 100)], plan).total
        assert (total.final_value, total.declared_value) == (None, None)


def test_where_a_rate_is_missing_sums_are_null_and_counts_are_not() -> None:
    total = summary([sale(0, 100), sale(1, 2, currency="EUR")]).total
    assert (total.final_value, total.declared_value, total.events["purchase"].value) == (None, None, None)
    assert total.events["purchase"].count == 2


def test_final_value_is_what_finals_brought_at_the_plans_value() -> None:
    log = [sale(0, 100), *timeline("request@1 request@2 mv_cart@3")]
    assert summary(log).total.final_value == 2_100 * YEN


def test_declared_value_sums_primary_events_alone() -> None:
    log = [sale(0, 100), *timeline("mv_view@0 mv_cart@1 request@2")]
    assert summary(log).total.declared_value == 400 * YEN


def test_once_is_the_first_per_actor_and_row() -> None:
    log = timeline("mv_cart@0[campaign=g] mv_cart@1[campaign=h] mv_cart@2[campaign=h]")
    log += timeline("mv_cart@5[campaign=g]", "j")
    answer = summary(log, by=("campaign",))
    assert [row.declared_value for row in answer.rows] == [600 * YEN, 300 * YEN]
    # The total is a row of its own, in which each actor counts once.
    assert answer.total.declared_value == 600 * YEN
    assert answer.total.events["mv_cart"].count == 4


def test_once_is_judged_in_the_interval_asked() -> None:
    log = timeline("mv_cart@0 mv_cart@10")
    assert summary(log, interval=span(5, 20)).total.declared_value == 300 * YEN


def test_a_retracted_event_does_not_use_up_once() -> None:
    first = timeline("mv_cart@0", order="o-1")
    back = timeline("x@0 mv_cart@9", order="o-1", adjust="retract")[1:]
    second = timeline("x@0 x@0 mv_cart@5")[2:]
    assert summary([*first, *back, *second]).total.declared_value == 300 * YEN
    assert summary([*first, *back]).total.declared_value == 0


def test_an_adjustment_counts_from_its_own_time_in_the_row_of_the_original() -> None:
    back = LoggedEvent(id="r", name="purchase", time=at(100), received_at=at(100), order="o-1", adjust="retract")
    log = [sale(10, 500, "o-1"), back]
    # The interval ends before the adjustment, which as_of decides about.
    assert summary(log, interval=span(0, 50, as_of=99.999)).total.final_value == 500 * YEN
    assert summary(log, interval=span(0, 50, as_of=100)).total.final_value == 0
    assert summary(log, interval=span(50, 100)).total.final_value == 0


def test_adjustments_are_no_event_and_no_actor_and_leave_what_was_sent() -> None:
    back = LoggedEvent(
        id="r",
        name="purchase",
        time=at(20),
        received_at=at(9_999),
        actor="r",
        order="o-1",
        adjust="restate",
        value=200 * YEN,
        currency="JPY",
    )
    answer = summary([sale(10, 500, "o-1"), back])
    figures = answer.total.events["purchase"]
    assert (figures.count, figures.actors, figures.value, answer.total.actors) == (1, 1, 500 * YEN, 1)
    assert answer.total.final_value == 200 * YEN
    assert answer.late_events == 0


def test_an_adjustment_may_come_before_its_original() -> None:
    early = LoggedEvent(id="r", name="purchase", time=at(1), received_at=at(1), order="o-1", adjust="retract")
    assert summary([early, sale(10, 500, "o-1")]).total.final_value == 0


def test_money_at_the_bound_sums_exactly() -> None:
    log = [sale(n / 1000, 0, actor=f"i{n}") for n in range(2_000)]
    total = summary(
        [
            LoggedEvent(
                id=event.id,
                name=event.name,
                time=event.time,
                received_at=event.time,
                actor=event.actor,
                value=MAX_MICROS,
                currency="JPY",
            )
            for event in log
        ]
    ).total
    assert total.final_value == total.declared_value == total.events["purchase"].value == 2_000 * 10**16
    assert 2_000 * 10**16 > 2**64


# lateness


@pytest.mark.parametrize(("delay_ms", "late"), [(600_000, 0), (600_001, 1)])
def test_an_event_received_more_than_ten_minutes_after_its_time_was_late(delay_ms: int, late: int) -> None:
    event = LoggedEvent(id="e", name="surprise", time=at(0), received_at=at(0) + delay_ms, actor="i")
    assert summary([event]).late_events == late
    assert summary([event], interval=span(0, 10)).late_events == 0


def test_imports_stay_out_of_the_lateness_figures() -> None:
    event = LoggedEvent(id="e", name="mv_view", time=at(0), received_at=at(9_999), actor="i", imported=True)
    assert summary([event]).late_events == 0
