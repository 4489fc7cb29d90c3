"""The process's own client, with a transport that remembers, for doors that are opened in this process."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import kizashi
from sdk.visit.visiting import SECRET, Accepting

__all__ = ["LANDING", "SETTINGS", "recorded"]

LANDING = "utm_campaign=brand"
SETTINGS: dict[str, Any] = {"secret": SECRET, "consent": lambda _request: True, "actor": lambda _request: "v-1"}


@contextmanager
def recorded() -> Iterator[list[dict[str, Any]]]:
    """A list that holds the events of the block once it is over."""
    transport = Accepting()
    kizashi.configure(transport=transport, flush_interval=0.01)
    try:
        yield transport.events
        assert kizashi.flush(10)
    finally:
        kizashi.close()
