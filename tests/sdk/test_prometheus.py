"""The books of a client as a scrape shows them."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator

import pytest
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.openmetrics.exposition import generate_latest as generate_openmetrics
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse

import kizashi
from kizashi import Client, ConfigurationError
from kizashi.prometheus import export
from kizashi.testing import MemoryTransport, recorded
from sdk.scripted_collector import SkippingClock


@pytest.fixture
def memory() -> MemoryTransport:
    return MemoryTransport()


@pytest.fixture
def client(memory: MemoryTransport, clock: SkippingClock) -> Iterator[Client]:
    with Client(transport=memory, flush_interval=3_600, _clock=clock) as client:
        yield client


def scrape(registry: CollectorRegistry) -> dict[str, float]:
    """Every sample as a scrape reads it, keyed by name and labels."""
    return {
        sample.name + "".join(f"{{{label}={value}}}" for label, value in sample.labels.items()): sample.value
        for family in parse(generate_latest(registry).decode())
        for sample in family.samples
    }


def test_a_scrape_shows_the_books(client: Client) -> None:
    registry = CollectorRegistry()
    export(client, registry)
    client.track("mv_step", actor="v-1")
    client.track("mv_step")
    assert client.flush(10)
    client.track("mv_step", actor="v-1")
    held = client.stats().queue_bytes
    assert held > 0
    assert scrape(registry) == {
        "kizashi_sdk_events_total{state=tracked}": 3,
        "kizashi_sdk_events_total{state=adopted}": 0,
        "kizashi_sdk_events_total{state=delivered}": 1,
        "kizashi_sdk_dropped_total{reason=no_actor}": 1,
        "kizashi_sdk_held_events{state=queued}": 1,
        "kizashi_sdk_held_events{state=in_flight}": 0,
        "kizashi_sdk_held_events{state=spooled}": 0,
        "kizashi_sdk_queue_bytes": held,
    }


def test_openmetrics_can_read_it_too(client: Client) -> None:
    registry = CollectorRegistry()
    export(client, registry)
    client.track("mv_step")
    assert client.flush(10)
    families = parse_openmetrics(generate_openmetrics(registry).decode())  # type: ignore[no-untyped-call]
    names = [family.name for family in families]
    assert sorted(names) == sorted(set(names))
    assert len(names) == 4


def test_without_a_client_it_is_the_one_of_the_moment() -> None:
    registry = CollectorRegistry()
    export(registry=registry)
    for _ in range(2):
        with recorded() as events:
            kizashi.track("mv_step", actor="v-1")
            assert events.count("mv_step") == 1
            assert scrape(registry)["kizashi_sdk_events_total{state=delivered}"] == 1


def test_exporting_again_changes_nothing(client: Client) -> None:
    registry = CollectorRegistry()
    for _ in range(2):
        export(client, registry)
    assert scrape(registry)["kizashi_sdk_events_total{state=tracked}"] == 0


def test_one_registry_shows_one_client(client: Client) -> None:
    registry = CollectorRegistry()
    export(client, registry)
    with pytest.raises(ConfigurationError, match=r"registry=CollectorRegistry\(\)"):
        export(registry=registry)


def run(program: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=30, check=False)


def test_registering_makes_no_client_and_a_forked_child_counts_its_own() -> None:
    result = run(
        """
import os
os.environ.pop("KIZASHI_ENDPOINT", None)
import kizashi
from kizashi.prometheus import export
from kizashi.testing import MemoryTransport
from prometheus_client import REGISTRY
export()
tracked = lambda: REGISTRY.get_sample_value("kizashi_sdk_events_total", {"state": "tracked"})
assert tracked() == 0
kizashi.configure(transport=MemoryTransport(), flush_interval=3600)
for _ in range(3):
    kizashi.track("mv_step", actor="v-1")
child = os.fork()
if child == 0:
    kizashi.track("mv_step", actor="v-1")
    os._exit(0 if tracked() == 1 else 1)
assert os.waitpid(child, 0)[1] == 0
assert tracked() == 3
"""
    )
    assert result.returncode == 0, result.stderr


def test_without_prometheus_client_the_error_says_what_to_install() -> None:
    result = run("import sys; sys.modules['prometheus_client'] = None; import kizashi.prometheus")
    assert "ModuleNotFoundError: kizashi.prometheus needs prometheus-client; pip install" in result.stderr
