"""What is told of one journey, as it goes on, and which journey is which after late events."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from msgspec.structs import replace

from kizashi_collector.analysis import (
    Emitted,
    Increment,
    Ladder,
    LoggedEvent,
    Standing,
    StepValues,
    Worth,
    free_of,
    matched,
    settle,
    source_text,
    standing_journeys,
    take_back,
    unchanged,
)
from kizashi_schemas.plan import load_plan

PLAN = load_plan(
    """
    currency = "JPY"
    [events.look]
    [events.cart]
    value = 300
    [events.form]
    value = 1000
    [events.purchase]
    final = true
    value = "event"
    [values]
    ladder = ["cart", "form"]
    horizon = "10s"
    """
)
LADDER = Ladder.of(PLAN)
G, H = source_text({"campaign": "g"}), source_text({"campaign": "h"})
YEN = 1_000_000


def standing(*names: str, first: int = 1, begin: int = 0, sourced: Sequence[bool] = ()) -> list[Standing]:
    """Journeys of events that follow each other by a second, numbered from `first` on."""
    assert LADDER is not None
    depths = [LADDER.depths[name] for name in names]
    times = [begin + 1000 * at for at in range(len(names))]
    known = list(sourced) or [False] * len(names)
    return standing_journeys(times, depths, known, list(range(first, first + len(names))), LADDER, 0)


class Feed:
    """Tells of one journey after the other, and remembers."""

    def __init__(self, *adjustments: LoggedEvent) -> None:
        assert LADDER is not None
        self.worth = Worth(PLAN, adjustments)
        self.values = StepValues(LADDER, self.worth, (), None, 0)
        self.before: Emitted | None = None

    def tell(self, journey: Standing, source: str, *names: str, as_of: int = 5000) -> list[tuple[str, str, int]]:
        def event(number: int) -> LoggedEvent:
            name = names[number - 1]
            value = 12_800 * YEN if name == "purchase" else None
            return LoggedEvent(id=f"e{number}", name=name, time=0, received_at=0, value=value, order=f"o{number}")

        told, now = settle(journey, self.before, 7, 1, event, source, self.values, self.worth, as_of)
        # As the ledger does: a line has a number, and says where it was credited.
        self.before = None if now is None else replace(now, entry=1 if told else now.entry)
        return [_plain(one) for one in told]


def _plain(one: Increment) -> tuple[str, str, int]:
    return one.kind, one.source if isinstance(one.source, str) else "as before", one.value // YEN


def test_each_deeper_step_tells_what_it_adds_and_the_sale_what_is_missing() -> None:
    feed = Feed()
    names = ["look", "cart", "form", "purchase"]
    told = [feed.tell(standing(*names[:count])[0], G, *names) for count in (2, 3, 4)]
    assert told == [[("step", G, 300)], [("step", G, 700)], [("sale", G, 11_800)]]
    assert feed.before is not None
    assert (feed.before.number, feed.before.emitted) == (7, 12_800 * YEN)


def test_what_was_told_is_taken_back_when_the_horizon_is_over_and_not_before() -> None:
    feed = Feed()
    (journey,) = standing("cart")
    assert feed.tell(journey, G, "cart", as_of=10_000) == [("step", G, 300)]
    assert unchanged(journey, feed.before, 10_000)
    assert not unchanged(journey, feed.before, 10_001)
    assert feed.tell(journey, G, "cart", as_of=10_001) == [("expired", "as before", -300)]
    assert feed.before is None
    assert unchanged(journey, None, 10_001)


def test_a_journey_whose_credit_moved_is_taken_back_there_and_told_here() -> None:
    feed = Feed()
    feed.tell(standing("cart")[0], G, "cart")
    again = feed.tell(standing("cart", "cart")[0], H, "cart", "cart")
    assert again == [("correction", "as before", -300), ("correction", H, 300)]
    sold = feed.tell(standing("cart", "cart", "purchase")[0], G, "cart", "cart", "purchase")
    assert sold == [("correction", "as before", -300), ("sale", G, 12_800)]


def test_a_retracted_sale_leaves_nothing() -> None:
    retraction = LoggedEvent(id="a", name="purchase", time=1, received_at=1, order="o2", adjust="retract")
    feed = Feed()
    feed.tell(standing("cart")[0], G, "cart")
    feed.tell(standing("cart", "purchase")[0], G, "cart", "purchase")
    later = Feed(retraction)
    later.before = feed.before
    assert later.tell(standing("cart", "purchase")[0], G, "cart", "purchase") == [("adjustment", G, -12_800)]


def test_what_lies_below_the_ladder_is_told_as_nothing_and_not_remembered() -> None:
    (journey,) = standing("look")
    assert unchanged(journey, None, 5000)
    assert take_back(known(1, first=1), "expired") == []


def known(number: int, first: int, final: int = 0) -> Emitted:
    """A journey of which a feed was told nothing that matters here."""
    return Emitted(
        number=number,
        actor=1,
        first=first,
        begin=0,
        until=0,
        members=0,
        depth=0,
        final=final,
        sold=False,
        source=0,
        emitted=0,
        entry=0,
    )


def test_a_late_event_before_its_first_leaves_a_journey_what_it_is() -> None:
    journeys = standing("cart", "form", first=5)
    pairs, gone = matched([known(1, first=6)], journeys)
    assert [(one and one.number) for _, one in pairs] == [1]
    assert gone == []


def test_of_two_journeys_that_became_one_that_with_its_final_goes_on() -> None:
    (journey,) = standing("cart", "form", "purchase")
    pairs, gone = matched([known(1, first=1), known(2, first=2, final=3)], [journey])
    assert [(one and one.number) for _, one in pairs] == [2]
    assert [one.number for one in gone] == [1]


def test_a_journey_that_was_split_goes_on_with_its_final_and_the_rest_is_new() -> None:
    journeys = standing("cart", "purchase", "cart", "purchase")
    pairs, gone = matched([known(1, first=1, final=4)], journeys)
    assert [(one and one.number) for _, one in pairs] == [None, 1]
    assert gone == []


def test_a_journey_of_which_no_event_is_left_is_gone() -> None:
    pairs, gone = matched([known(1, first=99)], standing("cart"))
    assert ([one for _, one in pairs], [one.number for one in gone]) == ([None], [1])


@pytest.mark.parametrize(
    ("final", "free"),
    [(0, [3]), (2, [2, 3])],
    ids=["an open one takes all up to its deadline", "beside a final others are journeys of their own"],
)
def test_events_up_to_the_end_of_a_journey_that_is_kept_are_not_counted_again(final: int, free: list[int]) -> None:
    kept = replace(known(1, first=1, final=final), until=20)
    assert free_of([kept], [10, 20, 20, 30], [False, final != 0, True, True], [1, final or 2, 3, 4]) == (
        free if final else [3]
    )


@pytest.mark.parametrize(("credit", "clues"), [("last", [3, 2]), ("first", [1, 2])])
def test_events_between_the_end_of_a_journey_and_the_first_known_source_may_have_one(
    credit: str, clues: list[int]
) -> None:
    assert LADDER is not None
    ladder = replace(LADDER, credit=credit)
    (journey,) = standing_journeys([0, 1, 2], [1, 1, 1], [False, True, False], [1, 2, 3], ladder, 0)
    assert list(journey.clues) == clues
