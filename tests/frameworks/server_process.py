"""A site as users run it: an application under its real server, in processes of its own, on a port that was free."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import closing, suppress
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

__all__ = ["Answer", "Browser", "ServerProcess", "until"]

TESTS = Path(__file__).parents[1]
_ADDRESS = re.compile(r"http://127\.0\.0\.1:[1-9][0-9]*")
_DEADLINE = 30.0


def until(holds: Callable[[], object], what: str) -> None:
    """Wait for a condition; fails after some seconds, naming it."""
    deadline = time.monotonic() + _DEADLINE
    while not holds():
        assert time.monotonic() < deadline, what
        time.sleep(0.005)


class ServerProcess:
    """Starts at once, and answers when its constructor returns.

    `command` follows `python -m`, runs in the folder of the tests, and must print the address that it got.
    """

    def __init__(self, *command: str, environment: Mapping[str, str]) -> None:
        clean = {name: value for name, value in os.environ.items() if not name.startswith("KIZASHI_")}
        self.process = subprocess.Popen(
            [sys.executable, "-u", "-m", *command],
            cwd=TESTS,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env={**clean, **environment},
            start_new_session=True,
        )
        self.lines: list[str] = []
        # Read to the end: a server whose pipe is full stands still.
        self._reader = threading.Thread(target=self._read)
        self._reader.start()
        try:
            until(lambda: self._address() or self.process.poll() is not None, "no address was printed")
            address = self._address()
            if address is None:
                raise RuntimeError(f"the server did not start: {self.output}")
            self.url = address
            until(self._answers, "nothing answers")
        except BaseException:
            self.kill()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.kill()

    @property
    def output(self) -> str:
        """What was printed so far."""
        return "\n".join(self.lines)

    def kill(self) -> None:
        """End the server with its workers."""
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        self._reader.join()
        if self.process.stdout is not None:
            self.process.stdout.close()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.lines.append(line.rstrip("\n"))

    def _address(self) -> str | None:
        found = _ADDRESS.search(self.output)
        return None if found is None else found[0]

    def _answers(self) -> bool:
        with closing(Browser(self.url)) as browser:
            try:
                return browser.get("/").status == 200
            except (OSError, HTTPException):
                return False


class Answer:
    """A whole answer."""

    def __init__(self, status: int, set_cookies: list[str], body: str) -> None:
        self.status = status
        self.set_cookies = set_cookies
        self.body = body

    @property
    def kizashi(self) -> str | None:
        """The Set-Cookie header that is kizashi's, if there is one."""
        found = [text for text in self.set_cookies if text.startswith("kizashi=")]
        assert len(found) < 2
        return found[0] if found else None


class Browser:
    """One visitor: keeps cookies and one connection, and agrees to be measured unless told otherwise."""

    def __init__(self, url: str, actor: str = "v-1", *, agrees: bool = True) -> None:
        parts = urlsplit(url)
        self._connection = HTTPConnection(parts.hostname or "", parts.port, timeout=20)
        self._actor = actor
        self.cookies = {"agreed": "yes" if agrees else "no"}

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()

    def get(self, path: str, **headers: str) -> Answer:
        """Open a page; header names are written with _ for -."""
        cookies = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        self._connection.request("GET", path, headers={"X-Actor": self._actor, "Cookie": cookies} | named)
        response = self._connection.getresponse()
        answer = Answer(response.status, response.headers.get_all("Set-Cookie") or [], response.read().decode())
        for text in answer.set_cookies:
            name, _, value = text.partition(";")[0].partition("=")
            if "Max-Age=0;" in text:
                self.cookies.pop(name, None)
            else:
                self.cookies[name] = value
        return answer
