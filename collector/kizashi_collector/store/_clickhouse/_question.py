"""One question to the store: the queries that it takes, within the time that it may take, and ended with it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kizashi_collector.store._clickhouse._engine import Columns, Engine
from kizashi_collector.store._patience import Patience
from kizashi_collector.store._protocol import QueryTooSlowError

__all__ = ["Question"]


class Question:
    """Asks in one thread; ended from any."""

    def __init__(self, engine: Engine, seconds: float) -> None:
        self.check = Patience(seconds)
        self._engine = engine
        self._running: str | None = None

    def ask(self, sql: str, parameters: Mapping[str, Any] | None = None) -> Columns:
        """The columns of a query's result. Raises StoreError: QueryTooSlowError or QueryEndedError, too."""
        self.check()
        self._running = self._engine.new_query_id()
        try:
            return self._engine.ask(sql, parameters, seconds=self.check.left, query_id=self._running)
        except QueryTooSlowError:
            self.check()  # says how long that was
            raise
        finally:
            self._running = None

    def end(self) -> None:
        """Give the work up: what runs in the server is cancelled."""
        self.check.end()
        running = self._running
        if running is not None:
            self._engine.cancel(running)
