"""How long to wait before the next try."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime

__all__ = ["BASE_SECONDS", "CAP_SECONDS", "RETRY_AFTER_CAP_SECONDS", "Backoff", "read_retry_after"]

BASE_SECONDS = 0.5
CAP_SECONDS = 30.0
RETRY_AFTER_CAP_SECONDS = 300.0
"""A longer Retry-After is taken for a mistake and cut to this."""


# IMF-fixdate (RFC 9110, section 5.6.7), the one form that is sent. The standard library's reader of dates belongs to
# its e-mail package, and that takes as long to load as all of this one.
_DATE = re.compile(r"[A-Za-z]{3}, (\d\d) ([A-Za-z]{3}) (\d{4}) (\d\d):(\d\d):(\d\d) (?:GMT|UTC|[+-]0000)")
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")


class Backoff:
    """Exponential backoff with full jitter: after failure n wait anything from 0 to min(30 s, 0.5 s × 2ⁿ⁻¹).

    Source: M. Brooker, "Exponential Backoff And Jitter", AWS Architecture Blog, 2015. `entropy(n)` gives n random
    bytes.
    """

    def __init__(self, entropy: Callable[[int], bytes]) -> None:
        self._entropy = entropy
        self._failures = 0

    def next(self, retry_after: float | None = None) -> float:
        """Count a failure; return the seconds to wait, never less than what the collector asked for."""
        span = min(CAP_SECONDS, BASE_SECONDS * 2.0 ** min(self._failures, 16))
        self._failures += 1
        jitter = int.from_bytes(self._entropy(4)) / 2**32
        if retry_after is None:
            return span * jitter
        # A little later than asked, so that a fleet that was turned away together does not come back together.
        return retry_after + BASE_SECONDS * jitter

    def reset(self) -> None:
        """Forget the failures: something was delivered."""
        self._failures = 0


def read_retry_after(text: str | None, now_ns: int) -> float | None:
    """Seconds from a Retry-After header (RFC 9110, section 10.2.3), given as seconds or as a date; at most 300."""
    if text is None:
        return None
    text = text.strip()
    if text.isascii() and text.isdigit():
        return min(float(text[:9]), RETRY_AFTER_CAP_SECONDS)
    date = _DATE.fullmatch(text)
    if date is None or date[2].lower() not in _MONTHS:
        return None
    day, _, year, hour, minute, second = date.groups()
    try:
        then = datetime(
            int(year), _MONTHS.index(date[2].lower()) + 1, int(day), int(hour), int(minute), int(second), tzinfo=UTC
        )
    except ValueError:
        return None
    return min(max(then.timestamp() - now_ns / 1e9, 0.0), RETRY_AFTER_CAP_SECONDS)
