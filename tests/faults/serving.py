"""A collector process that faults are done to, and a client that remembers what it was promised."""

from __future__ import annotations

import http.client
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from msgspec import Struct

from collector_process import KEYS
from faults.table import Fault

__all__ = ["Answer", "Client", "Serving", "descendants", "is_there", "refused", "until"]

_PATIENCE = 40.0
_serial = iter(range(10**9))


def until(holds: Callable[[], object], what: str) -> None:
    """Wait until the condition holds; fails, saying what did not come, after 40 s."""
    deadline = time.monotonic() + _PATIENCE
    while not holds():
        assert time.monotonic() < deadline, f"{what}: not within {_PATIENCE:g} s"
        time.sleep(0.02)


class Answer(Struct, frozen=True):
    """What came back: status, headers with small names, and the body, read as JSON where it is."""

    status: int
    headers: Mapping[str, str]
    body: Any

    @property
    def detail(self) -> str:
        """What a problem says, or a plain text."""
        return str(self.body["detail"]) if isinstance(self.body, dict) and "detail" in self.body else str(self.body)


def _command(data: Path, options: Sequence[str], under: Sequence[str], program: Sequence[str]) -> list[str]:
    return [*under, sys.executable, *program, "serve", "--data", str(data), "--port", "0", *options]


def _environment(given: Mapping[str, str]) -> dict[str, str]:
    clean = {name: value for name, value in os.environ.items() if not name.startswith("KIZASHI_")}
    # Small disks have never as much free as is to be kept free by default.
    return {**clean, "KIZASHI_MIN_FREE": "0", "KIZASHI_LOG_FORMAT": "text", **given}


def refused(data: Path, *options: str, under: Sequence[str] = (), environment: Mapping[str, str] = KEYS) -> str:
    """Start a collector that must not start; return what it says on stderr."""
    command = _command(data, options, under, ("-m", "kizashi"))
    ended = subprocess.run(
        command, capture_output=True, text=True, timeout=60, env=_environment(environment), check=False
    )
    assert (ended.returncode, "listening" in ended.stdout) == (1, False), (ended.stdout, ended.stderr)
    assert "Traceback" not in ended.stderr, ended.stderr
    return ended.stderr


def descendants(process: int) -> Iterator[int]:
    """The processes that a process made, each before those that it made itself."""
    try:
        children = Path(f"/proc/{process}/task/{process}/children").read_text().split()
    except OSError:  # it has ended
        return
    for child in map(int, children):
        yield child
        yield from descendants(child)


