"""Journeys, sentence by sentence of the rules: as the plain algorithm finds them, and by the column."""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Any

import msgspec
import pytest

from kizashi_collector.analysis import LoggedEvent, Worth
from kizashi_collector.analysis._journeys import Ladder, find_journeys, walk_journeys
from kizashi_schemas.plan import load_plan
from oracle.timelines import START_MS, at, timeline
from properties.test_column_funnels_against_plain import table_of

TEXT = """
    currency = "JPY"
    [events.view]
    action = "secondary"
    [events.cart]
    action = "secondary"
    [events.form]
    action = "secondary"
    [events.letter]
    action = "secondary"
    [events.buy]
    final = true
    action = "primary"
    value = "event"
    [events.ask]
    final = true
    action = "primary"
    value = 70
    [values]
    ladder = ["view", "cart", "form"]
    horizon = "100s"
"""
Found = list[tuple[float, int, list[float | None], float | None, str | None, str]]
"""Of each journey: begin, deepest, when each depth was reached, end, final, campaign."""
Find = Callable[..., Found]
NEVER = None


def _seconds(time: int) -> float | None:
    return None if time == -1 else (time - START_MS) / 1000


def _plainly(log: list[LoggedEvent], ladder: Ladder, as_of: int) -> Found:
    return [
        (
            (journey.begin - START_MS) / 1000,
            journey.deepest(ladder),
            [_seconds(journey.reached.get(depth, -1)) for depth in range(ladder.final)],
            _seconds(-1 if journey.final is None else journey.final.time),
            None if journey.final is None else journey.final.name,
            journey.source(ladder).get("campaign", ""),
        )
        for journey in walk_journeys(log, ladder, as_of=as_of)
    ]


def _by_column(log: list[LoggedEvent], ladder: Ladder, as_of: int) -> Found:
    table, codes = table_of(log, Random(1))
    found = find_journeys(table, codes, ladder, worth=Worth(load_plan(TEXT), []), adjusted={}, as_of=as_of)
    return [
        (
            (int(found.begin[row]) - START_MS) / 1000,
            int(found.deepest[row]),
            [_seconds(time) for time in found.reached[row].tolist()],
            _seconds(int(found.end[row])),
            codes.names[int(found.final[row])] or None,
            codes.sources[int(found.source[row])].get("campaign", ""),
        )
        for row in range(len(found))
    ]


@pytest.fixture(params=[_plainly, _by_column], ids=["plainly", "by_column"])
def find(request: pytest.FixtureRequest) -> Find:
    def found(text: str, *, credit: str = "last", as_of: float = 10_000) -> Found:
        ladder = Ladder.of(load_plan(f'{TEXT}\n    credit = "{credit}"'))
        assert ladder is not None
        answer: Found = request.param(timeline(text), ladder, at(as_of))
        return answer

    return found


def begins_and_ends(found: Found) -> list[tuple[float, float | None]]:
    return [(journey[0], journey[3]) for journey in found]


def test_a_journey_runs_from_its_first_micro_conversion_to_its_first_final(find: Find) -> None:
    assert find("view@0 cart@10 buy@20") == [(0, 2, [NEVER, 0, 10, NEVER], 20, "buy", "")]


def test_it_ends_at_a_final_of_any_kind(find: Find) -> None:
    assert begins_and_ends(find("view@0 ask@10 buy@20")) == [(0, 10), (20, 20)]


def test_only_planned_events_matter(find: Find) -> None:
    assert find("surprise@-50[campaign=x] view@0 surprise@5[campaign=y]") == find("view@0")
    # Nor does one keep a journey open.
    assert begins_and_ends(find("view@0 surprise@60 view@101")) == [(0, None), (101, None)]


def test_a_final_with_nothing_before_it_is_a_journey_of_its_own(find: Find) -> None:
    assert find("buy@5[campaign=g]") == [(5, 4, [NEVER] * 4, 5, "buy", "g")]


def test_the_next_event_after_a_final_begins_a_new_journey(find: Find) -> None:
    assert begins_and_ends(find("cart@0 buy@10 view@11 buy@20")) == [(0, 10), (11, 20)]


def test_the_horizons_edge_is_inclusive(find: Find) -> None:
    assert begins_and_ends(find("view@0 buy@100")) == [(0, 100)]
    assert begins_and_ends(find("view@0 buy@100.001")) == [(0, None), (100.001, 100.001)]
    assert begins_and_ends(find("view@0 cart@100 buy@200")) == [(0, 200)]


def test_reaching_a_deeper_step_restarts_the_clock(find: Find) -> None:
    assert find("view@0 cart@90 form@180 buy@280") == [(0, 3, [NEVER, 0, 90, 180], 280, "buy", "")]


def test_repeats_do_not(find: Find) -> None:
    assert begins_and_ends(find("view@0 view@90 buy@150")) == [(0, None), (150, 150)]
    assert find("cart@0 cart@90")[0][2] == [NEVER, NEVER, 0, NEVER]


def test_shallower_steps_do_not(find: Find) -> None:
    assert begins_and_ends(find("cart@0 view@90 letter@95 buy@150")) == [(0, None), (150, 150)]
    assert find("cart@0 view@90 letter@95")[0][2] == [NEVER, NEVER, 0, NEVER]


def test_the_next_event_after_expiry_begins_a_new_journey(find: Find) -> None:
    found = find("form@0 view@60 view@101 cart@102")
    assert found == [
        (0, 3, [NEVER, NEVER, NEVER, 0], None, None, ""),
        (101, 2, [NEVER, 101, 102, NEVER], None, None, ""),
    ]


