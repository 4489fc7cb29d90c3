"""A handle on a sink in a process of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from types import TracebackType
from typing import Any, Self

__all__ = ["SinkProcess"]

TESTS = Path(__file__).parents[1]


class SinkProcess:
    """Starts at once; `url` is where it listens. It ends with the block."""

    def __init__(self, number: str = "n") -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "conformance.sink", "--number", number],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": str(TESTS)},
        )
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line.startswith("listening on "):
            raise RuntimeError("the sink did not start")
        self.url = line.split()[-1]

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.process.kill()
        for pipe in (self.process.stdin, self.process.stdout):
            if pipe is not None:
                pipe.close()
        self.process.wait()

    def order(self, **words: Any) -> dict[str, Any]:
        """Give an order and return the report that answers it; see the sink's docstring."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(json.dumps(words) + "\n")
        self.process.stdin.flush()
        report: dict[str, Any] = json.loads(self.process.stdout.readline())
        return report

    def behave(self, mode: str, **words: Any) -> None:
        """Behave so from now on; or, with times=…, for so many requests."""
        self.order(do="behave", mode=mode, **words)

    def wait(self, distinct: int, seconds: float) -> dict[str, Any]:
        """Wait until so many distinct events have come, for so many seconds at most."""
        return self.order(do="wait", distinct=distinct, seconds=seconds)

    def report(self) -> dict[str, Any]:
        """What came so far."""
        return self.order(do="report")
