"""How journeys end and what they bring, by the column; open ones and their deadlines; long work that is given up."""

from __future__ import annotations

from random import Random
from typing import Any

import msgspec
import numpy as np
import pytest

from kizashi_collector.analysis import Codes, EventTable, LoggedEvent, Worth
from kizashi_collector.analysis._journeys import CONVERTED, RETRACTED, UNENDED, Journeys, Ladder, find_journeys
from kizashi_schemas.plan import load_plan
from oracle.timelines import at, timeline
from properties.test_column_funnels_against_plain import table_of

YEN = 1_000_000
PLAN = load_plan(
    """
    currency = "JPY"
    rates = { USD = 150 }
    [events.view]
    action = "secondary"
    value = 300
    [events.buy]
    final = true
    action = "primary"
    value = "event"
    [events.ask]
    final = true
    action = "primary"
    value = 70
    [values]
    ladder = ["view"]
    horizon = "100s"
    """
)


def ladder() -> Ladder:
    found = Ladder.of(PLAN)
    assert found is not None
    return found


def found_in(log: list[LoggedEvent], as_of: float = 1_000, **asked: Any) -> Journeys:
    worth = Worth(PLAN, [event for event in log if event.adjust and event.time <= at(as_of)])
    adjusted = {seq: event for seq, event in enumerate(log, 1) if (event.name, event.order) in worth.adjusted}
    table, codes = table_of(log, Random(1))
    return find_journeys(table, codes, ladder(), worth=worth, adjusted=adjusted, as_of=at(as_of), **asked)


def ends(found: Journeys) -> list[tuple[int, int]]:
    """Of each journey: how it ended, and what it brought."""
    return list(zip(found.ended.tolist(), found.brought.tolist(), strict=True))


def sale(seconds: float, value: int | None = 5_000 * YEN, currency: str | None = "JPY", **fields: Any) -> LoggedEvent:
    (event,) = timeline(f"buy@{seconds}", order="o-1", value=value, currency=currency)
    return msgspec.structs.replace(event, **({"id": f"s{seconds}"} | fields))


def adjustment(adjust: Any, seconds: float, value: int | None = None, currency: str = "JPY") -> LoggedEvent:
    fields: dict[str, Any] = {"adjust": adjust, "actor": None, "id": f"r{seconds}"}
    return sale(seconds, value, currency, **fields)


def test_a_journey_without_a_final_brought_nothing_yet() -> None:
    assert ends(found_in(timeline("view@0"))) == [(UNENDED, 0)]


def test_a_converted_journey_brought_what_its_final_carries() -> None:
    assert ends(found_in([*timeline("view@0"), sale(10)])) == [(CONVERTED, 5_000 * YEN)]
    assert ends(found_in([sale(10, 20 * YEN, "USD")])) == [(CONVERTED, 3_000 * YEN)]
    assert ends(found_in([sale(10, None, None)])) == [(CONVERTED, 0)]


@pytest.mark.parametrize(("value", "currency"), [(9 * YEN, "JPY"), (10**16, "USD"), (YEN, "EUR"), (None, None)])
def test_or_the_number_that_the_plan_has_for_it(value: int | None, currency: str | None) -> None:
    found = found_in([*timeline("view@0"), msgspec.structs.replace(sale(10, value, currency), name="ask")])
    assert (ends(found), found.apart) == ([(CONVERTED, 70 * YEN)], {})


def test_a_retracted_final_still_ends_its_journey_which_is_then_not_converted() -> None:
    log = [*timeline("view@0 view@20"), sale(10), adjustment("retract", 500)]
    found = found_in(log)
    assert ends(found) == [(RETRACTED, 0), (UNENDED, 0)]
    assert found.end.tolist() == [at(10), -1]
    assert found.begin.tolist() == [at(0), at(20)]
    asked = [msgspec.structs.replace(event, name="ask") for event in (sale(10), adjustment("retract", 20))]
    assert ends(found_in(asked)) == [(RETRACTED, 0)]