def test_a_horizon_without_deeper_steps_ends_journey_after_journey(find: Find) -> None:
    found = find(" ".join(f"view@{time}" for time in range(0, 600, 40)))
    assert [journey[0] for journey in found] == [0, 120, 240, 360, 480]


def test_a_step_that_was_jumped_was_never_reached(find: Find) -> None:
    assert find("view@0 form@10 cart@20")[0][:3] == (0, 3, [NEVER, 0, NEVER, 10])


def test_events_off_the_ladder_open_a_journey_below_its_first_step(find: Find) -> None:
    assert find("letter@0 letter@5 view@50 buy@150") == [(0, 1, [0, 50, NEVER, NEVER], 150, "buy", "")]
    assert find("letter@0")[0][:3] == (0, 0, [0, NEVER, NEVER, NEVER])


def test_at_one_instant_the_ladder_goes_first_in_its_order(find: Find) -> None:
    assert find("form@0 letter@0 cart@0 view@0")[0][:3] == (0, 3, [NEVER, 0, 0, 0])


def test_at_one_instant_finals_come_last(find: Find) -> None:
    assert find("buy@0 letter@0") == [(0, 0, [0, NEVER, NEVER, NEVER], 0, "buy", "")]
    assert find("buy@9 view@9 letter@9") == [(9, 1, [NEVER, 9, NEVER, NEVER], 9, "buy", "")]


def test_of_two_finals_at_one_instant_the_first_in_the_log_ends_the_journey(find: Find) -> None:
    found = find("view@0 ask@10 buy@10")
    assert [(journey[1], journey[4]) for journey in found] == [(1, "ask"), (4, "buy")]
    found = find("view@0 buy@10 ask@10")
    assert [(journey[1], journey[4]) for journey in found] == [(1, "buy"), (4, "ask")]


def test_the_credit_is_that_of_the_last_event_with_a_source(find: Find) -> None:
    assert find("view@0[campaign=g] cart@1[campaign=h] buy@2")[0][5] == "h"
    assert find("view@0[campaign=g] buy@2[campaign=h]")[0][5] == "h"
    # Repeats count for it, too.
    assert find("cart@0[campaign=g] view@1[campaign=h]")[0][5] == "h"


def test_or_that_of_the_first(find: Find) -> None:
    assert find("view@0 cart@1[campaign=g] buy@2[campaign=h]", credit="first")[0][5] == "g"
    assert find("view@0 cart@1 buy@2[campaign=h]", credit="first")[0][5] == "h"


def test_a_journey_without_any_source_belongs_to_none(find: Find) -> None:
    for credit in ("first", "last"):
        found = find("view@0[campaign=g] buy@1 view@2 buy@3 view@4[campaign=h]", credit=credit)
        assert [journey[5] for journey in found] == ["g", "", "h"]


def test_the_credit_is_the_whole_source_of_one_event() -> None:
    log = timeline("view@0[campaign=g,device=d] buy@2[campaign=h]")
    ladder = Ladder.of(load_plan(TEXT))
    assert ladder is not None
    assert walk_journeys(log, ladder, as_of=at(9))[0].source(ladder) == {"campaign": "h"}
    table, codes = table_of(log, Random(1))
    found = find_journeys(table, codes, ladder, worth=Worth(load_plan(TEXT), []), adjusted={}, as_of=at(9))
    assert codes.sources[int(found.source[0])] == {"campaign": "h"}


def test_of_one_instant_the_credit_follows_the_order_of_steps_then_of_the_log(find: Find) -> None:
    assert find("cart@0[campaign=g] view@0[campaign=h]")[0][5] == "g"
    assert find("cart@0[campaign=g] view@0[campaign=h]", credit="first")[0][5] == "h"
    assert find("view@0[campaign=g] view@0[campaign=h]")[0][5] == "h"
    assert find("view@0[campaign=g] view@0[campaign=h]", credit="first")[0][5] == "g"


def test_what_comes_after_as_of_is_not_known_yet(find: Find) -> None:
    text = "view@0[campaign=g] cart@10[campaign=h] buy@20"
    assert find(text, as_of=10) == [(0, 2, [NEVER, 0, 10, NEVER], None, None, "h")]
    assert find(text, as_of=9.999) == [(0, 1, [NEVER, 0, NEVER, NEVER], None, None, "g")]
    assert find(text, as_of=-1) == []


def test_adjustments_are_no_steps_even_where_they_name_an_actor() -> None:
    ladder = Ladder.of(load_plan(TEXT))
    assert ladder is not None
    log = timeline("view@0 buy@50", order="o-1") + timeline("buy@20", order="o-1", adjust="retract")
    (journey,) = walk_journeys(log, ladder, as_of=at(99))
    assert journey.final == log[1]


def test_actors_have_journeys_of_their_own() -> None:
    ladder = Ladder.of(load_plan(TEXT))
    assert ladder is not None
    log = timeline("view@0 buy@20", "i") + timeline("cart@5", "j")
    log += [msgspec.structs.replace(event, actor=None) for event in timeline("view@0", "k")]
    table, codes = table_of(log, Random(1))
    asked: dict[str, Any] = {"worth": Worth(load_plan(TEXT), []), "adjusted": {}, "as_of": at(99)}
    found = find_journeys(table, codes, ladder, **asked)
    assert sorted(zip(found.begin.tolist(), found.end.tolist(), strict=True)) == [(at(0), at(20)), (at(5), -1)]
    assert len(set(found.actor.tolist())) == 2
