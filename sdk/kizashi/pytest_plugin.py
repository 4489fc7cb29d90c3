"""The pytest plugin: one fixture. What it needs is imported when a test asks for it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from kizashi.testing import TrackedEvents

__all__ = ["kizashi_events"]


@pytest.fixture
def kizashi_events() -> Iterator[TrackedEvents]:
    """What the code under test tracks with kizashi, kept in memory; wrong calls of track() raise UsageError."""
    from kizashi.testing import recorded

    with recorded() as events:
        yield events
