"""One SDK against one case: the programs that run, and what came of it."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from conformance.sink_process import TESTS, SinkProcess

__all__ = ["Application", "HungError", "Outcome", "Trial", "clean_environment"]

PRELUDE = "import os, sys\nfrom conformance.application import *\n"


class HungError(Exception):
    """A program did not come to its end, or to its next word, in the time that the case gives."""


class Outcome(NamedTuple):
    """What a cell of the table is made of."""

    good: bool
    delivered: int
    tracked: int
    duplicates: int
    resent: int
    exit_seconds: float | None
    notes: tuple[str, ...]
    books: tuple[Mapping[str, Any], ...]
    """Every look at the SDK's own books that a program told of."""

    def __str__(self) -> str:
        words = [f"{self.delivered}/{self.tracked}"]
        if self.duplicates:
            words.append(f"{self.duplicates} twice")
        if self.resent:
            words.append(f"{self.resent} sent again")
        if self.exit_seconds is not None:
            words.append(f"exit {self.exit_seconds:.1f} s")
        return f"{'✓' if self.good else '✗'} {', '.join([*words, *self.notes])}"


class Application:
    """A program of a case, in a process of its own."""

    def __init__(self, program: str, sdk: str, endpoint: str, options: Mapping[str, Any]) -> None:
        self.errors = tempfile.TemporaryFile("w+", encoding="utf-8")  # noqa: SIM115 - closed with the process
        self.process = subprocess.Popen(
            [sys.executable, "-c", PRELUDE + program, sdk, endpoint, json.dumps(options)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self.errors,
            text=True,
            env=clean_environment(),
            # A group of its own: a forked child that hangs must not outlive the case.
            start_new_session=True,
        )
        self.words: list[dict[str, Any]] = []

    def until(self, word: str, seconds: float = 30.0) -> dict[str, Any]:
        """Read what it says up to this word, and return that. Raises HungError."""
        with self.limit(seconds):
            while line := self._line():
                self.words.append(line)
                if word in line:
                    return line
        *_, last = ["nothing", *self.complaints().split("\n")]
        raise HungError(f"ended before its time, saying: {last}")

    def go(self) -> None:
        """Let it go on."""
        assert self.process.stdin is not None
        # It may be dead, which is for the outcome to say.
        with contextlib.suppress(BrokenPipeError):
            self.process.stdin.write("\n")
            self.process.stdin.flush()

    def send(self, number: signal.Signals) -> None:
        """Send a signal."""
        self.process.send_signal(number)

    def end(self, seconds: float = 30.0) -> float | None:
        """Wait for its end; the seconds since it said that it leaves, or None if it never did. Raises HungError."""
        with self.limit(seconds):
            while line := self._line():
                self.words.append(line)
            self.process.wait()
        left = [word["at"] for word in self.words if "leaving" in word]
        return time.monotonic() - left[-1] if left else None

    @contextmanager
    def limit(self, seconds: float) -> Iterator[None]:
        """Kill it when the time is over, which ends whatever waits for its words."""
        import threading

        over = threading.Event()

        def kill() -> None:
            over.set()
            self.kill()

        timer = threading.Timer(seconds, kill)
        timer.start()
        try:
            yield
        finally:
            timer.cancel()
        if over.is_set():
            raise HungError(f"hung for {seconds:g} s")

    def kill(self) -> None:
        """End it and its children at once."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)

    def close(self) -> None:
        """End it, if it has not ended, and leave nothing open."""
        self.kill()
        self.process.communicate()
        self.errors.close()

    def complaints(self) -> str:
        """What it wrote to stderr, the last of it."""
        self.errors.seek(0)
        return self.errors.read()[-2000:].strip()

    def _line(self) -> dict[str, Any] | None:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line:
            return None
        told: dict[str, Any] = json.loads(line)
        return told


class Trial:
    """What a case works with: a sink, and programs that use one SDK. Everything ends with the block."""

    def __init__(self, sdk: str) -> None:
        self.sdk = sdk

    def __enter__(self) -> Trial:
        self.sink = SinkProcess()
        self.applications: list[Application] = []
        self._folder = tempfile.TemporaryDirectory()
        self.folder = Path(self._folder.name)
        return self

    def __exit__(self, *_: object) -> None:
        for application in self.applications:
            application.close()
        self.sink.__exit__(None, None, None)
        self._folder.cleanup()

    def start(self, program: str, **options: Any) -> Application:
        """Run a program whose SDK has these of the adapters' options."""
        application = Application(program, self.sdk, self.sink.url, options)
        self.applications.append(application)
        return application

    def outcome(
        self, good: bool, tracked: int, exit_seconds: float | None = None, notes: tuple[str, ...] = ()
    ) -> Outcome:
        """What came of it, by the sink's counts."""
        report = self.sink.report()
        return Outcome(
            good,
            report["distinct"],
            tracked,
            report["duplicates"],
            report["resent"],
            exit_seconds,
            notes,
            tuple(
                word["books"] for application in self.applications for word in application.words if word.get("books")
            ),
        )

    def exactly_once(self, tracked: int, exit_seconds: float | None = None, notes: tuple[str, ...] = ()) -> Outcome:
        """Good if every event came, and none under two identities."""
        report = self.sink.report()
        return self.outcome(report["distinct"] == tracked and not report["duplicates"], tracked, exit_seconds, notes)


def clean_environment() -> dict[str, str]:
    """The environment without anybody's SDK settings."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("KIZASHI_", "OTEL_"))}
    return {**clean, "PYTHONPATH": os.pathsep.join(filter(None, [str(TESTS), clean.get("PYTHONPATH", "")]))}
