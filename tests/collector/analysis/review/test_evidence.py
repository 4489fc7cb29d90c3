"""What a review counts, against the plain walk over each actor's events; and how little the order of events matters."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kizashi_collector.analysis import LoggedEvent, Worth, nearest_rank
from kizashi_collector.analysis._journeys import Journey, Ladder, walk_journeys
from kizashi_collector.analysis._review import Review
from kizashi_schemas.plan import load_plan
from oracle.logs import GRID_MS, ORIGIN_MS, event_logs

Reviewed = Callable[..., Review]

DAY_MS = 86_400_000
TEXT = """
    currency = "JPY"
    rates = { USD = 150.5 }
    [events.a]
    [events.b]
    action = "primary"
    [events.c]
    value = 40
    [events.o]
    action = "primary"
    [events.f]
    final = true
    value = "event"
    [events.g]
    final = true
    action = "secondary"
    value = 70
    [values]
    ladder = ["a", "b", "c"]
    horizon = "6h"
    lookback = "2d"
"""
TEXTS = [TEXT, TEXT.replace("6h", "18h"), TEXT.replace('["a", "b", "c"]', '["c"]').replace("2d", "12h")]
NAMES = "aaabbccooffgx"
_AS_OF = st.builds(lambda slot, beside: ORIGIN_MS + slot * GRID_MS + beside, st.integers(-1, 14), st.integers(-1, 1))


def plainly(log: Sequence[LoggedEvent], text: str, as_of: int) -> dict[str, Any]:
    """The figures of a review, counted journey by journey."""
    plan = load_plan(text)
    ladder = Ladder.of(plan)
    assert ladder is not None
    worth = Worth(plan, [event for event in log if event.adjust and event.time <= as_of])
    horizon = ladder.horizon_ms
    end = as_of - horizon
    start = end - ladder.lookback_ms
    journeys = [
        journey
        for actor in sorted({event.actor for event in log if event.actor is not None})
        for journey in walk_journeys([event for event in log if event.actor == actor], ladder, as_of=as_of)
        if journey.reached
    ]

    def is_open(journey: Journey) -> bool:
        return journey.final is None and journey.clock + horizon >= as_of

    def converted(journey: Journey) -> bool:
        return journey.final is not None and not worth.retracted(journey.final)

    counted = [journey for journey in journeys if start < journey.begin <= end and not is_open(journey)]
    found: dict[str, Any] = {
        "all": (len(counted), sum(map(converted, counted))),
        "events": {},
    }
    for name in "abco":
        had = [journey for journey in counted if any(event.name == name for event in journey.events)]
        lags = sorted(
            journey.final.time - min(event.time for event in journey.events if event.name == name)
            for journey in had
            if journey.final is not None and converted(journey)
        )
        periods = []
        for back in (2, 1, 0):
            upto = end - back * horizon
            inside = [journey for journey in had if upto - horizon < journey.begin <= upto]
            if upto - horizon >= start:
                periods.append((len(inside), sum(map(converted, inside))))
        found["events"][name] = {
            "journeys": len(had),
            "converted": sum(map(converted, had)),
            "waiting": sum(
                journey.begin > start
                and (is_open(journey) or journey.begin > end)
                and any(event.name == name for event in journey.events)
                for journey in journeys
            ),
            "lag": (nearest_rank(lags, 500), nearest_rank(lags, 900)) if lags else None,
            "periods": periods,
            "recent": sum(
                event.adjust is None and event.name == name and as_of - 28 * DAY_MS < event.time <= as_of
                for event in log
            ),
        }
    return found


def figures(review: Review) -> dict[str, Any]:
    """The same figures, as the review has them."""
    return {
        "all": (review.journeys, review.converted),
        "events": {
            event.event: {
                "journeys": event.journeys,
                "converted": event.converted,
                "waiting": event.waiting,
                "lag": None if event.lag is None else (event.lag.p50, event.lag.p90),
                "periods": [(period.journeys, period.converted) for period in event.trend.periods],
                "recent": event.recent,
            }
            for event in review.events
        },
    }


@settings(max_examples=80, derandomize=True, suppress_health_check=list(HealthCheck))
@given(event_logs(names=NAMES, max_size=40, crowd=4, min_size=10), _AS_OF, st.sampled_from(TEXTS))
def test_what_is_counted_is_what_the_plain_walk_counts(
    reviewed: Reviewed, log: list[LoggedEvent], as_of: int, text: str
) -> None:
    assert figures(reviewed(log, text, as_of)) == plainly(log, text, as_of)


@settings(max_examples=40, derandomize=True, suppress_health_check=list(HealthCheck))
@given(event_logs(names=NAMES, max_size=40, crowd=1, min_size=10), _AS_OF, st.integers(1, 10**6))
def test_the_order_and_the_codes_of_events_change_nothing(
    reviewed: Reviewed, log: list[LoggedEvent], as_of: int, seed: int
) -> None:
    # One event of an actor an instant: of several finals the log's order says which came first.
    assert reviewed(log, TEXT, as_of, seed=seed) == reviewed(log, TEXT, as_of, seed=0)


@settings(max_examples=50, derandomize=True, suppress_health_check=list(HealthCheck))
@given(event_logs(names=NAMES, max_size=40, crowd=4, min_size=10), _AS_OF, st.sampled_from(TEXTS))
def test_all_parts_stay_within_their_wholes(reviewed: Reviewed, log: list[LoggedEvent], as_of: int, text: str) -> None:
    found = reviewed(log, text, as_of)
    assert 0 <= found.converted <= found.journeys
    for event in found.events:
        assert 0 <= event.converted <= event.journeys <= found.journeys
        assert event.converted <= found.converted
        assert sum(period.journeys for period in event.trend.periods) <= event.journeys
        assert event.share is None or 0 <= event.share <= 1
        learned = event.learned
        if learned is not None:
            assert 0 <= learned.low <= learned.value <= learned.high
            assert 0 <= learned.chance.low <= learned.chance.share <= learned.chance.high <= 1
        if event.lift is not None:
            assert 0 < event.lift.low < event.lift.ratio < event.lift.high
    for double in found.double_counts:
        assert double.followed <= double.journeys <= found.journeys
