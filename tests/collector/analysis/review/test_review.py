"""A review as it is read: verdicts, sentences, double counts, and reviews that are overdue."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

import pytest

from kizashi_collector.analysis import LoggedEvent
from kizashi_collector.analysis._review import EventReview, Overdue, Review
from oracle.timelines import DAY, START_MS, at, timeline

Reviewed = Callable[..., Review]

TEXT = """
    currency = "JPY"
    timezone = "Asia/Tokyo"
    [events.mv_view]
    [events.mv_cart]
    value = 300
    [events.mv_form]
    action = "primary"
    value = 1500
    [events.mv_sent]
    action = "primary"
    value = 1500
    [events.mv_search]
    [events.mv_unseen]
    [events.purchase]
    final = true
    value = 1000
    [values]
    ladder = ["mv_view", "mv_cart", "mv_form", "mv_sent"]
    horizon = "7d"
    lookback = "60d"
"""
AS_OF = at(80 * DAY)


@pytest.fixture(scope="module")
def log() -> list[LoggedEvent]:
    """Of 800 journeys three in ten go on to the cart, half of these to the form, which always sends, and half of these
    to a purchase; who searches is drawn apart from all that."""
    draw = Random(5)
    events = []
    for number in range(800):
        second = round((14 + 58 * number / 800) * DAY)
        text = f"mv_view@{second}"
        if draw.random() < 0.4:
            text += f" mv_search@{second + 5}"
        if draw.random() < 0.3:
            text += f" mv_cart@{second + 60}"
            if draw.random() < 0.5:
                text += f" mv_form@{second + 120} mv_sent@{second + 121}"
                if draw.random() < 0.5:
                    text += f" purchase@{second + 3600}"
        events += timeline(text, f"v{number}")
    return events


def named(review: Review) -> dict[str, EventReview]:
    return {event.event: event for event in review.events}


def test_each_micro_conversion_gets_a_verdict_a_reason_and_a_sentence(
    reviewed: Reviewed, log: list[LoggedEvent]
) -> None:
    found = reviewed(log, TEXT, AS_OF, fitted=True)
    assert {event.event: (event.verdict, event.reason) for event in found.events} == {
        "mv_view": ("prune", "everywhere"),
        "mv_cart": ("keep", "lifts"),
        "mv_form": ("prune", "no_gain"),
        "mv_sent": ("keep", "lifts"),
        "mv_search": ("unknown", "unclear"),
        "mv_unseen": ("unknown", "unseen"),
    }
    events = named(found)
    assert events["mv_view"].sentence == (
        "Prune it: 100% of journeys have it, those that convert and those that do not, so that it tells nothing."
    )
    assert "Keep it: journeys with it convert more than " in events["mv_cart"].sentence
    assert "and the 300 JPY that the plan declares fit." in events["mv_cart"].sentence
    assert events["mv_form"].sentence.startswith("Prune it: once it has happened, mv_sent is as good as certain")
    assert "the 1,500 JPY that the plan declares are too much." in events["mv_sent"].sentence
    assert "anything from" in events["mv_search"].sentence
    assert events["mv_unseen"].sentence == "Unknown: no journey had it; is it sent at all?"
    assert found.sentence == (
        "Of 6 micro-conversions, keep 2, prune 2 (mv_view, mv_form); too little is known of 2. Counted twice: mv_form."
    )


@pytest.mark.parametrize(
    ("every", "told"), [(1, "their journeys convert more than "), (4, "times as often as those without (")]
)
def test_what_is_only_watched_is_kept_as_a_sign_and_nobody_is_told_to_pay_for_it(
    reviewed: Reviewed, every: int, told: str
) -> None:
    text = TEXT.replace("[events.mv_search]", "[events.mv_form_error]")
    events = []
    for number in range(400):
        second = (14 * DAY) + number * 3_600
        late = " mv_form_error@{0} purchase@{1}" if number % 8 == 0 else ""
        sale = " purchase@{1}" if number % every and number % 5 == 0 else ""
        events += timeline((f"mv_view@{second}" + (late or sale)).format(second + 60, second + 120), f"v{number}")
    error = named(reviewed(events, text, AS_OF, fitted=True))["mv_form_error"]
    assert (error.verdict, error.reason, error.step, error.declared) == ("keep", "lifts", None, None)
    assert error.learned is not None
    assert error.learned.value > 0
    assert error.sentence.startswith("Keep it as a sign: those who come this far are likelier to buy; ")
    assert told in error.sentence
    assert error.sentence.endswith("off the ladder and without a value, it is nothing to pay for.")
    declared = named(reviewed(events, text.replace("form_error]", "form_error]\nvalue = 1"), AS_OF))["mv_form_error"]
    assert "the 1 JPY that the plan declares are too little." in declared.sentence


def test_the_marginal_gain_is_what_the_next_step_leaves_open(reviewed: Reviewed, log: list[LoggedEvent]) -> None:
    events = named(reviewed(log, TEXT, AS_OF, fitted=True))
    # From the cart to the form it is one of two; the form is always sent; after it, one of two buys.
    assert events["mv_cart"].marginal_gain == pytest.approx(0.5, abs=0.1)
    assert events["mv_form"].marginal_gain == pytest.approx(0.0, abs=1e-6)
    assert events["mv_sent"].marginal_gain == pytest.approx(0.5, abs=0.1)
    assert events["mv_search"].marginal_gain is None
    assert [events[name].next_step for name in ("mv_cart", "mv_sent", "mv_search")] == ["mv_form", "purchase", None]


def test_a_primary_step_that_another_always_follows_counts_twice(reviewed: Reviewed, log: list[LoggedEvent]) -> None:
    (double,) = reviewed(log, TEXT, AS_OF).double_counts
    assert (double.event, double.followed_by) == ("mv_form", "mv_sent")
    assert double.followed == double.journeys > 30
    assert "declared_value counts them twice" in double.sentence
    assert reviewed(log, TEXT.replace('"primary"', '"secondary"', 1), AS_OF).double_counts == ()


def test_a_primary_step_that_a_sale_always_follows_counts_twice(reviewed: Reviewed) -> None:
    events = [
        event
        for number in range(40)
        for event in timeline(f"mv_form@{(20 + number) * DAY} purchase@{(20 + number) * DAY + 60}", f"v{number}")
    ]
    assert [(double.event, double.followed_by) for double in reviewed(events, TEXT, AS_OF).double_counts] == [
        ("mv_form", "purchase")
    ]


def test_what_comes_before_only_is_not_followed(reviewed: Reviewed) -> None:
    events = [
        event
        for number in range(40)
        for event in timeline(f"mv_sent@{(20 + number) * DAY} mv_form@{(20 + number) * DAY + 60}", f"v{number}")
    ]
    assert [(double.event, double.followed_by) for double in reviewed(events, TEXT, AS_OF).double_counts] == [
        ("mv_sent", "mv_form")
    ]


def test_a_review_is_overdue_from_the_day_after_in_the_plan_s_zone(reviewed: Reviewed) -> None:
    # The timeline begins at 23:13 in Tokyo.
    owned = TEXT.replace("[events.mv_cart]", '[events.mv_cart]\nowner = "growth team"\nreview_by = 2026-09-21')
    owned = owned.replace("[events.mv_search]", "[events.mv_search]\nreview_by = 2026-09-20")
    in_time, late = reviewed([], owned, START_MS), reviewed([], owned, START_MS + 3_600_000)
    assert in_time.overdue == (Overdue(None, ("mv_search",)),)
    assert late.overdue == (Overdue("growth team", ("mv_cart",)), Overdue(None, ("mv_search",)))
    assert not named(in_time)["mv_cart"].overdue
    assert named(late)["mv_cart"].sentence.endswith("Its review was due on 2026-09-21 by growth team.")
    assert late.sentence.endswith("Reviews overdue: growth team 1, nobody 1.")


def test_it_is_too_early_while_the_horizon_is_not_over(reviewed: Reviewed) -> None:
    found = named(reviewed(timeline(f"mv_view@{79 * DAY} mv_cart@{79 * DAY}"), TEXT, AS_OF))["mv_cart"]
    assert (found.reason, found.waiting, found.journeys) == ("too_early", 1, 0)
    assert "1 journey had it, and it is too early" in found.sentence
    assert "a journey has 1w" in found.sentence


def test_young_journeys_do_not_count_even_where_they_converted(reviewed: Reviewed) -> None:
    # The quick ones would count, and the slow ones not yet.
    found = named(reviewed(timeline(f"mv_view@{75 * DAY} purchase@{75 * DAY + 5}"), TEXT, AS_OF))["mv_view"]
    assert (found.waiting, found.journeys, found.converted) == (1, 0, 0)


def test_a_final_with_nothing_before_it_is_no_journey_without_the_event(reviewed: Reviewed) -> None:
    lone = [event for number in range(50) for event in timeline(f"purchase@{30 * DAY + number}", f"w{number}")]
    led = timeline(f"mv_view@{30 * DAY} purchase@{30 * DAY + 9}") + timeline(f"mv_search@{31 * DAY}", "j")
    found = reviewed([*lone, *led], TEXT, AS_OF)
    assert (found.journeys, found.converted) == (2, 1)


def test_a_journey_counts_from_after_the_start_up_to_the_end(reviewed: Reviewed) -> None:
    # (as_of − lookback − horizon, as_of − horizon]: from day 13 to day 73.
    at_the_edges = [
        event
        for number, second in enumerate((13 * DAY, 13 * DAY + 0.001, 73 * DAY - 0.001, 73 * DAY, 73 * DAY + 0.001))
        for event in timeline(f"mv_view@{second} purchase@{second + 1}", f"v{number}")
    ]
    found = reviewed(at_the_edges, TEXT, AS_OF)
    assert (found.start, found.end, found.journeys) == (at(13 * DAY), at(73 * DAY), 3)


def test_at_the_instant_of_two_finals_a_step_belongs_to_the_journey_that_the_first_one_ends(
    reviewed: Reviewed,
) -> None:
    second = 30 * DAY
    both = timeline(f"mv_view@{second} mv_cart@{second + 5} purchase@{second + 5} purchase@{second + 5}")
    found = named(reviewed(both, TEXT, AS_OF))["mv_cart"]
    assert (found.journeys, found.converted) == (1, 1)


def test_with_no_final_nothing_can_be_told(reviewed: Reviewed) -> None:
    text = 'currency = "JPY"\n[events.mv_view]\nvalue = 5\n'
    found = reviewed(timeline("mv_view@5"), text, AS_OF)
    (event,) = found.events
    assert (event.verdict, event.reason, event.recent, event.declared) == ("unknown", "no_final", 0, 5_000_000)
    assert "mark one with final = true" in event.sentence
    assert (found.journeys, found.fit, found.start, found.end) == (0, None, AS_OF, AS_OF)


def test_a_plan_of_finals_alone_has_nothing_to_review(reviewed: Reviewed) -> None:
    found = reviewed([], 'currency = "JPY"\n[events.purchase]\nfinal = true\n', AS_OF)
    assert found.events == ()
    assert found.sentence == "The plan has no micro-conversion to review."


def test_the_last_28_days_count_events_and_not_journeys(reviewed: Reviewed) -> None:
    seconds = (52 * DAY, 52 * DAY + 0.001, 60 * DAY, 80 * DAY, 80 * DAY + 0.001)
    events = timeline(" ".join(f"mv_view@{second}" for second in seconds))
    assert named(reviewed(events, TEXT, AS_OF))["mv_view"].recent == 3
