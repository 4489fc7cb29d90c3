"""Journeys in ClickHouse where small random logs do not lead: bins over all their range, crowds, and actors of many
events."""

from __future__ import annotations

import random

import numpy as np
import pytest

from clickhouse_engine import ask, events_table, fill
from kizashi_collector.analysis import Interval, Ladder, LagGrid, LoggedEvent, Worth, walk_journeys, walked_journeys
from kizashi_collector.analysis._values._exact import amount_bin
from kizashi_collector.store._clickhouse._amounts import Amounts
from kizashi_collector.store._clickhouse._journeys import journeys_sql, learn, row_cells
from kizashi_collector.store._clickhouse._journeys._bins import SIZES, edges, lag_edge, size_edge
from kizashi_collector.store._clickhouse._sql import Parameters, View
from kizashi_collector.store._current import learn as learn_in_columns
from kizashi_collector.store._known_keys import bounded
from kizashi_schemas.plan import Plan, load_plan

HOUR, DAY = 3_600_000, 86_400_000
NOW = 1_793_318_400_000
PLAN = load_plan("""
    currency = "JPY"
    [events.view]
    action = "secondary"
    [events.cart]
    action = "secondary"
    [events.look]
    action = "secondary"
    [events.buy]
    final = true
    action = "primary"
    value = "event"
    [values]
    ladder = ["view", "cart"]
    horizon = "2d"
    lookback = "40d"
""")


def ladder_of(plan: Plan) -> Ladder:
    ladder = Ladder.of(plan)
    assert ladder is not None
    return ladder


LADDER = ladder_of(PLAN)


def event(number: int, name: str, time: int, actor: str, **fields: object) -> LoggedEvent:
    return LoggedEvent(id=f"e{number}", name=name, time=time, received_at=time, actor=actor, **fields)  # type: ignore[arg-type]


def shop(size: int, seed: int = 1) -> list[LoggedEvent]:
    draw = random.Random(seed)
    return [
        event(
            number,
            draw.choice(["view", "view", "view", "cart", "look", "buy"]),
            NOW - draw.randrange(60 * DAY),
            f"a{draw.randrange(size // 6)}",
            value=draw.choice([None, 0, 10**6, draw.randrange(10**13)]),
            currency="JPY",
            source=draw.choice([{}, {"campaign": f"c{draw.randrange(9)}", "gclid": f"g{draw.randrange(12)}"}]),
        )
        for number in range(size)
    ]


