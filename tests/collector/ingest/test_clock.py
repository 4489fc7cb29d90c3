"""The clock knows when it cannot be trusted."""

from __future__ import annotations

import time

import pytest

from kizashi_collector.ingest import Clock


class Hands:
    def __init__(self) -> None:
        self.wall, self.steady = 1_000_000, 5


@pytest.mark.parametrize(
    ("set_by", "trusted"), [(0, True), (5_000, True), (5_001, False), (-5_000, True), (-5_001, False)]
)
def test_a_wall_clock_that_was_set_by_more_than_5_s_is_not_trusted(set_by: int, trusted: bool) -> None:
    hands = Hands()
    clock = Clock(lambda: hands.wall, lambda: hands.steady)
    hands.wall += 60_000 + set_by
    hands.steady += 60_000
    # While it is not trusted, time goes on by the steady clock.
    assert (clock.trusted, clock.drift(), clock.now()) == (trusted, set_by, 1_060_000 + (set_by if trusted else 0))
    hands.wall -= set_by
    assert clock.trusted


def test_the_default_clock_tells_the_time() -> None:
    clock = Clock()
    assert abs(clock.now() - time.time() * 1000) < 1_000
    assert clock.trusted
