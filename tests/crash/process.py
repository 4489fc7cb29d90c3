"""A collector that may be killed at any instant of its life, before it listens too."""

from __future__ import annotations

import http.client
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from collector_process import KEYS

__all__ = ["DEADLINE_S", "Collector", "wait_until"]

DEADLINE_S = 60.0
"""How long anything may take before the harness gives up; machines stall."""


def wait_until(holds: Callable[[], bool], seconds: float = DEADLINE_S, *, pause: float = 0.0002) -> bool:
    """Look again and again until the condition holds; False after so many seconds."""
    deadline = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > deadline:
            return False
        time.sleep(pause)
    return True


class Collector:
    """`kizashi serve` on port 0. The constructor returns at once; `under` is a command that runs it, such as a tracer.

    Its output goes to files in the folder `outputs`, by default beside the data, so that no full pipe holds it up.
    """

    def __init__(
        self, data: Path, *, under: Sequence[str] = (), outputs: Path | None = None, options: Sequence[str] = ()
    ) -> None:
        self.data = data
        self._out = (outputs or data.parent) / "stdout"
        self._err = (outputs or data.parent) / "stderr"
        clean = {name: value for name, value in os.environ.items() if not name.startswith("KIZASHI_")}
        command = [*under, sys.executable, "-m", "kizashi", "serve", "--data", str(data), "--port", "0", *options]
        self._began = time.monotonic()
        with self._out.open("w") as out, self._err.open("w") as err:
            self._process = subprocess.Popen(command, stdout=out, stderr=err, env={**clean, **KEYS})
        self._traced = bool(under)

    @property
    def ended(self) -> bool:
        """Whether the process has ended."""
        return self._process.poll() is not None

    @property
    def log(self) -> str:
        """The end of what it has written to stderr."""
        return self._err.read_text(encoding="utf-8", errors="replace")[-2000:]

    def listening(self) -> str:
        """Wait until it listens; return `host:port`. Raises RuntimeError if it ends before."""
        found: list[str] = []

        def there() -> bool:
            found[:] = re.findall(r"^listening on http://(\S+)\n", self._out.read_text(encoding="utf-8"), re.MULTILINE)
            return bool(found) or self.ended

        if not wait_until(there, pause=0.002) or not found:
            raise RuntimeError(f"the collector did not start: {self.log}")
        return found[0]

    def ready(self) -> float:
        """Wait until it takes events; return the seconds since the process was started."""
        address = self.listening()

        def is_ready() -> bool:
            connection = http.client.HTTPConnection(address, timeout=DEADLINE_S)
            try:
                connection.request("GET", "/readyz")
                return connection.getresponse().status == 200
            finally:
                connection.close()

        if not wait_until(is_ready, pause=0.002):
            raise RuntimeError(f"the collector does not get ready: {self.log}")
        return time.monotonic() - self._began

    @property
    def processor_seconds(self) -> float:
        """How much time of the processor it has used so far, which no neighbour on the machine adds to."""
        fields = Path(f"/proc/{self._process.pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def has_open(self, name: str) -> bool:
        """Whether it has opened this file of its data folder."""
        path, descriptors = str(self.data / name), Path(f"/proc/{self._process.pid}/fd")
        try:
            return any(os.readlink(one) == path for one in descriptors.iterdir())
        except OSError:  # one was closed meanwhile, or the process has ended
            return False

    def terminate(self) -> None:
        """Send SIGTERM."""
        self._signal(signal.SIGTERM)

    def kill(self) -> None:
        """Send SIGKILL and wait for the end."""
        self._signal(signal.SIGKILL)
        self._process.wait(DEADLINE_S)

    def stop(self) -> None:
        """Send SIGTERM and wait for a clean end. Raises RuntimeError for another one."""
        self.terminate()
        if (code := self._process.wait(DEADLINE_S)) != 0:
            raise RuntimeError(f"the collector ended with {code}: {self.log}")

    def _signal(self, number: signal.Signals) -> None:
        if not self._traced or self.ended:
            self._process.send_signal(number)
            return
        # Signals are for the collector, not for what runs it.
        children = Path(f"/proc/{self._process.pid}/task/{self._process.pid}/children").read_text(encoding="ascii")
        for child in children.split():
            os.kill(int(child), number)