def test_a_restatement_gives_the_new_total_of_the_journey_of_the_original() -> None:
    log = [*timeline("view@0"), sale(10), adjustment("restate", 500, 7 * YEN), *timeline("view@20")]
    assert ends(found_in(log)) == [(CONVERTED, 7 * YEN), (UNENDED, 0)]


def test_an_adjustment_counts_from_its_own_time_on() -> None:
    log = [sale(10), adjustment("restate", 500, 7 * YEN), adjustment("retract", 600)]
    assert ends(found_in(log, 499.999)) == [(CONVERTED, 5_000 * YEN)]
    assert ends(found_in(log, 500)) == [(CONVERTED, 7 * YEN)]
    assert ends(found_in(log, 600)) == [(RETRACTED, 0)]


def test_what_fits_no_column_is_kept_apart() -> None:
    most = 10**16
    found = found_in([*timeline("ask@0"), sale(10, most, "USD"), sale(20, most - 1, "JPY", order=None)])
    assert ends(found) == [(CONVERTED, 70 * YEN), (CONVERTED, 0), (CONVERTED, most - 1)]
    assert found.apart == {1: 150 * most}


def test_a_restatement_may_fit_no_column_either_and_replace_what_did_not() -> None:
    most = 10**16
    grown = found_in([sale(10, 1, "USD"), adjustment("restate", 20, most, "USD")])
    assert (ends(grown), grown.apart) == ([(CONVERTED, 0)], {0: 150 * most})
    shrunk = found_in([sale(10, most, "USD"), adjustment("restate", 20, 3 * YEN, "USD")])
    assert (ends(shrunk), shrunk.apart) == ([(CONVERTED, 450 * YEN)], {})
    retracted = found_in([sale(10, most, "USD"), adjustment("retract", 20)])
    assert (ends(retracted), retracted.apart) == ([(RETRACTED, 0)], {})


def test_money_that_no_rate_converts_is_unknown() -> None:
    found = found_in([sale(10, YEN, "EUR"), sale(20, order=None)])
    assert ends(found) == [(CONVERTED, 0), (CONVERTED, 5_000 * YEN)]
    assert found.apart == {0: None}


def test_a_journey_is_open_up_to_its_deadline() -> None:
    log = [*timeline("view@0 view@60", "i"), *timeline("view@0 ask@5", "j"), *timeline("ask@5", "k")]
    assert found_in(log, 100).open_at(at(100), ladder().horizon_ms).sum() == 1
    assert found_in(log, 100.001).open_at(at(100.001), ladder().horizon_ms).sum() == 0
    deadlines = found_in(log, 100).deadlines(ladder().horizon_ms).tolist()
    assert sorted(deadlines) == [-1, at(100), at(100)]


def test_without_events_there_are_no_journeys() -> None:
    found = find_journeys(
        EventTable.empty(), Codes([""], [""], [{}]), ladder(), worth=Worth(PLAN, []), adjusted={}, as_of=0
    )
    assert len(found) == 0
    assert found.reached.shape == (0, 2)
    assert found.deadlines(1).tolist() == []


def test_codes_may_be_as_large_as_a_column_holds_over_all_of_time() -> None:
    """2³¹ actors over 60 years do not fit into one word with the time."""
    actor = np.array([2**31 - 1, 5, 2**31 - 1, 5, 2**30 + 5], np.int32)
    time = np.array([0, 0, 60 * 365 * 86_400_000, 99_000, 100_000])
    ones = np.ones(5, np.int64)
    table = EventTable(np.arange(1, 6), ones, time, time, -ones, 0 * ones, 0 * ones, actor, ones > 1)
    codes = Codes(["", "view"], [""], [{}])
    found = find_journeys(table, codes, ladder(), worth=Worth(PLAN, []), adjusted={}, as_of=int(time.max()))
    assert list(zip(found.actor.tolist(), found.begin.tolist(), strict=True)) == [
        (5, 0),
        (2**30 + 5, 100_000),
        (2**31 - 1, 0),
        (2**31 - 1, int(time.max())),
    ]


def test_what_the_check_raises_ends_the_work() -> None:
    def give_up() -> None:
        raise TimeoutError

    with pytest.raises(TimeoutError):
        found_in(timeline("view@0"), check=give_up)
