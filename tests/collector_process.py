"""A collector as users run it: `kizashi serve` in a process of its own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

__all__ = ["CollectorProcess"]

KEYS = {"KIZASHI_WRITE_KEY": "w-secret", "KIZASHI_READ_KEY": "r-secret", "KIZASHI_ADMIN_KEY": "a-secret"}


class CollectorProcess:
    """Starts at once and is ready when its constructor returns; `output` holds the lines printed so far."""

    def __init__(self, data: Path, *options: str, environment: Mapping[str, str] = KEYS, port: int = 0) -> None:
        command = [sys.executable, "-m", "kizashi", "serve", "--data", str(data), "--port", str(port), *options]
        clean = {name: value for name, value in os.environ.items() if not name.startswith("KIZASHI_")}
        self.process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env={**clean, **environment}
        )
        self.output: list[str] = []
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.output.append(line.rstrip("\n"))
            if line.startswith("listening on "):
                break
        else:
            _, errors = self.process.communicate()
            raise RuntimeError(f"the collector did not start: {errors}")
        self.url = self.output[-1].removeprefix("listening on ")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.process.kill()
        self.process.wait()
        for pipe in (self.process.stdout, self.process.stderr):
            if pipe is not None:
                pipe.close()

    def send(self, number: signal.Signals) -> None:
        """Send a signal."""
        self.process.send_signal(number)

    def stop(self, number: signal.Signals = signal.SIGTERM) -> tuple[int, str]:
        """Send a signal and wait for the end; return the exit code and what was written to stderr."""
        self.process.send_signal(number)
        _, errors = self.process.communicate(timeout=20)
        return self.process.returncode, errors

    def stderr_until(self, words: Sequence[str]) -> str:
        """Read the log until a line holds one of the words; return that line."""
        assert self.process.stderr is not None
        for line in self.process.stderr:
            if any(word in line for word in words):
                return line
        raise RuntimeError("the collector ended")
