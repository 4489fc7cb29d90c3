"""What an event is worth under a plan, net of adjustments: the rules of docs/plan.md."""

from __future__ import annotations

from typing import Any

import pytest

from kizashi_collector.analysis import LoggedEvent, Worth
from kizashi_schemas.plan import load_plan

YEN = 1_000_000
TEXT = """
    currency = "JPY"
    rates = { USD = 150.25 }
    [events.mv_cart]
    action = "secondary"
    value = 300
    [events.mv_view]
    action = "secondary"
    [events.purchase]
    final = true
    action = "primary"
    value = "event"
    [events.request]
    final = true
    action = "primary"
    value = 2_000
"""
PLAN = load_plan(TEXT)


def event(name: str = "purchase", value: int | None = 5_000 * YEN, currency: str | None = "JPY") -> LoggedEvent:
    return LoggedEvent(id="e", name=name, time=0, received_at=0, actor="i", value=value, currency=currency, order="o-1")


def adjustment(adjust: Any, time: int = 0, value: int | None = None, **fields: Any) -> LoggedEvent:
    rest = {"id": f"r{time}", "name": "purchase", "order": "o-1", "currency": "JPY"} | fields
    return LoggedEvent(time=time, received_at=time, adjust=adjust, value=value, **rest)


def test_a_number_in_the_plan_is_the_worth_whatever_was_sent() -> None:
    assert Worth(PLAN, []).declared(event("mv_cart")) == 300 * YEN
    assert Worth(PLAN, []).declared(event("mv_cart", None, None)) == 300 * YEN


def test_event_means_what_it_carries() -> None:
    assert Worth(PLAN, []).declared(event()) == 5_000 * YEN
    assert Worth(PLAN, []).declared(event(value=None, currency=None)) == 0


def test_undeclared_and_unplanned_events_are_worth_nothing() -> None:
    assert Worth(PLAN, []).declared(event("mv_view")) == 0
    assert Worth(PLAN, []).declared(event("surprise")) == 0
    assert Worth(PLAN, []).final(event("surprise")) == 0


def test_only_finals_bring_money() -> None:
    assert Worth(PLAN, []).final(event()) == 5_000 * YEN
    assert Worth(PLAN, []).final(event("request", None, None)) == 2_000 * YEN
    assert Worth(PLAN, []).final(event("mv_cart")) == 0


def test_without_a_plan_nothing_is_known_but_what_was_sent() -> None:
    worth = Worth(None, [])
    assert (worth.declared(event()), worth.final(event()), worth.sent(event())) == (None, None, 5_000 * YEN)


@pytest.mark.parametrize(
    ("micros", "yen_micros"),
    [(1_000_000, 150_250_000), (10_000, 1_502_500), (2, 300), (0, 0), (10**16, 150_250_000 * 10**10)],
)
def test_another_currency_is_converted_by_the_plans_rates(micros: int, yen_micros: int) -> None:
    dollars = event(value=micros, currency="USD")
    assert Worth(PLAN, []).sent(dollars) == yen_micros
    assert Worth(PLAN, []).declared(dollars) == yen_micros


def test_a_conversion_is_rounded_half_to_even_micro_by_micro() -> None:
    half = load_plan(TEXT.replace("150.25", "0.5"))
    assert [Worth(half, []).sent(event(value=micros, currency="USD")) for micros in (1, 2, 3, 5)] == [0, 1, 2, 2]


def test_where_no_rate_leads_to_the_plans_currency_worth_is_not_known() -> None:
    assert Worth(PLAN, []).declared(event(currency="EUR")) is None
    assert Worth(PLAN, []).final(event(currency="EUR")) is None
    assert Worth(PLAN, []).declared(event("mv_cart", currency="EUR")) == 300 * YEN


def test_restate_gives_the_new_total() -> None:
    worth = Worth(PLAN, [adjustment("restate", 5, 2_000 * YEN)])
    assert worth.declared(event()) == 2_000 * YEN
    assert worth.final(event()) == 2_000 * YEN


def test_value_stays_as_sent() -> None:
    worth = Worth(PLAN, [adjustment("restate", 5, 2_000 * YEN), adjustment("retract", 6)])
    assert worth.sent(event()) == 5_000 * YEN


def test_of_restatements_the_latest_time_wins_whatever_arrived_last() -> None:
    worth = Worth(PLAN, [adjustment("restate", 9, 1_000 * YEN), adjustment("restate", 5, 2_000 * YEN)])
    assert worth.declared(event()) == 1_000 * YEN


def test_of_restatements_at_one_time_the_greater_id_wins() -> None:
    worth = Worth(PLAN, [adjustment("restate", 5, 1 * YEN, id="b"), adjustment("restate", 5, 2 * YEN, id="a")])
    assert worth.declared(event()) == 1 * YEN


def test_restate_is_in_the_originals_currency() -> None:
    worth = Worth(PLAN, [adjustment("restate", 5, 2_000 * YEN), adjustment("restate", 9, 1 * YEN, currency="USD")])
    assert worth.declared(event()) == 2_000 * YEN
    assert worth.declared(event(value=3 * YEN, currency="USD")) == 150_250_000


def test_an_original_without_a_currency_takes_the_restatements() -> None:
    worth = Worth(PLAN, [adjustment("restate", 5, 1 * YEN, currency="USD")])
    assert worth.declared(event(value=None, currency=None)) == 150_250_000


def test_restate_matters_only_where_the_plan_says_event() -> None:
    worth = Worth(PLAN, [adjustment("restate", 5, 1 * YEN, name="request")])
    assert worth.declared(event("request")) == 2_000 * YEN


def test_retract_is_final() -> None:
    worth = Worth(PLAN, [adjustment("retract", 5), adjustment("restate", 9, 2_000 * YEN)])
    assert worth.retracted(event())
    assert worth.declared(event()) == 0
    assert worth.final(event()) == 0


def test_retract_takes_a_plans_number_back_too() -> None:
    assert Worth(PLAN, [adjustment("retract", 5, name="request")]).declared(event("request")) == 0


def test_an_adjustment_is_keyed_by_name_and_order() -> None:
    others = [
        adjustment("retract", order="o-2"),
        adjustment("retract", name="request"),
        adjustment("retract", order=None),
    ]
    assert Worth(PLAN, others).declared(event()) == 5_000 * YEN


def test_an_event_without_an_order_cannot_be_adjusted() -> None:
    plain = LoggedEvent(id="e", name="purchase", time=0, received_at=0, actor="i", value=7 * YEN, currency="JPY")
    worth = Worth(PLAN, [adjustment("retract", order=None), adjustment("restate", 1, 1 * YEN, order=None)])
    assert not worth.retracted(plain)
    assert worth.declared(plain) == 7 * YEN
