"""Small random logs on a coarse grid: many events share an instant, many lie exactly on an edge."""

from __future__ import annotations

from typing import Any, Literal

from hypothesis import strategies as st
from hypothesis.strategies import DrawFn

from kizashi_collector.analysis import Interval, LoggedEvent

__all__ = ["GRID_MS", "ORIGIN_MS", "event_logs", "intervals"]

GRID_MS = 6 * 3_600_000
"""The grid: four instants a day, so that a few events cover several days of a trend."""

ORIGIN_MS = 1_793_318_400_000
"""2026-10-30T00:00:00Z: two days later New York leaves daylight saving time."""

# Exactly on the grid, or a millisecond beside it.
_INSTANTS = st.builds(
    lambda slot, beside: ORIGIN_MS + slot * GRID_MS + beside,
    st.integers(0, 11),
    st.sampled_from([0, 0, 0, 0, 0, 0, -1, 1]),
)

_PROPERTIES: list[dict[str, Any]] = [
    {},
    {},
    {"p": None},
    {"p": ""},
    {"p": "u"},
    {"p": "u", "q": 1},
    {"p": "v"},
    {"p": "1"},
    {"p": 1},
    {"p": True},
    {"p": False, "q": 2.5},
    {"p": 1.0},
]
_SOURCES: list[dict[str, str]] = [
    {},
    {},
    {"campaign": ""},
    {"campaign": "g"},
    {"campaign": "h"},
    {"campaign": "g", "device": "d"},
    {"device": "d"},
    {"gclid": "x"},
]
_MONEY: list[tuple[int | None, str | None]] = [
    (None, None),
    (None, "USD"),
    (0, "JPY"),
    (300_000_000, "JPY"),
    (1_234_567, "USD"),
]

_ADJUST: st.SearchStrategy[Literal["restate", "retract"] | None] = st.sampled_from(
    [None, None, None, None, "restate", "restate", "retract"]
)


@st.composite
def event_logs(
    draw: DrawFn,
    *,
    names: str,
    max_size: int,
    crowd: int,
    min_size: int = 0,
    actors: str = "iijk",
    adjusted: bool = True,
) -> list[LoggedEvent]:
    """A log in order of arrival, with at most `crowd` events of one actor at one instant, and adjustments."""
    events = []
    taken: set[tuple[str, str | None]] = set()
    crowds: dict[tuple[str, int], int] = {}
    numbers = draw(st.lists(st.integers(0, 99), min_size=min_size, max_size=max_size, unique=True))
    for number in numbers:
        name, actor, time = draw(st.sampled_from(names)), draw(st.sampled_from(actors)), draw(_INSTANTS)
        adjust = draw(_ADJUST) if adjusted else None
        order = draw(st.sampled_from(["o1", "o2"] if adjust else [None, "o1", "o2"]))
        value, currency = draw(st.sampled_from(_MONEY if adjust != "restate" else _MONEY[2:]))
        if adjust is None:
            crowds[actor, time] = crowds.get((actor, time), 0) + 1
            if crowds[actor, time] > crowd or (order and (name, order) in taken):
                continue
            taken.add((name, order))
        events.append(
            LoggedEvent(
                id=f"e{number:02}",
                name=name,
                time=time,
                received_at=time + draw(st.sampled_from([0, 600_000, 600_001, 10_000_000])),
                actor=None if adjust else actor,
                value=value,
                currency=currency,
                order=order,
                adjust=adjust,
                source={} if adjust else draw(st.sampled_from(_SOURCES)),
                properties={} if adjust else draw(st.sampled_from(_PROPERTIES)),
                imported=draw(st.sampled_from([False, False, True])),
            )
        )
    return events


@st.composite
def intervals(draw: DrawFn) -> Interval:
    """(start, end] as of an instant at or after its end."""
    start, end, as_of = sorted(draw(_INSTANTS) for _ in range(3))
    wide = draw(st.sampled_from([True, True, False]))
    return Interval(ORIGIN_MS - 1, as_of, as_of) if wide else Interval(start, end, as_of)
