"""From what a query says (window, from, to, as_of) to the exact interval that is counted."""

from __future__ import annotations

from kizashi_collector.analysis._events import Interval
from kizashi_schemas import KizashiError, TimeError, format_time, parse_duration, parse_time

__all__ = ["AS_OF_TOLERANCE_MS", "DEFAULT_WINDOW", "IntervalError", "resolve_interval"]

AS_OF_TOLERANCE_MS = 5_000
"""An as_of may lie this far ahead of the collector's clock."""

DEFAULT_WINDOW = "7d"


class IntervalError(KizashiError, ValueError):
    """A combination of window, from, to and as_of that names no interval."""


def resolve_interval(
    now: int,
    *,
    window: str | None = None,
    start: int | str | None = None,
    end: int | str | None = None,
    as_of: int | str | None = None,
) -> Interval:
    """Return the interval (start, end]: as_of is now where left out, end is as_of and is clamped to it, and start is
    end − window (7d where left out).

    Raises IntervalError for an as_of more than 5 s ahead, a start beyond as_of or beyond the end, and a window
    together with a start; for what cannot be read too.
    """
    try:
        instant = now if as_of is None else parse_time(as_of)
        last = instant if end is None else parse_time(end)
        first = None if start is None else parse_time(start)
        length = parse_duration(DEFAULT_WINDOW if window is None else window)
    except TimeError as error:
        raise IntervalError(str(error)) from None
    if instant > now + AS_OF_TOLERANCE_MS:
        raise IntervalError(f"as_of {format_time(instant)} lies in the future; leave it out for now")
    if first is not None and window is not None:
        raise IntervalError("window and from together name two intervals; give one of them")
    if first is not None and first > instant:
        raise IntervalError(f"from {format_time(first)} lies beyond as_of {format_time(instant)}")
    if first is not None and first > last:
        raise IntervalError(f"to {format_time(last)} lies before from {format_time(first)}; exchange them")
    last = min(last, instant)
    return Interval(start=last - length if first is None else first, end=last, as_of=instant)
