"""A collector for each test."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from sdk.scripted_collector import Collector, collecting


@pytest.fixture
def scripted() -> Iterator[Collector]:
    with collecting() as collector:
        yield collector
