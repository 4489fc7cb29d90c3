"""Two readings of the rules of journeys meet, and what is found by the column must equal both, row by row."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kizashi_collector.analysis import Codes, EventTable, LoggedEvent, Worth
from kizashi_collector.analysis._journeys import (
    ActorJourney,
    Journey,
    Ladder,
    actor_journeys,
    find_journeys,
    walk_journeys,
)
from kizashi_schemas.plan import Plan, load_plan
from oracle.journeys import journey_answers
from oracle.logs import GRID_MS, ORIGIN_MS, event_logs
from properties.test_column_funnels_against_plain import table_of
from tried import tried

_PROFILE = tried(100)

# The log's grid has four instants a day and a millisecond on either side: an edge of 6h or 18h is often met exactly.
TEXT = """
    currency = "JPY"
    rates = { USD = 150.5 }
    [events.a]
    action = "secondary"
    [events.b]
    action = "secondary"
    [events.c]
    action = "secondary"
    value = 40
    [events.o]
    action = "secondary"
    [events.f]
    final = true
    action = "primary"
    value = "event"
    [events.g]
    final = true
    action = "secondary"
    value = 70
    [values]
    ladder = ["a", "b", "c"]
    horizon = "6h"
    credit = "last"
"""
PLANS = [
    load_plan(TEXT),
    load_plan(TEXT.replace('"last"', '"first"')),
    load_plan(TEXT.replace("6h", "18h")),
    load_plan(TEXT.replace('["a", "b", "c"]', '["c", "a"]').replace("6h", "12h").replace('"last"', '"first"')),
    load_plan(TEXT.replace('["a", "b", "c"]', "[]")),
    load_plan(TEXT.replace("rates = { USD = 150.5 }", "").replace("6h", "28d")),
]
NAMES = "aaabbccooffgx"
_AS_OF = st.builds(lambda slot, beside: ORIGIN_MS + slot * GRID_MS + beside, st.integers(-1, 12), st.integers(-1, 1))


def ladder_of(plan: Plan) -> Ladder:
    ladder = Ladder.of(plan)
    assert ladder is not None
    return ladder


def _plain_rows(log: Sequence[LoggedEvent], plan: Plan, as_of: int) -> list[dict[str, Any]]:
    """What the plain algorithm finds, as the oracle says it."""
    ladder = ladder_of(plan)
    worth = Worth(plan, [event for event in log if event.adjust and event.time <= as_of])
    rows = []
    for actor in sorted({event.actor for event in log if event.actor is not None}):
        own = [event for event in log if event.actor == actor]
        walked = walk_journeys(own, ladder, as_of=as_of)
        rows += [{"actor": actor, **_plain_row(journey, ladder, worth)} for journey in walked]
    return rows


def _plain_row(journey: Journey, ladder: Ladder, worth: Worth) -> dict[str, Any]:
    final = journey.final
    retracted = final is not None and worth.retracted(final)
    return {
        "begin": journey.begin,
        "source": dict(journey.source(ladder)),
        "deepest": journey.deepest(ladder),
        "reached": [journey.reached.get(depth, -1) for depth in range(ladder.final)],
        "ended": 0 if final is None else 2 if retracted else 1,
        "end": -1 if final is None else final.time,
        "final": None if final is None else final.name,
        "brought": 0 if final is None else worth.final(final),
    }


def _table_rows(log: Sequence[LoggedEvent], plan: Plan, as_of: int, seed: int) -> list[dict[str, Any]]:
    """What is found by the column, decoded, in an order that does not depend on the codes."""
    table, codes = table_of(log, Random(seed))
    worth = Worth(plan, [event for event in log if event.adjust and event.time <= as_of])
    adjusted = {seq: event for seq, event in enumerate(log, 1) if (event.name, event.order) in worth.adjusted}
    found = find_journeys(table, codes, ladder_of(plan), worth=worth, adjusted=adjusted, as_of=as_of)
    actors = {int(table.actor[row]): log[int(table.seq[row]) - 1].actor for row in range(len(table))}
    order = list(zip(found.actor.tolist(), found.begin.tolist(), strict=True))
    assert order == sorted(order)
    rows = [
        {
            "actor": actors[int(found.actor[row])],
            "begin": int(found.begin[row]),
            "source": dict(codes.sources[int(found.source[row])]),
            "deepest": int(found.deepest[row]),
            "reached": found.reached[row].tolist(),
            "ended": int(found.ended[row]),
            "end": int(found.end[row]),
            "final": codes.names[int(found.final[row])] or None,
            "brought": found.apart[row] if row in found.apart else int(found.brought[row]),
        }
        for row in range(len(found))
    ]
    assert all(found.brought[row] == 0 for row in found.apart)
    # Stable: the journeys of one actor stay in the order that they were found in.
    return sorted(rows, key=lambda row: str(row["actor"]))


def _check(log: list[LoggedEvent], plan: Plan, as_of: int, seed: int) -> None:
    expected = journey_answers(log, plan, as_of)
    assert _plain_rows(log, plan, as_of) == expected
    assert _table_rows(log, plan, as_of, seed) == expected


@_PROFILE
@given(
    log=event_logs(names=NAMES, min_size=4, max_size=24, crowd=24, actors="iiij"),
    plan=st.sampled_from(PLANS),
    as_of=st.one_of(st.just(ORIGIN_MS + 13 * GRID_MS), _AS_OF),
    seed=st.integers(0, 9),
    factor=st.sampled_from([1, 10**9]),
)
def test_any_journeys_equal_the_brute_force(
    log: list[LoggedEvent], plan: Plan, as_of: int, seed: int, factor: int
) -> None:
    log = [msgspec.structs.replace(e, value=None if e.value is None else min(e.value * factor, 10**16)) for e in log]
    _check(log, plan, as_of, seed)


_SOURCES = [{}, {}, {"campaign": "g"}, {"campaign": "h"}, {"device": "d"}]


def _crowd(draw: Random, size: int, actors: str, slots: int) -> list[LoggedEvent]:
    names = draw.choice([NAMES, "aaab", "abco", "aaaaaaaaf", "o"])
    return [
        LoggedEvent(
            id=f"{number}",
            name=draw.choice(names),
            time=ORIGIN_MS + draw.randrange(slots) * GRID_MS // 2 + draw.choice([0, 0, 0, 1]),
            received_at=0,
            actor=draw.choice(actors),
            source=draw.choice(_SOURCES),
        )
        for number in range(size)
    ]


@pytest.mark.parametrize("seed", range(3))
def test_journeys_of_crowds_equal_the_brute_force(seed: int) -> None:
    for number in range(60):
        draw = Random(f"{seed}/{number}")
        slots = draw.choice([2, 5, 20, 60])
        log = _crowd(draw, draw.choice([5, 20, 60]), draw.choice(["i", "ij", "ijklmnop"]), slots)
        as_of = ORIGIN_MS + draw.choice([slots, slots, slots // 2]) * GRID_MS
        _check(log, draw.choice(PLANS), as_of, number)


# -- tables of many ------------------------------------------------------------------------------------------------


def _many(draw: np.random.Generator, size: int, actors: int, days: int) -> tuple[EventTable, Codes]:
    """Random events on a grid of hours, a few milliseconds beside it now and then; the first actor has a tenth."""
    actor = np.where(draw.random(size) < 0.1, 1, draw.integers(1, actors + 1, size)).astype(np.int32)
    time = ORIGIN_MS + draw.integers(0, days * 24, size) * 3_600_000 + draw.integers(0, 40, size) // 39
    kinds = [1, 1, 1, 2, 2, 3, 4, 4, 5, 6, 7]
    names = ["", *"abcofgx"]
    return EventTable(
        seq=np.arange(1, size + 1),
        name=np.array(kinds, np.uint8)[draw.integers(0, len(kinds), size)],
        time=time,
        received_at=time,
        value=draw.integers(-1, 5, size) * 10**6,
        currency=np.ones(size, np.int32),
        source=np.maximum(draw.integers(-2, 4, size), 0).astype(np.uint16),
        actor=actor,
        imported=np.zeros(size, np.bool_),
    ), Codes(names, ["", "JPY"], [{}, {"campaign": "g"}, {"campaign": "h"}, {"device": "d"}])


def _rows_by_actor(table: EventTable, codes: Codes, ladder: Ladder) -> dict[int, list[tuple[ActorJourney, list[int]]]]:
    """The journeys of each actor from plain numbers, and the rows of the actor's events in order."""
    rank = ladder.ranks(codes.names)[table.name]
    depth = {code: ladder.depths.get(name) for code, name in enumerate(codes.names)}
    own: dict[int, list[int]] = {}
    for row in np.lexsort((table.seq, rank, table.time)).tolist():
        if depth[int(table.name[row])] is not None:
            own.setdefault(int(table.actor[row]), []).append(row)
    answer = {}
    for actor, rows in sorted(own.items()):
        depths = [ladder.depths[codes.names[code]] for code in table.name[rows].tolist()]
        journeys = actor_journeys(table.time[rows].tolist(), depths, table.source[rows].tolist(), ladder)
        answer[actor] = [(journey, rows) for journey in journeys]
    return answer


