"""Waiting between tries."""

from __future__ import annotations

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kizashi._delivery._backoff import BASE_SECONDS, CAP_SECONDS, RETRY_AFTER_CAP_SECONDS, Backoff, read_retry_after

NOW_NS = 1_790_000_000_000_000_000


@given(st.integers(0, 60))
def test_jitter_is_full_and_capped(failures: int) -> None:
    backoff = Backoff(os.urandom)
    for _ in range(failures):
        backoff.next()
    assert 0 <= backoff.next() <= min(CAP_SECONDS, BASE_SECONDS * 2.0**failures)


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        (None, None),
        ("0", 0.0),
        (" 12 ", 12.0),
        ("999999999999999", RETRY_AFTER_CAP_SECONDS),
        ("Mon, 21 Sep 2026 14:13:50 GMT", 30.0),
        ("Mon, 21 Sep 2026 14:13:50 -0000", 30.0),
        ("Mon, 21 Sep 2020 14:13:50 GMT", 0.0),
        ("Mon, 21 Sep 2036 14:13:50 GMT", RETRY_AFTER_CAP_SECONDS),
        ("soon", None),
        ("-5", None),
        ("1.5", None),
        ("", None),
        ("٣", None),
    ],
)
def test_retry_after_is_seconds_or_a_date(header: str | None, seconds: float | None) -> None:
    assert read_retry_after(header, NOW_NS) == seconds
