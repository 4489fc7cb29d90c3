"""Logs written as one line, for tests that are read: `"view@0 cart@3.5[campaign=g,p.sku=A-1] view@60"`."""

from __future__ import annotations

import json
import re
from typing import Any

from kizashi_collector.analysis import FunnelFigures, Interval, LoggedEvent, StepFigures, Worth, evaluate_funnel
from kizashi_schemas import Funnel, check_funnel
from kizashi_schemas.plan import Plan

__all__ = ["ALL", "DAY", "START_MS", "ask", "at", "counts", "span", "timeline"]

START_MS = 1_790_000_000_000
"""Second 0 of every timeline: 2026-09-21T14:13:20Z."""

DAY = 86_400
"""Seconds."""

_TOKEN = re.compile(r"([a-z0-9_]+)@(-?[0-9.]+)(?:\[(.*?)\])?")


def at(seconds: float) -> int:
    """The instant so many seconds after the timeline's start, in milliseconds since 1970."""
    return START_MS + round(seconds * 1000)


def span(start: float, end: float, as_of: float | None = None) -> Interval:
    """The interval (start, end] in seconds of the timeline; as_of is its end unless given."""
    return Interval(at(start), at(end), at(end if as_of is None else as_of))


ALL = span(-0.001, 30 * DAY)
"""From second 0 to day 30."""


def timeline(text: str, actor: str = "i", **fields: Any) -> list[LoggedEvent]:
    """Events `name@seconds`, with source fields and `p.`-properties (as JSON) in brackets.

    Ids follow the writing, so that of one instant the event written first has the smaller id.
    """
    events = []
    for number, (name, seconds, extras) in enumerate(_TOKEN.findall(text)):
        pairs = [extra.split("=", 1) for extra in extras.split(",") if extra]
        events.append(
            LoggedEvent(
                id=f"{actor}{number:03}",
                name=name,
                time=at(float(seconds)),
                received_at=at(float(seconds)),
                actor=actor,
                source={key: value for key, value in pairs if not key.startswith("p.")},
                properties={key[2:]: _scalar(value) for key, value in pairs if key.startswith("p.")},
                **fields,
            )
        )
    assert len(events) == len(text.split()), f"not a timeline: {text}"
    return events


def _scalar(text: str) -> str | int | float | bool | None:
    try:
        value = json.loads(text)
    except json.JSONDecodeError:
        return text
    assert value is None or isinstance(value, str | int | float | bool)
    return value


def ask(
    log: list[LoggedEvent],
    steps: str | list[Any],
    *,
    interval: Interval = ALL,
    plan: Plan | None = None,
    by: tuple[str, ...] = (),
    attribution: str = "first",
    zone: str = "UTC",
    **rules: Any,
) -> FunnelFigures:
    """Ask about a funnel of these steps (a string names one event a letter or word), with the API's defaults."""
    named: list[Any] = steps if isinstance(steps, list) else steps.split()
    funnel = Funnel(steps=named, **rules)
    check_funnel(funnel)
    adjustments = [event for event in log if event.adjust and event.time <= interval.as_of]
    return evaluate_funnel(
        log, funnel, interval, worth=Worth(plan, adjustments), zone=zone, by=by, attribution=attribution
    )


def counts(figures: FunnelFigures | list[StepFigures]) -> list[int]:
    """The count of each step."""
    return [step.count for step in (figures if isinstance(figures, list) else figures.steps)]