@pytest.mark.parametrize(("size", "actors", "days"), [(150_000, 3_000, 40), (40_000, 60, 90), (30_000, 30_000, 3)])
@pytest.mark.parametrize("plan", [PLANS[1], PLANS[2]])
def test_tables_of_many_buckets_equal_the_journeys_of_each_actor(size: int, actors: int, days: int, plan: Plan) -> None:
    table, codes = _many(np.random.default_rng(size), size, actors, days)
    ladder = ladder_of(plan)
    found = find_journeys(table, codes, ladder, worth=Worth(plan, []), adjusted={}, as_of=ORIGIN_MS + days * 86_400_000)
    each = _rows_by_actor(table, codes, ladder)
    expected = [(actor, journey, rows) for actor, pairs in each.items() for journey, rows in pairs]
    assert found.actor.tolist() == [actor for actor, _, _ in expected]
    assert found.begin.tolist() == [int(table.time[rows[journey.first]]) for _, journey, rows in expected]
    assert found.deepest.tolist() == [journey.deepest for _, journey, _ in expected]
    assert found.reached.tolist() == [journey.reached for _, journey, _ in expected]
    assert found.source.tolist() == [journey.source for _, journey, _ in expected]
    ends = [rows[journey.last] if journey.final else None for _, journey, rows in expected]
    assert found.end.tolist() == [-1 if row is None else int(table.time[row]) for row in ends]
    assert found.final.tolist() == [0 if row is None else int(table.name[row]) for row in ends]


@_PROFILE
@given(
    log=event_logs(names=NAMES, min_size=4, max_size=24, crowd=24, actors="i", adjusted=False),
    plan=st.sampled_from(PLANS),
)
def test_plain_numbers_of_one_actor_give_the_plain_journeys(log: list[LoggedEvent], plan: Plan) -> None:
    ladder = ladder_of(plan)
    walked = walk_journeys(log, ladder, as_of=ORIGIN_MS + 13 * GRID_MS)
    events = [event for journey in walked for event in journey.events]
    sources: list[Any] = [{}]
    for event in events:
        sources += [] if event.source in sources else [event.source]
    found = actor_journeys(
        [event.time for event in events],
        [ladder.depths[event.name] for event in events],
        [sources.index(event.source) for event in events],
        ladder,
    )
    assert [events[one.first : one.last + 1] for one in found] == [journey.events for journey in walked]
    assert [one.deepest for one in found] == [journey.deepest(ladder) for journey in walked]
    assert [sources[one.source] for one in found] == [journey.source(ladder) for journey in walked]
    assert [one.final for one in found] == [journey.final is not None for journey in walked]
    assert [one.reached for one in found] == [
        [journey.reached.get(depth, -1) for depth in range(ladder.final)] for journey in walked
    ]
