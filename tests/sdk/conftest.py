"""Fixtures of the SDK's tests: a scripted collector, and clients that are closed in the end."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from kizashi import Client
from sdk.scripted_collector import Collector, SkippingClock, collecting


@pytest.fixture
def scripted() -> Iterator[Collector]:
    with collecting() as collector:
        yield collector


@pytest.fixture
def clock() -> SkippingClock:
    return SkippingClock()


@pytest.fixture
def make_client(scripted: Collector, clock: SkippingClock) -> Iterator[Callable[..., Client]]:
    """Make clients of the scripted collector that skip backoffs and send only full batches, until they are flushed."""
    made: list[Client] = []

    def make(**options: Any) -> Client:
        usual: dict[str, Any] = {"endpoint": scripted.url, "key": "w-secret", "flush_interval": 3_600, "_clock": clock}
        client = Client(**(usual | options))
        made.append(client)
        return client

    yield make
    scripted.release.set()
    for client in made:
        client.close(timeout=0.0)


@pytest.fixture
def client(make_client: Callable[..., Client]) -> Client:
    return make_client()
