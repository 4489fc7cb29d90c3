"""Instants as integer milliseconds since 1970 (UTC), and durations as the plan and the API write them."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import NewType

from kizashi_schemas._errors import TimeError

__all__ = [
    "DAY_MS",
    "MAX_DURATION_MS",
    "MAX_TIME_MS",
    "Millis",
    "format_duration",
    "format_time",
    "parse_duration",
    "parse_time",
]

Millis = NewType("Millis", int)
"""An instant, in milliseconds since 1970-01-01T00:00:00Z, or a length of time in milliseconds."""

DAY_MS = 86_400_000
MAX_DURATION_MS = Millis(3_660 * DAY_MS)
"""No window is longer: ten years and a little."""

_UNITS_MS = {"s": 1_000, "m": 60_000, "h": 3_600_000, "d": DAY_MS, "w": 7 * DAY_MS}
_DURATION = re.compile(r"([0-9]{1,12})([smhdw])")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)
# RFC 3339, section 5.6. datetime.fromisoformat alone also reads week dates, basic formats and times without offset.
_RFC_3339 = re.compile(
    r"([0-9]{4}-[0-9]{2}-[0-9]{2})[Tt ]([0-9]{2}:[0-9]{2}:[0-9]{2})(?:\.([0-9]{1,30}))?(?:[Zz]|([+-][0-9]{2}:[0-9]{2}))"
)
MAX_TIME_MS = 253_402_300_799_999
"""The last instant that can be written as RFC 3339, at the end of the year 9999."""


def parse_time(value: int | str) -> Millis:
    """Read an instant: epoch milliseconds, or RFC 3339 with an offset. Anything below a millisecond is cut off.

    Raises TimeError for text of another form, a date that does not exist, and instants before 1970 or after 9999.
    """
    if isinstance(value, str):
        value = _parse_rfc_3339(value)
    if not 0 <= value <= MAX_TIME_MS:
        raise TimeError(f"time {value} lies outside the years 1970 to 9999; send epoch milliseconds or RFC 3339")
    return Millis(value)


def _parse_rfc_3339(text: str) -> int:
    match = _RFC_3339.fullmatch(text)
    if match is None:
        raise TimeError(
            f"time {text[:40]!r} is not RFC 3339 with an offset; write 2026-11-01T09:30:00+09:00, or epoch milliseconds"
        )
    date, clock, fraction, offset = match.groups()
    try:
        instant = datetime.fromisoformat(f"{date}T{clock}{offset or '+00:00'}")
    except ValueError as error:
        raise TimeError(f"time {text[:40]!r} does not exist: {error}") from None
    return (instant - _EPOCH) // _MILLISECOND + int((fraction or "0").ljust(3, "0")[:3])


def format_time(instant: int) -> str:
    """Write an instant as RFC 3339 in UTC with milliseconds: `2026-11-01T00:30:00.000Z`."""
    moment = _EPOCH + timedelta(milliseconds=instant)
    return moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03d}Z"


def parse_duration(text: str) -> Millis:
    """Read a window such as `90s`, `15m`, `24h`, `7d` or `4w`: at least 1 s, at most 3,660 days. Raises TimeError."""
    match = _DURATION.fullmatch(text)
    length = int(match[1]) * _UNITS_MS[match[2]] if match else 0
    if not 0 < length <= MAX_DURATION_MS:
        raise TimeError(
            f"duration {text[:40]!r} is not a whole number of s, m, h, d or w from 1s to 3660d; write for example 7d"
        )
    return Millis(length)


def format_duration(length: int) -> str:
    """Write a length of whole seconds in the largest unit that divides it: 604,800,000 ms is `1w`."""
    for unit in "wdhms":
        if length % _UNITS_MS[unit] == 0:
            return f"{length // _UNITS_MS[unit]}{unit}"
    return f"{length}ms"
