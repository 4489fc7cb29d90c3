"""Programs that the tests of the examples start: real ones, on free ports, each ended before its test ends."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = ROOT / "examples"
WRITE_KEY = "key-of-the-shop"
READ_KEY = "key-of-the-bidder"
PATIENCE_S = 30.0

Run = Callable[..., "subprocess.CompletedProcess[str]"]


def environment(**settings: str) -> dict[str, str]:
    """The settings, in an environment that has no others of kizashi, and no proxy to this machine."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("KIZASHI_", "SHOP_"))}
    return {**kept, "no_proxy": "127.0.0.1", "NO_PROXY": "127.0.0.1", **settings}


class Server:
    """A program that printed where it listens."""

    def __init__(self, process: subprocess.Popen[str], output: IO[str], url: str) -> None:
        self.url = url
        self._process = process
        self._output = output

    def stop(self) -> tuple[int, list[str]]:
        """Its exit code after SIGTERM, and the lines that it printed since it listened."""
        self._process.terminate()
        lines = self._output.read().splitlines()
        return self._process.wait(PATIENCE_S), lines

    def get(self, path: str, key: str = READ_KEY) -> Any:
        """The JSON of a collector's answer."""
        request = urllib.request.Request(self.url + path, headers={"Authorization": f"Bearer {key}"})
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=PATIENCE_S) as answer:
            return json.load(answer)

    def post(self, events: list[dict[str, Any]]) -> Any:
        """The JSON of a collector's answer to a batch."""
        request = urllib.request.Request(
            self.url + "/v1/events",
            data=json.dumps({"events": events}).encode(),
            headers={"Authorization": f"Bearer {WRITE_KEY}", "Content-Type": "application/json"},
        )
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=PATIENCE_S) as answer:
            return json.load(answer)


@contextmanager
def server(command: list[str], **settings: str) -> Iterator[Server]:
    """Start a program and wait until it says where it listens."""
    with subprocess.Popen(
        command, env=environment(**settings), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        assert process.stdout is not None
        # A program that neither listens nor ends is ended, so that the test fails instead of hanging.
        watchdog = threading.Timer(PATIENCE_S, process.kill)
        watchdog.start()
        try:
            for line in process.stdout:
                if line.startswith("listening on "):
                    break
            else:
                pytest.fail(f"{command} ended with {process.wait()} before it listened")
            watchdog.cancel()
            yield Server(process, process.stdout, line.removeprefix("listening on ").strip())
        finally:
            watchdog.cancel()
            watchdog.join()
            process.terminate()
            process.stdout.read()


@contextmanager
def collector_in(folder: Path) -> Iterator[Server]:
    command = [sys.executable, "-c", "import sys; from kizashi._commands._cli import main; sys.exit(main())", "serve"]
    options = ["--data", str(folder / "data"), "--plan", str(EXAMPLES / "plan.toml"), "--port", "0"]
    with server([*command, *options], KIZASHI_WRITE_KEY=WRITE_KEY, KIZASHI_READ_KEY=READ_KEY) as running:
        yield running


@pytest.fixture
def collector(tmp_path: Path) -> Iterator[Server]:
    """A collector of its own for one test."""
    with collector_in(tmp_path) as running:
        yield running


def until_counted(collector: Server, actors: int) -> None:
    """Wait until so many are counted, and what steps are worth was learned, which happens beside everything else."""
    deadline = time.monotonic() + 2 * PATIENCE_S
    while True:
        total = collector.get("/v1/summary?window=7d&by=campaign")["total"]
        if total["actors"] == actors and total["reason"] != "recomputing":
            return
        assert time.monotonic() < deadline, total
        time.sleep(0.05)


@pytest.fixture(scope="package")
def quiet_collector(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A collector with three visitors of two campaigns, to which no test adds anything."""
    with collector_in(tmp_path_factory.mktemp("quiet")) as running:
        events: list[dict[str, Any]] = [
            {"name": "mv_visit", "actor": "v-1", "source": {"campaign": "brand"}},
            {"name": "purchase", "actor": "v-1", "source": {"campaign": "brand"}, "value": 9800, "currency": "JPY"},
            {"name": "mv_visit", "actor": "v-2", "source": {"campaign": "brand"}},
            {"name": "mv_visit", "actor": "v-3", "source": {"campaign": "gift_season"}},
            {"name": "mv_visit", "actor": "v-4"},
        ]
        # Some time ago, so that none of them is on its way out of the window or in from the future.
        then = time.time_ns() // 1_000_000 - 3_600_000
        stamped = [{**event, "id": f"e-{n}", "time": then} for n, event in enumerate(events)]
        assert running.post(stamped)["accepted"] == len(events)
        until_counted(running, actors=4)
        yield running


@pytest.fixture
def shop(collector: Server) -> Iterator[Server]:
    """The shop, tracking to the test's collector."""
    command = [sys.executable, str(EXAMPLES / "shop.py"), "--port", "0"]
    with server(command, KIZASHI_ENDPOINT=collector.url, KIZASHI_KEY=WRITE_KEY) as running:
        yield running


@pytest.fixture
def run() -> Run:
    """Run an example to its end."""

    def run_example(name: str, *options: str, **settings: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, str(EXAMPLES / name), *options],
            env=environment(**settings),
            capture_output=True,
            text=True,
            timeout=PATIENCE_S,
            check=False,
        )

    return run_example


@pytest.fixture
def node() -> str:
    found = shutil.which("node")
    if found is None:
        pytest.skip("no `node` on the PATH: the Google Ads script needs a JavaScript engine to be run")
    return found
