"""What a step is worth: the fit's word with an interval that holds the truth, or a plain share times a plain mean."""

from __future__ import annotations

import math
from collections.abc import Callable
from fractions import Fraction

import numpy as np
import pytest

from kizashi_collector.analysis import LoggedEvent
from kizashi_collector.analysis._review import (
    AmountSums,
    EventReview,
    Learned,
    NumberedFit,
    Proportion,
    Review,
    ReviewCounts,
    review,
)
from kizashi_collector.analysis._review._learned import Brought, fitted_steps, simply
from kizashi_collector.analysis._values import Statistics, fit
from kizashi_schemas.plan import load_plan
from oracle.timelines import DAY, at, timeline
from values.simulation import EPOCH, HORIZON, MOVES, STEPS, Variant, World
from values.small import BOUNDARY, Story, tables

Reviewed = Callable[..., Review]

DAY_MS = 86_400_000
HOUR_MS = 3_600_000
TEXT = """
    currency = "JPY"
    rates = { USD = 100 }
    [events.mv_view]
    [events.mv_cart]
    value = 300
    [events.mv_letter]
    [events.purchase]
    final = true
    value = "event"
    [values]
    ladder = ["mv_view", "mv_cart"]
    horizon = "7d"
    lookback = "60d"
"""
AS_OF = at(80 * DAY)


def named(review: Review) -> dict[str, EventReview]:
    return {event.event: event for event in review.events}


def learned(review: Review, name: str) -> Learned:
    found = named(review)[name].learned
    assert found is not None
    return found


def shop(journeys: int = 200) -> list[LoggedEvent]:
    """Each journey views on a day of its own; every second one carts an hour later, every fourth buys for 1,000 more an
    hour after that; every fifth takes the letter."""
    log = []
    for number in range(journeys):
        second = (25 + 40 * number / journeys) * DAY
        text = f"mv_view@{second}"
        if number % 5 == 0:
            text += f" mv_letter@{second + 10}"
        if number % 2 == 0:
            text += f" mv_cart@{second + 3600}"
        log += timeline(text, f"v{number}")
        if number % 4 == 0:
            log += timeline(
                f"purchase@{second + 7200}", f"v{number}", order=f"o{number}", value=1_000_000_000, currency="JPY"
            )
    return log


def test_a_step_of_the_ladder_is_worth_what_the_fit_says(reviewed: Reviewed) -> None:
    found = reviewed(shop(), TEXT, AS_OF, fitted=True)
    view, cart = learned(found, "mv_view"), learned(found, "mv_cart")
    assert (view.method, cart.method) == ("fit", "fit")
    assert view.chance.share == pytest.approx(0.25, abs=0.005)
    assert cart.chance.share == pytest.approx(0.5, abs=0.005)
    assert view.value == pytest.approx(250_000_000, rel=0.02)
    assert cart.value == pytest.approx(500_000_000, rel=0.02)
    assert view.low < view.value < view.high < cart.value < cart.high
    assert found.fit is not None
    assert found.fit.number == 7


def test_off_the_ladder_it_is_worth_the_share_that_converted_times_what_that_brought(reviewed: Reviewed) -> None:
    letter = learned(reviewed(shop(), TEXT, AS_OF, fitted=True), "mv_letter")
    # 40 letters, of which every fourth went to a journey that converts.
    assert letter.method == "simple"
    assert letter.chance.share == 0.25
    assert letter.value == 250_000_000
    assert letter.low == pytest.approx(250_000_000 * letter.chance.low / 0.25, rel=1e-6)


def test_without_a_fit_a_step_is_counted_as_simply(reviewed: Reviewed) -> None:
    found = reviewed(shop(), TEXT, AS_OF)
    assert learned(found, "mv_cart") == simply(50, 100, Brought(1e9, 0.0))
    assert found.fit is None
    assert named(found)["mv_cart"].marginal_gain is None


def test_what_was_taken_back_brings_nothing_and_converts_nobody(reviewed: Reviewed) -> None:
    log = shop()
    back = [
        LoggedEvent(id="r", name="purchase", time=AS_OF, received_at=AS_OF, order=f"o{number}", adjust="retract")
        for number in range(0, 200, 8)
    ]
    found = reviewed([*log, *back], TEXT, AS_OF)
    assert (found.converted, found.journeys) == (25, 200)
    assert learned(found, "mv_cart") == simply(25, 100, Brought(1e9, 0.0))


def test_amounts_that_no_column_holds_count_and_those_without_a_rate_do_not(reviewed: Reviewed) -> None:
    log = [*timeline(f"mv_view@{25 * DAY} mv_letter@{25 * DAY + 1}", "v1")]
    # 10 billion dollars at 100 yen, and something in a currency without a rate.
    log += timeline(f"purchase@{25 * DAY + 2}", "v1", value=10**16, currency="USD")
    log += timeline(f"mv_view@{26 * DAY}", "v2")
    log += timeline(f"purchase@{26 * DAY + 2}", "v2", value=10**9, currency="EUR")
    found = reviewed(log, TEXT, AS_OF)
    assert found.converted == 2
    assert learned(found, "mv_letter").value == 10**18


def test_nothing_is_learned_while_nobody_converted(reviewed: Reviewed) -> None:
    log = [event for event in shop() if event.name != "purchase"]
    found = reviewed(log, TEXT, AS_OF, fitted=True)
    assert [event.learned for event in found.events] == [None, None, None]


