"""Fixtures that every part uses."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from live_collector import LiveCollector, live_collector

# A machine that stalls for a second says nothing about the code.
settings.register_profile("house", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("house")


@pytest.fixture
async def collector(tmp_path: Path) -> AsyncIterator[LiveCollector]:
    """A collector without a plan."""
    async with live_collector(tmp_path) as live:
        yield live
