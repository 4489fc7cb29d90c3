"""Questions that are asked while the load runs: how long each takes."""

from __future__ import annotations

import contextlib
import http.client
import threading
import time
from collections.abc import Iterator

__all__ = ["ask", "asked_meanwhile"]

SUMMARY = "/v1/summary?window=7d&by=campaign"


def ask(connection: http.client.HTTPConnection, key: str, path: str = SUMMARY) -> tuple[float, int, bytes]:
    """Seconds that an answer took, its status, and its body."""
    began = time.perf_counter()
    connection.request("GET", path, headers={"Authorization": f"Bearer {key}"})
    answer = connection.getresponse()
    body = answer.read()
    return time.perf_counter() - began, answer.status, body


@contextlib.contextmanager
def asked_meanwhile(port: int, key: str, every: float = 0.1) -> Iterator[list[float]]:
    """Ask for the summary again and again until the block ends; yields the seconds that each answer took."""
    seconds: list[float] = []
    over = threading.Event()

    def go() -> None:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        while not over.wait(every):
            took, status, body = ask(connection, key)
            if status != 200:
                print(f"a question was answered {status}: {body[:200]!r}")
            seconds.append(took)
        connection.close()

    thread = threading.Thread(target=go)
    thread.start()
    try:
        yield seconds
    finally:
        over.set()
        thread.join()