def is_there(process: int) -> bool:
    """Whether it runs; one that has ended and that nobody has waited for does not."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


class Serving:
    """`kizashi serve` on `data`. Its log goes to a file beside, so that no full pipe is one fault more.

    `under` is a command that runs the collector's (for another user, or in another mount namespace); `program` is
    what the interpreter runs in place of `-m kizashi`.
    """

    def __init__(
        self,
        data: Path,
        log: Path,
        *options: str,
        under: Sequence[str] = (),
        program: Sequence[str] = ("-m", "kizashi"),
        environment: Mapping[str, str] = KEYS,
    ) -> None:
        self._log = log
        with log.open("a") as stderr:
            self.process = subprocess.Popen(
                _command(data, options, under, program),
                stdout=subprocess.PIPE,
                stderr=stderr,
                text=True,
                env=_environment(environment),
            )
        assert self.process.stdout is not None
        for line in self.process.stdout:
            if line.startswith("listening on http://"):
                self._host = line.removeprefix("listening on http://").strip()
                return
        self._end()
        raise AssertionError(f"the collector did not start: {self.log}")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.kill()

    def kill(self) -> None:
        """SIGKILL; once it is dead, nothing happens. Its companions have noticed it when this returns."""
        companions = list(descendants(self.process.pid))
        self.process.kill()
        self._end()
        until(lambda: not any(map(is_there, companions)), "the end of its companions")

    def _end(self) -> None:
        self.process.wait()
        assert self.process.stdout is not None
        self.process.stdout.close()

    def stop(self) -> int:
        """SIGTERM, and the exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(timeout=30)

    @property
    def url(self) -> str:
        """Where it serves."""
        return f"http://{self._host}"

    @property
    def log(self) -> str:
        """All that was logged."""
        return self._log.read_text()

    def logs(self, row: Fault) -> None:
        """Wait for what the fault table says: lines are written beside everything else, a moment after an answer."""
        until(lambda: row.is_logged(self.log), f"{row.log} in the log")

    def logged(self, words: str) -> None:
        """Wait for a line with these words."""
        until(lambda: words in self.log, f"{words!r} in the log")

    def ask(self, method: str, path: str, body: bytes | None = None, *, key: str = "r-secret") -> Answer:
        """One request on a connection of its own."""
        connection = http.client.HTTPConnection(self._host, timeout=_PATIENCE)
        try:
            headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
            connection.request(method, path, body, headers)
            response = connection.getresponse()
            data = response.read()
            shown: Any = json.loads(data) if "json" in response.headers.get_content_type() else data.decode()
            return Answer(response.status, {name.lower(): text for name, text in response.headers.items()}, shown)
        finally:
            connection.close()

    def gauge(self, name: str) -> float:
        """A metric without labels; not a number where there is none of this name."""
        lines = self.ask("GET", "/metrics").body.splitlines()
        return next((float(line.split()[1]) for line in lines if line.startswith(f"{name} ")), float("nan"))

    @property
    def unready(self) -> str | None:
        """Why it is not ready, or None."""
        answer = self.ask("GET", "/readyz")
        if answer.status == 200:
            return None
        assert answer.status == 503, answer
        assert int(answer.headers["retry-after"]) > 0
        assert answer.body["code"] == "not_ready"
        return answer.detail

    def until_ready(self) -> None:
        """Wait until it is ready, with nobody's help."""
        until(lambda: self.unready is None, "ready again")


class Client:
    """Sends batches and remembers which ids were acknowledged. `size` is how large an event's properties are."""

    def __init__(self, *, size: int = 0) -> None:
        self.acknowledged: set[str] = set()
        self.unanswered: list[list[dict[str, Any]]] = []
        self._size = size

    def batch(self, count: int) -> list[dict[str, Any]]:
        """Events that happen now, with ids of their own and properties that no compression makes small."""
        now = time.time_ns() // 1_000_000
        return [
            {"id": f"f-{os.getpid()}-{next(_serial)}", "name": "mv_view", "time": now, "actor": "v-1"}
            | {"properties": {"fill": os.urandom(self._size // 2).hex()}}
            for _ in range(count)
        ]

    def send(self, collector: Serving, events: list[dict[str, Any]]) -> Answer:
        """Send a batch. It is answered 200, or 503 or 429 with Retry-After, and nothing else."""
        answer = collector.ask("POST", "/v1/events", json.dumps({"events": events}).encode(), key="w-secret")
        if answer.status == 200:
            assert answer.body["rejected"] == 0, answer.body
            self.acknowledged |= {event["id"] for event in events}
        else:
            assert answer.status in {429, 503}, answer
            assert int(answer.headers["retry-after"]) > 0
            self.unanswered.append(events)
        return answer

    def send_again(self, collector: Serving) -> None:
        """Send again what was answered 503; now it must be taken."""
        again, self.unanswered = self.unanswered, []
        for events in again:
            answer = self.send(collector, events)
            assert answer.status == 200, answer

    def check(self, collector: Serving) -> None:
        """Every acknowledged event is stored, and counts once."""
        listing = collector.ask("GET", "/v1/events?limit=1000")
        assert listing.status == 200, listing
        stored = [event["id"] for event in listing.body["events"]]
        assert len(stored) == len(set(stored)) < 1000
        assert self.acknowledged <= set(stored), f"{len(self.acknowledged - set(stored))} acknowledged events lost"
        summary = collector.ask("GET", "/v1/summary?window=1d")
        assert summary.body["total"]["actors"] == bool(stored)
        rows = summary.body["rows"]
        assert sum(row["events"]["mv_view"]["count"] for row in rows if "mv_view" in row["events"]) == len(stored)
