"""Fixtures that every part uses."""

from __future__ import annotations

import signal
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from live_collector import LiveCollector, live_collector
from stores import drop_databases

# A machine that stalls for a second says nothing about the code.
settings.register_profile("house", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("house")
# A shell that starts the suite in the background has it ignore Ctrl-C, and so would all that it starts.
signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(autouse=True)
def no_database_is_left() -> Iterator[None]:
    """What a test kept in ClickHouse goes with it: hundreds of tables are a load on everything after them."""
    yield
    drop_databases()


@pytest.fixture
async def collector(tmp_path: Path) -> AsyncIterator[LiveCollector]:
    """A collector without a plan."""
    async with live_collector(tmp_path) as live:
        yield live