def test_a_step_that_never_led_to_a_final_is_worth_nothing_or_a_little() -> None:
    worth = simply(0, 100, Brought(1e9, 0.1))
    assert worth is not None
    assert (worth.value, worth.low) == (0, 0)
    assert 0 < worth.high < 50_000_000


def test_a_mean_that_is_less_sure_makes_the_interval_wider() -> None:
    sure, unsure = simply(50, 100, Brought(1e9, 0.0)), simply(50, 100, Brought(1e9, 0.2))
    assert sure is not None
    assert unsure is not None
    assert unsure.low < sure.low < sure.value == unsure.value < sure.high < unsure.high


@pytest.mark.parametrize("amounts", [[7], [0, 0], [1, 2, 4], [10**12, 10**12 + 1, 3], [10**18 + 1] * 2 + [10**18]])
def test_a_mean_and_its_error_are_exact_to_the_last_digit(amounts: list[int]) -> None:
    found = Brought.of(AmountSums(len(amounts), sum(amounts), sum(amount**2 for amount in amounts)))
    mean = Fraction(sum(amounts), len(amounts))
    spread = sum((amount - mean) ** 2 for amount in amounts) / max(len(amounts) - 1, 1)
    squared = spread / len(amounts) / mean**2 if mean else Fraction(0)
    assert found == Brought(float(mean), math.sqrt(squared))


def test_without_an_amount_no_mean_is_known() -> None:
    assert Brought.of(AmountSums()) is None


def test_chances_pass_on_through_all_steps_between() -> None:
    # From step 1: a quarter goes on to 2, a quarter to the final at once; from 2 a half.
    start = BOUNDARY - 40 * DAY_MS
    stories: list[Story] = []
    for number in range(400):
        begin = start + number * HOUR_MS // 4
        steps, end = {1: begin}, None
        if number % 4 == 0:
            steps[2] = begin + 1000
            end = begin + 2000 if number % 8 == 0 else None
        elif number % 4 == 1:
            end = begin + 3000
        # Amounts that vary by half their mean: 150 finals know that to 4 %.
        stories.append((0, steps, end, 5 * 10**8 * (1 + 2 * (number // 8 % 2)) if end else 0))
    steps_learned = fitted_steps(fit(tables(stories, keys=((),))))
    assert steps_learned is not None
    first, second = steps_learned
    assert first.chance.share == pytest.approx(0.25 + 0.25 * 0.5, abs=0.003)
    assert second.chance.share == pytest.approx(0.5, abs=0.003)
    # As sure as the counts behind it, for there is nothing else to borrow from.
    for found, counted in ((first, Proportion.of(150, 400)), (second, Proportion.of(50, 100))):
        assert found.chance.low == pytest.approx(counted.low, abs=0.01)
        assert found.chance.high == pytest.approx(counted.high, abs=0.01)
        of_chance = math.log(found.chance.high / found.chance.share)
        assert math.log(found.high / found.value) == pytest.approx(math.hypot(of_chance, 1.645 * 0.0408), rel=0.02)


def test_a_fit_of_keys_tells_of_the_whole_site_too() -> None:
    start = BOUNDARY - 40 * DAY_MS
    stories: list[Story] = [
        (number % 2, {1: start + number * 1000}, start + number * 1000 + 500 if number % 10 == 0 else None, 10**9)
        for number in range(1000)
    ]
    of_keys = fitted_steps(fit(tables(stories)))
    whole = fitted_steps(fit(tables([(0, *rest) for _, *rest in stories], keys=((),))))  # type: ignore[misc]
    assert of_keys is not None
    assert whole is not None
    assert of_keys[0].chance.share == pytest.approx(whole[0].chance.share)
    assert of_keys[0].low == pytest.approx(whole[0].low, rel=0.02)
    assert of_keys[0].value == pytest.approx(whole[0].value, rel=0.01)


def test_credible_intervals_hold_the_truth_in_about_nine_of_ten_cases() -> None:
    variant = Variant(campaigns=1, fattest=30, thinnest=30)
    as_of = EPOCH + 120 * DAY_MS
    chances, values = [], []
    for seed in range(30):
        world = World(variant, seed)
        statistics = Statistics.of(
            world.known(as_of), np.zeros(1, np.int64), [()], boundary=as_of, horizon=HORIZON, lookback=90 * DAY_MS
        )
        steps = fitted_steps(fit(statistics))
        assert steps is not None
        p = 1 / (1 + np.exp(-world.logit[:, 0]))
        truth = np.ones(STEPS + 2)
        for state in reversed(range(STEPS + 1)):
            truth[state] = sum(p[t] * truth[j] for t, (m, j) in enumerate(MOVES) if m == state)
        brought = float(world.mean_amount()[0])
        for step, found in enumerate(steps, 1):
            chances.append(found.chance.low <= truth[step] <= found.chance.high)
            values.append(found.low <= truth[step] * brought <= found.high)
    assert 0.82 <= np.mean(chances) <= 0.97
    assert 0.82 <= np.mean(values) <= 0.97


def test_a_fit_of_another_ladder_is_refused() -> None:
    plan, other = load_plan(TEXT), NumberedFit(3, 0.1, fit(tables([], steps=3)))
    with pytest.raises(ValueError, match="fit 3 is of 3 steps; the plan's ladder has 2"):
        review(plan, ReviewCounts.none(plan), other, as_of=AS_OF)
