"""What the applications share: a client, and a place where concurrent requests wait for each other."""

from __future__ import annotations

from urllib.request import urlopen

import kizashi

__all__ = ["SECRET", "meet"]

SECRET = "a secret for the tests"

kizashi.configure(flush_interval=0.02)


def meet(url: str) -> None:
    """Return when as many requests as the test expects have come here."""
    with urlopen(url, timeout=20) as response:
        response.read()
