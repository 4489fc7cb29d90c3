"""How long to wait before the next try."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC
from email.utils import parsedate_to_datetime

__all__ = ["BASE_SECONDS", "CAP_SECONDS", "RETRY_AFTER_CAP_SECONDS", "Backoff", "read_retry_after"]

BASE_SECONDS = 0.5
CAP_SECONDS = 30.0
RETRY_AFTER_CAP_SECONDS = 300.0
"""A longer Retry-After is taken for a mistake and cut to this."""


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
    try:
        then = parsedate_to_datetime(text)
    except (ValueError, OverflowError):
        return None
    if then.tzinfo is None:
        then = then.replace(tzinfo=UTC)  # a date without a zone; HTTP knows no other
    return min(max(then.timestamp() - now_ns / 1e9, 0.0), RETRY_AFTER_CAP_SECONDS)
