"""Figures as a terminal shows them."""

from __future__ import annotations

import pytest

from kizashi_collector.cli._figures import share


@pytest.mark.parametrize(
    ("value", "digits", "told"),
    [
        (0.1234, 1, "12.3%"),
        (0.9996, 1, "99.9%"),
        (0.9996, 0, "99%"),
        (0.994, 0, "99%"),
        (0.9, 0, "90%"),
        (1.0, 0, "100%"),
        (1.0, 1, "100.0%"),
        (1.5, 0, "150%"),
        (0.0, 1, "0.0%"),
        (None, 1, "-"),
    ],
)
def test_only_all_is_a_hundred_percent(value: float | None, digits: int, told: str) -> None:
    assert share(value, digits) == told
