"""The pytest plugin, in the pytest of a site: a process of its own with tests that pass and tests that fail."""

from __future__ import annotations

import re
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from textwrap import indent

import pytest

pytest_plugins = ["pytester"]

DOCS = Path(__file__).parents[2] / "docs" / "testing.md"
Run = Callable[..., pytest.RunResult]


@pytest.fixture
def run(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run the tests of a site, with warnings as errors, and with no plugin that is not named here."""
    for name in ("KIZASHI_ENDPOINT", "KIZASHI_KEY", "PYTEST_ADDOPTS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")

    def run(program: str, *options: str) -> pytest.RunResult:
        pytester.makepyfile(program)
        usual = ["-p", "kizashi.pytest_plugin", "-p", "no:cacheprovider", "-W", "error"]
        return pytester.runpytest_subprocess(*usual, *options, timeout=60)

    return run


def test_code_under_test_is_seen_at_once(run: Run) -> None:
    run(
        """
import kizashi, threading

def test_a(kizashi_events):
    kizashi.track("purchase", actor="v-1", value=12800, currency="JPY")
    assert kizashi_events.one("purchase", value="12800.00", currency="JPY").actor == "v-1"
    assert kizashi_events.count("purchase") == len(kizashi_events.all) == 1
    kizashi_events.none("mv_step")

def test_b(kizashi_events):
    assert kizashi_events.all == []
    thread = threading.Thread(target=kizashi.track, args=("mv_step",), kwargs={"actor": "v-1"})
    thread.start()
    thread.join()
    assert [event.name for event in kizashi_events] == ["mv_step"]

def test_c(kizashi_events):
    kizashi.configure()  # as a site's factory does
    kizashi.track("mv_step", actor="v-1")
    assert kizashi_events.one("mv_step")
"""
    ).assert_outcomes(passed=3)


def test_a_test_that_is_a_coroutine_may_use_it(run: Run) -> None:
    program = """
import asyncio, kizashi

async def test_a(kizashi_events):
    await asyncio.to_thread(kizashi.track, "mv_step", actor="v-1")
    kizashi_events.one("mv_step")
    kizashi.track("purchase", actor="v-1", value=1, currency="JPY")
    assert await kizashi.aflush()
    assert [event.name for event in kizashi_events] == ["mv_step", "purchase"]
"""
    scope = "asyncio_default_fixture_loop_scope=function"
    run(program, "-p", "pytest_asyncio.plugin", "-o", "asyncio_mode=auto", "-o", scope).assert_outcomes(passed=1)


def test_a_failure_shows_what_was_tracked_and_the_nearest_miss(run: Run) -> None:
    result = run(
        """
import kizashi

def test_a(kizashi_events):
    kizashi.track("mv_step", actor="v-1")
    kizashi.track("purchase", actor="v-1", value=12000, currency="JPY")
    kizashi_events.one("purchase", value=12800, currency="JPY")
"""
    )
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        [
            ">*kizashi_events.one(*",
            "E*AssertionError: no event 'purchase' with value=12800, currency='JPY'",
            "E*nearest: <purchase actor='v-1' value=12000 currency='JPY'>",
            "E*  value: expected 12800, was 12000",
            "E*tracked: 2 events",
            "E*  1  <mv_step actor='v-1'>",
        ]
    )
    # The traceback ends in the test: how the question is answered is nobody's concern.
    result.stdout.no_fnmatch_line("*_recording.py*")


def test_wrong_calls_fail_the_test_that_makes_them(run: Run) -> None:
    result = run("import kizashi\n\ndef test_a(kizashi_events):\n    kizashi.track('purchase')\n")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["E*UsageError: actor is missing;*"])


def test_what_the_site_had_configured_is_put_back(run: Run) -> None:
    run(
        """
import kizashi, pytest
from kizashi.testing import MemoryTransport

memory = MemoryTransport()
kizashi.configure(transport=memory, strict=True)

def test_a(kizashi_events):
    kizashi.track("mv_step", actor="v-1")
    kizashi_events.one("mv_step")

def test_b():
    kizashi.track("mv_own", actor="v-1")
    assert kizashi.flush(10)
    assert [event.name for event in memory.events] == ["mv_own"]
    assert kizashi.stats().tracked == 1
    kizashi.close()
"""
    ).assert_outcomes(passed=2)


def test_who_does_not_use_it_loads_nothing_for_it(run: Run) -> None:
    result = run(
        """
import sys

def test_a():
    heavy = ("ssl", "http.client", "kizashi._http", "kizashi._delivery", "kizashi._encoding", "kizashi.testing")
    assert [name for name in heavy if name in sys.modules] == []
    assert "kizashi.pytest_plugin" in sys.modules
"""
    )
    result.assert_outcomes(passed=1)


def test_the_fixture_is_listed_with_what_it_is_for(run: Run) -> None:
    result = run("", "--fixtures")
    result.stdout.fnmatch_lines(["kizashi_events*", "*What the code under test tracks*"])


def test_the_examples_of_the_documentation_work(run: Run) -> None:
    first, *others = re.findall(r"```python\n(.*?)```", DOCS.read_text(encoding="utf-8"), re.DOTALL)
    tests = [f"def test_{place}():\n{indent(other, '    ')}" for place, other in enumerate(others)]
    run("\n\n".join([first, *tests])).assert_outcomes(passed=3)


def test_the_failure_of_the_documentation_is_what_one_sees(run: Run) -> None:
    (shown,) = re.findall(r"```text\n(.*?)```", DOCS.read_text(encoding="utf-8"), re.DOTALL)
    result = run(
        f"""
import kizashi, pytest

def test_a(kizashi_events):
    kizashi.track("mv_add_to_cart", actor="v-1")
    kizashi.track("purchase", actor="v-1", value=12000, currency="JPY")
    with pytest.raises(AssertionError) as caught:
        kizashi_events.one("purchase", value=12800, currency="JPY")
    assert str(caught.value) == {shown.rstrip()!r}
"""
    )
    result.assert_outcomes(passed=1)


@pytest.mark.skipif(find_spec("xdist") is None, reason="pytest-xdist is not installed")
def test_each_process_of_xdist_has_events_of_its_own(run: Run) -> None:
    program = """
import kizashi, pytest

@pytest.mark.parametrize("number", range(20))
def test_a(kizashi_events, number):
    kizashi.track("mv_step", actor=number)
    assert kizashi_events.one("mv_step").actor == str(number)
"""
    run(program, "-p", "xdist.plugin", "-n", "2").assert_outcomes(passed=20)
