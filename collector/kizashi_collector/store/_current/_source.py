"""The log as whoever keeps answers current sees it."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from kizashi_collector.store._chunks import Texts
from kizashi_collector.store._fits import StoredFit

__all__ = ["Source", "reader"]


class Source(Protocol):
    """The log, as far as it is needed here: its file, its texts, and the moments between its transactions."""

    @property
    def path(self) -> Path:
        """The database."""

    @property
    def texts(self) -> Texts:
        """What the numbers in it stand for."""

    def between(self, do: Callable[[], None]) -> None:
        """Have something done soon, in any thread, between two transactions as they are told."""

    def keep_fit(self, fit: StoredFit, then: Callable[[StoredFit | None], None]) -> None:
        """Append a fit to the log; `then` is called once that is durable, or with None where it was not to be done."""


def reader(log: Source) -> sqlite3.Connection:
    """A connection that reads the log, in whichever thread."""
    connection = sqlite3.connect(log.path, check_same_thread=False, isolation_level=None)
    connection.execute("PRAGMA query_only=ON")
    return connection
