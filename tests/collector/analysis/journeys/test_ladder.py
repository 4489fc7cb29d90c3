"""What a plan says of journeys: depths, and the turn of events of one instant."""

from __future__ import annotations

from kizashi_collector.analysis._journeys import Ladder
from kizashi_schemas.plan import Plan, load_plan

DAY = 86_400_000
EVENTS = """
    currency = "JPY"
    [events.mv_view]
    action = "secondary"
    [events.mv_cart]
    action = "secondary"
    [events.mv_letter]
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
LADDER = '[values]\nladder = ["mv_view", "mv_cart"]\n'
FUNNEL = '[funnels.checkout]\nsteps = ["mv_letter", "purchase", "mv_view", "unknown", "mv_letter", "request"]\n'


def plan_of(*parts: str) -> Plan:
    return load_plan("\n".join(parts))


def ladder_of(*parts: str) -> Ladder:
    ladder = Ladder.of(plan_of(*parts))
    assert ladder is not None
    return ladder


def test_without_a_plan_or_a_final_there_is_no_ladder() -> None:
    assert Ladder.of(None) is None
    assert Ladder.of(plan_of(EVENTS.replace("final = true", ""))) is None


def test_a_depth_is_the_place_in_the_ladder_and_finals_lie_beyond_it() -> None:
    ladder = ladder_of(EVENTS, LADDER)
    assert ladder.depths == {"mv_view": 1, "mv_cart": 2, "mv_letter": 0, "purchase": 3, "request": 3}
    assert (ladder.steps, ladder.final) == (2, 3)


def test_by_default_the_ladder_is_the_first_funnel_that_ends_in_a_final() -> None:
    other = '[funnels.reading]\nsteps = ["mv_cart", "mv_letter"]\n'
    ladder = ladder_of(EVENTS, other, FUNNEL)
    assert ladder.depths == {"mv_letter": 1, "mv_view": 2, "mv_cart": 0, "purchase": 3, "request": 3}


def test_without_such_a_funnel_every_micro_conversion_is_off_the_ladder() -> None:
    ladder = ladder_of(EVENTS)
    assert ladder.depths == {"mv_view": 0, "mv_cart": 0, "mv_letter": 0, "purchase": 1, "request": 1}
    assert (ladder.steps, ladder.final) == (0, 1)


def test_horizon_lookback_and_credit_are_the_plans() -> None:
    ladder = ladder_of(EVENTS, LADDER, 'horizon = "3d"\nlookback = "30d"\ncredit = "first"')
    assert (ladder.horizon_ms, ladder.lookback_ms, ladder.credit) == (3 * DAY, 30 * DAY, "first")
    default = ladder_of(EVENTS)
    assert (default.horizon_ms, default.lookback_ms, default.credit) == (14 * DAY, 90 * DAY, "last")


def test_the_ladder_goes_first_then_other_micro_conversions_then_finals() -> None:
    ladder = ladder_of(EVENTS, LADDER)
    in_turn = ["mv_view", "mv_cart", "mv_letter", "purchase", "request", "unplanned", ""]
    assert ladder.ranks(in_turn).tolist() == [0, 1, 2, 3, 3, -1, -1]
    assert ladder.depths_by_rank().tolist() == [1, 2, 0, 3]
