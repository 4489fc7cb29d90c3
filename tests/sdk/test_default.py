"""The module's functions, each case in a process of its own, as the default client belongs to the process."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping

from sdk.scripted_collector import Collector


def run(program: str, environ: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    """Run a program that must end well and leave no warning of Python's own."""
    clean = {key: value for key, value in os.environ.items() if not key.startswith("KIZASHI_")}
    command = [sys.executable, "-W", "error", "-c", program]
    result = subprocess.run(
        command, env=clean | dict(environ or {}), capture_output=True, text=True, timeout=30, check=False
    )
    assert result.returncode == 0, result.stderr
    return result


def test_the_modules_functions_are_one_client(scripted: Collector) -> None:
    run(
        f"""
import asyncio, kizashi
kizashi.configure(endpoint={scripted.url!r}, key="w-secret")
kizashi.track("mv_a", actor="v-1")
assert kizashi.flush(10)
kizashi.track("mv_b", actor="v-1", value=1, currency="JPY", order="A-1", idempotency_key="A-1")
assert asyncio.run(kizashi.aflush(10))
assert kizashi.close(10)
kizashi.track("mv_c", actor="v-1")
stats = kizashi.stats()
assert (stats.tracked, stats.delivered, stats.dropped) == (3, 2, {{"closed": 1}}), stats
"""
    )
    assert scripted.names() == ["mv_a", "mv_b"]


def test_without_configuration_events_are_counted_with_one_warning(scripted: Collector) -> None:
    result = run(
        f"""
import kizashi
for _ in range(3):
    kizashi.track("mv_a", actor="v-1")
assert kizashi.flush() and kizashi.close()
assert kizashi.stats() == kizashi.Stats(tracked=3, dropped={{"unconfigured": 3}})
kizashi.configure(endpoint={scripted.url!r})
kizashi.track("mv_b", actor="v-1")
assert kizashi.flush(10)
stats = kizashi.stats()
assert stats.balanced
assert stats == kizashi.Stats(tracked=4, delivered=1, dropped={{"unconfigured": 3}}), stats
"""
    )
    assert result.stderr.count("not configured") == 1


def test_the_environment_is_configuration_enough(scripted: Collector) -> None:
    run(
        'import kizashi; kizashi.track("mv_a", actor="v-1"); assert kizashi.flush(10)',
        {"KIZASHI_ENDPOINT": scripted.url, "KIZASHI_KEY": "env-key"},
    )
    assert scripted.requests[0].headers["authorization"] == "Bearer env-key"


def test_a_broken_environment_breaks_no_site() -> None:
    result = run(
        'import kizashi\nfor _ in range(3): kizashi.track("mv_a")\n'
        'assert kizashi.stats().dropped == {"unconfigured": 3}',
        {"KIZASHI_ENDPOINT": "nonsense", "KIZASHI_KEY": "env-key"},
    )
    assert result.stderr.count("endpoint") == 1
    assert "env-key" not in result.stderr


def test_configuring_again_replaces_and_drains_the_former(scripted: Collector) -> None:
    run(
        f"""
import threading, kizashi
first = kizashi.configure(endpoint={scripted.url!r}, flush_interval=3600.0)
kizashi.track("mv_a", actor="v-1")
second = kizashi.configure(endpoint={scripted.url!r})
assert first.closed and first.stats().delivered == 1
assert kizashi.stats() == kizashi.Stats()
kizashi.track("mv_b", actor="v-1")
assert second.flush(10) and second.stats().delivered == 1
try:
    kizashi.configure(endpoint="nonsense")
except kizashi.ConfigurationError:
    assert not second.closed
"""
    )
    assert scripted.names() == ["mv_a", "mv_b"]


def test_in_strict_mode_configuring_again_is_an_error_until_closed(scripted: Collector) -> None:
    run(
        f"""
import kizashi
kizashi.configure(endpoint={scripted.url!r}, strict=True)
try:
    kizashi.configure(endpoint={scripted.url!r}, strict=True)
except kizashi.ConfigurationError as error:
    assert "close" in str(error)
else:
    raise AssertionError
kizashi.close()
kizashi.configure(endpoint={scripted.url!r}, strict=True)
"""
    )


def test_an_environment_that_names_no_host_costs_no_request() -> None:
    result = run(
        """
import kizashi
kizashi.track("mv_a", actor="v-1")
kizashi.track("mv_a", actor="v-1")
assert kizashi.stats().dropped == {"unconfigured": 2}, kizashi.stats()
""",
        {"KIZASHI_ENDPOINT": "https://collector..example"},
    )
    assert result.stderr.count("kizashi drops events") == 1
