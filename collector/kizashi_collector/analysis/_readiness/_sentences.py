"""What is said of a row that is not ready, for those who read no code."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Literal

__all__ = ["break_sentence", "instant_text", "length_text", "number_text"]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MINUTE_MS, _HOUR_MS, _DAY_MS = 60_000, 3_600_000, 86_400_000


def break_sentence(
    event: str, kind: Literal["stopped", "fell", "jumped"], seen: int, expected: float, since: int, now: int
) -> str:
    """One sentence on a break, and one on what to look at."""
    usual, came, began = number_text(expected), number_text(seen), instant_text(since)
    if kind == "stopped":
        told = f"No {event} has come in since {began} ({length_text(now - since)}); about {usual} were expected in it."
        return f"{told} Check that the page or the backend still sends it."
    if kind == "fell":
        told = f"{event} fell: {came} in 24 hours where about {usual} were expected, since about {began}."
        return f"{told} Check that every page and version of the shop still sends it."
    told = f"{event} jumped: {came} in 24 hours where about {usual} were expected, since about {began}."
    return f"{told} Check that it is not sent twice, and that no robot sends it."


def instant_text(instant: int) -> str:
    """An instant to the minute, in UTC."""
    return (_EPOCH + timedelta(milliseconds=instant)).strftime("%Y-%m-%d %H:%M UTC")


def length_text(length_ms: int) -> str:
    """A length of time in the largest unit of which there are two or more, rounded down."""
    for unit, name in ((_DAY_MS, "days"), (_HOUR_MS, "hours")):
        if length_ms >= 2 * unit:
            return f"{length_ms // unit} {name}"
    minutes = length_ms // _MINUTE_MS
    return f"{minutes} minute{'' if minutes == 1 else 's'}"


def number_text(number: float) -> str:
    """A count: with thousands marked, and with one decimal below 10 where it has any."""
    return f"{number:,.1f}" if number < 10 and number != round(number) else f"{round(number):,}"
