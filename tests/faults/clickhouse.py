"""A server's stand-in in a process of its own, and what collectors have stored in it: see clickhouse_front.py."""

from __future__ import annotations

import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import msgspec

from kizashi_collector.store._clickhouse._engine import Columns, Engine
from kizashi_collector.store._clickhouse._settled import read_settled
from kizashi_collector.store.clickhouse import Address

__all__ = ["Front", "Store"]


class Front:
    """Runs until the `with` ends; killed and started again, it is at the same port."""

    def __init__(self, folder: Path) -> None:
        self._folder, self._port = folder, 0
        self.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.kill()

    def start(self) -> None:
        """Start; it is ready when this returns."""
        command = [sys.executable, "-m", "clickhouse_front", "--data", str(self._folder), "--port", str(self._port)]
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[1])
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        assert line.startswith("listening on http://"), "the front did not start"
        self._port = int(line.rpartition(":")[2])

    def kill(self) -> None:
        """SIGKILL."""
        self._process.kill()
        self._process.communicate()

    def fault(self, **fault: Any) -> None:
        """Let go wrong what Fault says, and nothing else; without arguments, nothing."""
        request = urllib.request.Request(f"http://127.0.0.1:{self._port}/__fault", msgspec.json.encode(fault))
        with urllib.request.urlopen(request, timeout=20):
            pass

    def store(self, database: str, user: str = "") -> Store:
        """A database, as collectors are told of it."""
        return Store(f"clickhouse://{user}127.0.0.1:{self._port}/{database}")


class Store:
    """What is stored, seen as collectors see it but without one."""

    def __init__(self, address: str) -> None:
        self.address = address

    def ask(self, sql: str) -> Columns:
        """The columns of a query's result."""
        with self.engine() as engine:
            return engine.ask(sql)

    def counted(self, columns: str = "id") -> Columns:
        """Columns of the events that count."""
        with self.engine() as engine:
            view = read_settled(engine).view()
            return engine.ask(f"SELECT {columns} FROM {view.table} WHERE {view.where}")

    @contextmanager
    def engine(self) -> Iterator[Engine]:
        """A connection of one's own."""
        engine = Engine(Address.of(self.address))
        try:
            yield engine
        finally:
            engine.close()
