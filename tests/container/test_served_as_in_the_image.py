"""`kizashi serve` with the environment of the image, and the health check exactly as the Containerfile has it."""

from __future__ import annotations

import http.client
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from container.containerfile import environment, health_check, stages

FINAL = stages()[1][-1]
KEYS = {"KIZASHI_WRITE_KEY": "w-secret", "KIZASHI_READ_KEY": "r-secret"}

# What Python code opens for writing or changes in the file system, line by line; SQLite's own files do not show here.
WATCHED = """
import os, sys

def watch(event, args):
    if event == "open" and isinstance(args[0], (str, bytes)) and args[2] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT):
        print("wrote", os.path.abspath(os.fsdecode(args[0])), file=sys.stderr)
    elif event == "sqlite3.connect":
        name = os.fsdecode(args[0])
        if name != ":memory:" and not name.endswith("?mode=ro"):
            print("wrote", os.path.abspath(name), file=sys.stderr)
    elif event in ("os.mkdir", "os.rename", "os.link", "os.symlink", "tempfile.mkstemp"):
        print("wrote", os.path.abspath(os.fsdecode(args[0])), file=sys.stderr)

sys.addaudithook(watch)
from kizashi._commands._cli import main
sys.exit(main())
"""


class Served:
    """A collector in a process of its own, in a bare environment: no HOME, and what the image sets."""

    def __init__(self, process: subprocess.Popen[str], variables: dict[str, str], port: int) -> None:
        self.process = process
        self.variables = variables | {"KIZASHI_PORT": str(port)}
        self.port = port

    def health(self, **more: str) -> int:
        """The exit status of the health check."""
        return health(self.variables | more)

    def post(self, event: dict[str, object]) -> int:
        """Send one event and return the status."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        try:
            headers = {"Authorization": "Bearer w-secret", "Content-Type": "application/json"}
            connection.request("POST", "/v1/events", json.dumps({"events": [event]}), headers)
            return connection.getresponse().status
        finally:
            connection.close()

    def stop(self) -> str:
        """SIGTERM; it must end with status 0. Returns what it wrote to its standard error."""
        self.process.send_signal(signal.SIGTERM)
        _, errors = self.process.communicate(timeout=30)
        assert self.process.returncode == 0, errors
        return errors


def health(variables: dict[str, str]) -> int:
    """The health check's exit status, run with this Python in place of the image's."""
    program, *arguments = health_check(FINAL)
    assert program == "/opt/kizashi/bin/python"
    command = [sys.executable, *arguments]
    return subprocess.run(command, env=variables, capture_output=True, timeout=30, check=False).returncode


@contextmanager
def serve(data: Path, folder: Path) -> Iterator[Served]:
    """Run `kizashi serve` in `folder`, which holds its temporary files too, should it make any."""
    variables = environment(FINAL) | {"KIZASHI_DATA": str(data), "SQLITE_TMPDIR": str(data), "KIZASHI_PORT": "0"}
    variables |= KEYS | {"TMPDIR": str(folder), "PATH": "/usr/bin:/bin"}
    process = subprocess.Popen(
        [sys.executable, "-c", WATCHED, "serve"],
        env=variables,
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        for line in process.stdout:
            if line.startswith("listening on "):
                yield Served(process, variables, int(line.rstrip().rpartition(":")[2]))
                break
        else:
            pytest.fail(f"it did not serve: {process.communicate(timeout=30)[1]}")
    finally:
        process.kill()
        process.communicate(timeout=30)


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """A folder that may only be read."""
    path = tmp_path / "read-only"
    path.mkdir(mode=0o555)
    yield path
    path.chmod(0o755)


def test_the_health_check_passes_while_it_serves_and_fails_when_it_does_not(tmp_path: Path, folder: Path) -> None:
    with serve(tmp_path / "data", folder) as served:
        assert served.health() == 0
        served.stop()
        assert served.health() == 1


def test_the_health_check_asks_no_proxy(tmp_path: Path, folder: Path) -> None:
    with serve(tmp_path / "data", folder) as served:
        assert served.health(http_proxy="http://127.0.0.1:9", HTTP_PROXY="http://127.0.0.1:9") == 0
        served.stop()


def test_the_health_check_passes_on_200_alone() -> None:
    class Broken(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(500)
            self.end_headers()

        def log_message(self, *args: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Broken) as server:
        thread = threading.Thread(target=server.handle_request)
        thread.start()
        variables = environment(FINAL) | {"KIZASHI_HOST": "127.0.0.1", "KIZASHI_PORT": str(server.server_port)}
        assert health(variables) == 1
        thread.join()


def test_it_writes_only_below_its_data_folder(tmp_path: Path, folder: Path) -> None:
    data = tmp_path / "data"
    with serve(data, folder) as served:
        event: dict[str, object] = {"id": "e-1", "name": "mv_view", "time": 1_790_000_000_000, "actor": "v-1"}
        assert served.post(event) == 200
        written = {Path(line.split(" ", 1)[1]) for line in served.stop().splitlines() if line.startswith("wrote ")}
    assert data / "keys.db" in written
    assert [path for path in written if path != data and data not in path.parents and path != Path(os.devnull)] == []
    assert list(folder.iterdir()) == []
    assert sorted(path.name for path in tmp_path.iterdir()) == ["data", "read-only"]


def test_it_finds_its_events_again_on_the_same_data(tmp_path: Path, folder: Path) -> None:
    event: dict[str, object] = {"id": "e-1", "name": "mv_view", "time": 1_790_000_000_000, "actor": "v-1"}
    with serve(tmp_path / "data", folder) as served:
        assert served.post(event) == 200
        served.stop()
    with serve(tmp_path / "data", folder) as served:
        connection = http.client.HTTPConnection("127.0.0.1", served.port, timeout=10)
        connection.request("GET", "/v1/events", headers={"Authorization": "Bearer r-secret"})
        assert b'"e-1"' in connection.getresponse().read()
        connection.close()
        served.stop()
