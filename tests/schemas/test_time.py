"""Instants and durations."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kizashi_schemas import TimeError, format_duration, format_time, parse_duration, parse_time


@pytest.mark.parametrize(
    ("written", "instant"),
    [
        (0, 0),
        (1_790_000_000_100, 1_790_000_000_100),
        ("1970-01-01T00:00:00Z", 0),
        ("1970-01-01T09:00:00+09:00", 0),
        ("2026-11-01t00:30:00.1239z", 1_793_493_000_123),
        ("2026-11-01 00:30:00.5+00:00", 1_793_493_000_500),
        ("9999-12-31T23:59:59.999Z", 253_402_300_799_999),
    ],
)
def test_an_instant_is_epoch_milliseconds_or_rfc_3339(written: int | str, instant: int) -> None:
    assert parse_time(written) == instant


@pytest.mark.parametrize(
    "written",
    [
        -1,
        253_402_300_800_000,
        10**30,
        "",
        "now",
        "2026-11-01",
        "2026-11-01T00:00:00",
        "20261101T000000Z",
        "2026-W44-7T00:00:00Z",
        "2026-02-30T00:00:00Z",
        "2026-11-01T25:00:00Z",
        "1969-12-31T23:59:59Z",
        "1970-01-01T00:00:00+09:00",
        "2026-11-01T00:00:00+9:00",
        "２０２６-11-01T00:00:00Z",
        "2026-11-01T00:00:00Z\n",
    ],
)
def test_anything_else_is_refused(written: int | str) -> None:
    with pytest.raises(TimeError):
        parse_time(written)


@given(st.integers(min_value=0, max_value=253_402_300_799_999))
def test_what_is_written_reads_back(instant: int) -> None:
    assert parse_time(format_time(instant)) == instant
    assert datetime.fromisoformat(format_time(instant)) == datetime(1970, 1, 1, tzinfo=UTC) + timedelta(
        milliseconds=instant
    )


@pytest.mark.parametrize(
    ("text", "length"),
    [("1s", 1_000), ("90s", 90_000), ("15m", 900_000), ("24h", 86_400_000), ("7d", 604_800_000), ("4w", 2_419_200_000)],
)
def test_a_duration_is_a_number_and_a_unit(text: str, length: int) -> None:
    assert parse_duration(text) == length
    assert parse_duration(format_duration(length)) == length


def test_the_longest_duration_is_3660_days() -> None:
    assert parse_duration("3660d") == 3_660 * 86_400_000
    with pytest.raises(TimeError, match="3661d"):
        parse_duration("3661d")


@pytest.mark.parametrize("text", ["", "7", "d", "0d", "-1d", "1.5h", "7 d", "7D", "1y", "7d7d", "１d", "9" * 13 + "s"])
def test_a_malformed_duration_is_refused(text: str) -> None:
    with pytest.raises(TimeError):
        parse_duration(text)
