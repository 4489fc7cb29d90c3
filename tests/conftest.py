"""Fixtures that every part uses."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from live_collector import LiveCollector, live_collector


@pytest.fixture
async def collector(tmp_path: Path) -> AsyncIterator[LiveCollector]:
    """A collector without a plan."""
    async with live_collector(tmp_path) as live:
        yield live
