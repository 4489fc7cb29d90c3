"""The collector's answers over HTTP, compared with the plain oracle over the events in its log."""

from __future__ import annotations

import http.client
import json
import random
from collections.abc import Sequence
from typing import Any
from urllib.parse import urlencode

from crash.clients import ask
from crash.load import DAY_MS, PLAN, SPAN_DAYS
from kizashi_collector.analysis import Interval, LoggedEvent
from kizashi_schemas import Funnel, Step
from kizashi_schemas.plan import load_plan
from oracle.funnels import funnel_answer
from oracle.summary import summary_answer

__all__ = ["wrong_answers"]

_STEPS = ["mv_view", "mv_cart", "purchase"]
_PLAN = load_plan(PLAN)
_SLICE_EVENTS = 150


def wrong_answers(
    connection: http.client.HTTPConnection, log: Sequence[LoggedEvent], now: int, rng: random.Random
) -> tuple[str, ...]:
    """What differs from the oracle: the whole's counts, and the summary and a funnel of a stretch of it.

    The oracle is slow, so that the stretch is chosen to hold some hundred events.
    """
    wrong = []
    whole = Interval(now - (SPAN_DAYS + 1) * DAY_MS, now, now)
    plain = [event for event in log if event.adjust is None and event.time <= now]
    counts = {name: sum(event.name == name for event in plain) for name in _PLAN.events}
    told = _summary(connection, whole)["total"]["events"]
    if counts != {name: figures["count"] for name, figures in told.items()}:
        wrong.append(f"the summary counts {told}, the log {counts}")
    length = max(1, SPAN_DAYS * DAY_MS * _SLICE_EVENTS // max(1, len(plain)))
    start = now - rng.randrange(SPAN_DAYS * DAY_MS)
    part = Interval(start, min(start + length, now), min(start + 2 * length, now))
    # All that the answers may depend on: the events of the stretch, and every adjustment.
    of_part = [event for event in log if event.adjust is not None or part.start < event.time <= part.as_of]
    for name, mine, theirs in (
        ("summary", _expected_summary(of_part, part), _summary_rows(connection, part)),
        ("funnel", _expected_funnel(of_part, part), _funnel(connection, part)),
    ):
        if mine != theirs:
            wrong.append(f"the {name} of {part} is {theirs}, the oracle has {mine}"[:2000])
    return tuple(wrong)


def _bounds(interval: Interval) -> dict[str, str]:
    return {"from": str(interval.start), "to": str(interval.end), "as_of": str(interval.as_of)}


def _summary(connection: http.client.HTTPConnection, interval: Interval, **query: str) -> Any:
    return ask(connection, "GET", "/v1/summary?" + urlencode(_bounds(interval) | query))


def _summary_rows(connection: http.client.HTTPConnection, interval: Interval) -> Any:
    answer = _summary(connection, interval, by="campaign")
    rows = {(row["key"]["campaign"],): row for row in answer["rows"]}
    return {key: _figures(row) for key, row in [*rows.items(), (("total",), answer["total"])]}


def _figures(row: dict[str, Any]) -> list[Any]:
    events = [(name, one["count"], one["actors"], one["value"]) for name, one in row["events"].items()]
    return [row["actors"], row["final_value"], row["declared_value"], events]


def _expected_summary(log: Sequence[LoggedEvent], interval: Interval) -> Any:
    answer = summary_answer(log, interval, plan=_PLAN, by=("campaign",))
    rows = [*answer["rows"].items(), (("total",), answer["total"])]
    return {
        key: [
            *(row["actors"], _yen(row["final_value"]), _yen(row["declared_value"])),
            [(name, one["count"], one["actors"], _yen(one["value"])) for name, one in row["events"].items()],
        ]
        for key, row in rows
    }


def _funnel(connection: http.client.HTTPConnection, interval: Interval) -> Any:
    asked = {"steps": _STEPS, "conversion_window": "14d", "from": interval.start, "to": interval.end}
    answer = ask(connection, "POST", "/v1/funnels", json.dumps(asked | {"as_of": interval.as_of}))
    return [(s["count"], s["value"]["declared"], s["value"]["final"]) for s in answer["steps"]]


def _expected_funnel(log: Sequence[LoggedEvent], interval: Interval) -> Any:
    funnel = Funnel(steps=[Step(event=name) for name in _STEPS], conversion_window="14d")
    steps = funnel_answer(log, funnel, interval, plan=_PLAN)["steps"]
    return [(step["count"], _yen(step["declared"]), _yen(step["final"])) for step in steps]


def _yen(micros: int | None) -> float | None:
    return None if micros is None else micros / 1_000_000