@pytest.mark.parametrize("horizon", [1, 60_000, 60_001, 6 * HOUR, 2 * DAY, 14 * DAY, 400 * DAY])
def test_a_lag_is_in_the_bin_of_the_grid(horizon: int) -> None:
    grid = LagGrid.of(horizon)
    beside = {edge + by for edge in grid.edges for by in (-60_000, -1, 0, 1, 59_999)}
    lags = sorted({lag for lag in beside if lag >= 0} | {horizon * n // 997 for n in range(1_200)})
    sql = f"SELECT {lag_edge('intDiv(lag, 60000)', grid)} FROM (SELECT arrayJoin({{lags:Array(UInt64)}}) AS lag)"
    [found] = ask(sql, {"lags": lags})
    bins = edges(grid)
    assert [bins[edge] for edge in found] == grid.bin_of(np.array(lags)).tolist()


def test_an_amount_is_in_the_bin_of_its_size() -> None:
    draw = random.Random(2)
    beside = {least + by for least in SIZES for by in (-1, 0, 1)}
    drawn = {draw.randrange(1 << draw.randrange(1, 57)) for _ in range(5_000)}
    amounts = sorted(amount for amount in {*range(300), *beside, *drawn} if 0 <= amount < 1 << 56)
    sql = f"SELECT {size_edge('amount')} FROM (SELECT arrayJoin({{amounts:Array(UInt64)}}) AS amount)"
    [found] = ask(sql, {"amounts": amounts})
    assert [SIZES[least] for least in found] == amount_bin(np.array(amounts)).tolist()


def journeys(view: View, plan: Plan = PLAN) -> list[tuple[int, ...]]:
    """Begin, deepest, what was reached, ended, end: of all journeys in the view."""
    parameters, ladder = Parameters(), ladder_of(plan)
    amounts = Amounts.of(plan, view, NOW, parameters, adjusted=False)
    sql = journeys_sql(ladder, view, NOW, parameters, amounts, ())
    columns = f"begin, deepest, reached_0, {', '.join(f'reached_{n + 1}' for n in range(ladder.steps))}, ended, end"
    return sorted(zip(*ask(f"SELECT {columns} FROM ({sql})", parameters.values), strict=True))


def walked(log: list[LoggedEvent]) -> list[tuple[int, ...]]:
    return sorted(
        (
            journey.begin,
            journey.deepest(LADDER),
            *(journey.reached.get(depth, -1) for depth in range(LADDER.final)),
            int(journey.final is not None),
            -1 if journey.final is None else journey.final.time,
        )
        for journey in walk_journeys(log, LADDER, as_of=NOW)
    )


@pytest.mark.parametrize("names", [["view"], ["look", "view", "view", "cart"], ["view", "cart", "view", "buy"]])
def test_an_actor_of_many_events_has_the_journeys_of_the_plain_algorithm(names: list[str]) -> None:
    draw = random.Random(3)
    log = [event(n, draw.choice(names), NOW - draw.randrange(300 * DAY), "bot") for n in range(6_000)]
    assert journeys(events_table(log)) == walked(log)


def test_gaps_that_are_just_the_horizon_and_just_more_are_told_apart() -> None:
    horizon = LADDER.horizon_ms
    for gaps in ([horizon, horizon], [horizon, 1], [horizon + 1, horizon], [1, horizon - 1, 1], [horizon - 1, 1, 1]):
        times = [NOW - 90 * DAY + sum(gaps[:n]) for n in range(len(gaps) + 1)]
        log = [event(n, "view", time, "i") for n, time in enumerate(times)]
        assert journeys(events_table(log)) == walked(log)


def test_a_crowd_has_the_cells_and_values_of_the_columns() -> None:
    log = shop(2_000)
    view, worth = events_table(log), Worth(PLAN, [])
    found, credited = walked_journeys(log, LADDER, worth, as_of=NOW)
    interval = Interval(NOW - 7 * DAY, NOW, NOW)
    cells = row_cells(ask, view, PLAN, LADDER, interval, ("campaign",), LagGrid.of(LADDER.horizon_ms), False)
    assert cells.keys == [("",), *((f"c{n}",) for n in range(9))]
    inside = (found.begin > interval.start) & (found.begin <= interval.end)
    assert cells.journeys.sum() == inside.sum()
    assert cells.brought == [
        sum(found.brought[inside & [credited[code].get("campaign", "") == key for code in found.source]].tolist())
        for (key,) in cells.keys
    ]
    for by, most in ((("campaign",), None), (("campaign", "gclid"), 20), (("gclid", "campaign"), 13), (("gclid",), 3)):
        sources = credited if most is None else bounded(credited, by, most)
        expected = learn_in_columns(found, sources, PLAN, LADDER, NOW, [by])
        learned = learn(ask, view, PLAN, LADDER, NOW, [by], adjusted=False, at_once=1_000, most=most)
        assert learned.fits == expected.fits
        assert (learned.plan, learned.boundary, learned.made_at) == (expected.plan, expected.boundary, NOW)


def test_where_nothing_happened_there_is_nothing_to_add_up() -> None:
    view = events_table([])
    interval = Interval(NOW - DAY, NOW, NOW)
    cells = row_cells(ask, view, PLAN, LADDER, interval, ("campaign",), LagGrid.of(LADDER.horizon_ms), False)
    assert (list(cells.keys), cells.journeys.tolist(), list(cells.brought)) == ([], [], [])
    none, sources = walked_journeys([], LADDER, Worth(PLAN, []), as_of=NOW)
    learned = learn(ask, view, PLAN, LADDER, NOW, [("campaign",)], adjusted=False)
    assert learned.fits == learn_in_columns(none, sources, PLAN, LADDER, NOW, [("campaign",)]).fits


def test_finals_of_one_instant_end_journeys_in_the_order_in_which_they_came() -> None:
    view, parameters = events_table([]), Parameters()
    # Written the other way round: what counts is the number of the batch.
    for batch in (3, 2, 1):
        fill(view, [event(batch, "buy", NOW, "i", value=batch * 10**6, currency="JPY")], batch)
    fill(view, [event(4, "view", NOW, "i")], 4)
    amounts = Amounts.of(PLAN, view, NOW, parameters, adjusted=False)
    sql = journeys_sql(LADDER, view, NOW, parameters, amounts, ())
    [deepest, brought] = ask(f"SELECT deepest, brought FROM ({sql}) ORDER BY deepest, brought", parameters.values)
    assert (list(deepest), list(brought)) == ([1, LADDER.final, LADDER.final], [1_000_000, 2_000_000, 3_000_000])
