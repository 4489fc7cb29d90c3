"""The connection: queries and inserts over HTTP, or in the engine in process, each in whatever thread asks."""

from __future__ import annotations

import contextlib
import logging
import uuid
from collections.abc import Iterator, Mapping, Sequence
from io import BytesIO
from pathlib import Path
from typing import Any

import clickhouse_connect
from clickhouse_connect.driver.exceptions import ClickHouseError

from kizashi_collector.store._clickhouse._address import Address
from kizashi_collector.store._clickhouse._fields import lists_apart
from kizashi_collector.store._clickhouse._layout import Layout
from kizashi_collector.store._clickhouse._trouble import trouble
from kizashi_collector.store._protocol import StoreError

__all__ = ["DELETING_S", "Columns", "Engine"]

Columns = Sequence[Sequence[Any]]
"""The columns of a result; as many empty ones where it has no rows."""

DELETING_S = 600.0
"""How long it may take to delete rows: parts are written anew without them."""

_CONNECT_S, _ANSWER_S, _WRITE_S = 5, 30, 30.0
_QUERY_BYTES = 64 * 1024 * 1024
_ALWAYS: Mapping[str, Any] = {
    # Long lists of numbers are part of some queries.
    "max_query_size": _QUERY_BYTES,
    "max_ast_elements": 2_000_000,
    "max_expanded_ast_elements": 2_000_000,
    # One batch is one part, however many months it touches.
    "max_partitions_per_insert_block": 0,
    "async_insert": 0,
    # A row that was read as another type than it was written with is a wrong number.
    "input_format_null_as_default": 0,
    "use_query_cache": 0,
    # To derive more comparisons from those that are there takes longer than many an answer.
    "optimize_and_compare_chain": 0,
    # To leave out rows that a branch does not need costs more, of expressions this cheap, than to work them out.
    "short_circuit_function_evaluation": "disable",
}
_IN_A_CLUSTER: Mapping[str, Any] = {
    # What is acknowledged is on a majority of the replicas of its shard, and every reader sees it from then on.
    "insert_quorum": "auto",
    "insert_quorum_parallel": 0,
    "select_sequential_consistency": 1,
    "distributed_foreground_insert": 1,
    "distributed_product_mode": "local",
    # A part of an answer is no answer.
    "skip_unavailable_shards": 0,
}


class Engine:
    """Talks to the store at an address. All methods may be called in any thread; all raise StoreError.

    `answer_seconds` bounds how long a question may take unless it says otherwise.
    """

    def __init__(self, address: Address, *, answer_seconds: float = _ANSWER_S) -> None:
        self.address = address
        self._answer_seconds = answer_seconds
        settings = self._settings = dict(_ALWAYS) | (dict(_IN_A_CLUSTER) if address.cluster else {})
        self._slow: Any = None
        try:
            if address.path is not None:
                Path(address.path).mkdir(parents=True, exist_ok=True)
                self._client = clickhouse_connect.get_client(
                    dsn=f"chdb://{Path(address.path).absolute()}", settings=settings
                )
            else:
                self._client = _over_http(address, settings, 2 * _ANSWER_S)
        except (ClickHouseError, OSError, ImportError) as error:
            if isinstance(error, ImportError):
                raise StoreError("chdb:// needs the extra `chdb`: pip install 'kizashi[collector,chdb]'") from None
            raise trouble(error, f"cannot open {address}") from error
        self._enter_database()

    def _enter_database(self) -> None:
        """Make the database if it is not there, and work in it from here on."""
        on_cluster = f" ON CLUSTER `{self.address.cluster}`" if self.address.cluster else ""
        database = self.address.database
        try:
            there = self._client.query(
                "SELECT count() FROM system.databases WHERE name = {name:String}", parameters={"name": database}
            ).result_rows[0][0]
            if not there:
                self._client.command(f"CREATE DATABASE IF NOT EXISTS {database}{on_cluster}")
            self._client.database = database
        except (ClickHouseError, OSError) as error:
            raise trouble(error, f"cannot use database {database!r} of {self.address}") from error

    @property
    def in_process(self) -> bool:
        """Whether the engine runs in this process, where one statement runs at a time."""
        return self.address.path is not None

    def ask(
        self,
        sql: str,
        parameters: Mapping[str, Any] | None = None,
        *,
        seconds: float | None = None,
        query_id: str | None = None,
    ) -> Columns:
        """The columns of a query's result. `seconds` is the time that it may take."""
        sql, given = lists_apart(sql, parameters or {})
        with self._told("cannot read"):
            result = self._client.query(
                sql,
                parameters=given,
                settings=self._limits(seconds, query_id),
                column_oriented=True,
            )
            if len(result.result_columns):
                return result.result_columns
            # The engine in process does not even say how many columns there are, where there is no row.
            names = result.column_names or self._client.query(f"DESCRIBE ({sql})", parameters=given).result_rows
            return [[] for _ in names]

    def insert(self, table: str, columns: Sequence[str], rows: bytes) -> None:
        """Insert rows, each a JSON array in a line; when it returns, they are durable, all of them."""
        if not rows:
            return
        with self._told("cannot write"):
            self._client.raw_insert(
                table,
                list(columns),
                # As a stream, which cannot be sent twice: rows in one piece the client would send again where the
                # connection breaks, though they may be there already.
                BytesIO(rows),
                settings=self._limits(_WRITE_S, None),
                fmt="JSONCompactEachRow",
            )

    def run(self, sql: str, parameters: Mapping[str, Any] | None = None, *, seconds: float = _WRITE_S) -> None:
        """Carry out a statement without a result, which may take so many seconds."""
        sql, given = lists_apart(sql, parameters or {})
        with self._told("cannot write"):
            client = self._client if seconds <= _WRITE_S else self._patient(seconds)
            client.command(sql, parameters=given, settings=self._limits(seconds, None))

    def delete(self, table: str, where: str, parameters: Mapping[str, Any]) -> None:
        """Delete rows on all shards, from the disks too; return when that is done, within DELETING_S."""
        layout = Layout(self.address.database, self.address.cluster)
        local = f"{layout.local(table)}{layout.on_cluster}"
        sql = f"ALTER TABLE {local} DELETE WHERE {where} SETTINGS mutations_sync = 2"
        self.run(sql, parameters, seconds=DELETING_S)

    def drop_partition(self, table: str, partition: int) -> None:
        """Delete a partition that is a number, on all shards."""
        layout = Layout(self.address.database, self.address.cluster)
        local = f"{layout.local(table)}{layout.on_cluster}"
        self.run(
            f"ALTER TABLE {local} DROP PARTITION {partition} SETTINGS max_partition_size_to_drop = 0",
            seconds=DELETING_S,
        )

    def _patient(self, seconds: float) -> Any:
        """A connection on which nothing may be heard for so long, as while large parts are written anew."""
        if self.in_process:
            return self._client
        if self._slow is None:
            self._slow = _over_http(self.address, self._settings, 2 * seconds)
            self._slow.database = self.address.database
        return self._slow

    def cancel(self, query_id: str) -> None:
        """Have a running query ended, if the server can."""
        if self.in_process:
            return
        with contextlib.suppress(StoreError):
            self.run("KILL QUERY WHERE query_id = {id:String} ASYNC", {"id": query_id}, seconds=5)

    def close(self) -> None:
        """Let go of the connections."""
        for client in (self._client, self._slow):
            if client is not None:
                with contextlib.suppress(ClickHouseError, OSError):
                    client.close()

    @staticmethod
    def new_query_id() -> str:
        """A name for a query, by which it can be cancelled."""
        return f"kizashi-{uuid.uuid4()}"

    def _limits(self, seconds: float | None, query_id: str | None) -> dict[str, Any]:
        limit = self._answer_seconds if seconds is None else seconds
        settings: dict[str, Any] = {"max_execution_time": max(0.05, limit)}
        if query_id is not None and not self.in_process:
            settings["query_id"] = query_id
        return settings

    @contextlib.contextmanager
    def _told(self, doing: str) -> Iterator[None]:
        try:
            yield
        except (ClickHouseError, OSError) as error:
            raise trouble(error, doing) from error


def _over_http(address: Address, settings: Mapping[str, Any], silence: float) -> Any:
    # What they warn of at each try is in the error that is raised, and is told once.
    for name in ("clickhouse_connect", "urllib3"):
        logging.getLogger(name).setLevel(logging.ERROR)
    return clickhouse_connect.get_client(
        host=address.host,
        port=address.port,
        username=address.user,
        password=address.password,
        secure=address.secure,
        verify=address.verify,
        ca_cert=address.ca,
        settings=dict(settings),
        connect_timeout=_CONNECT_S,
        send_receive_timeout=int(silence),
        # Statements of several threads share the client, and none needs what another one set.
        autogenerate_session_id=False,
        query_retries=0,
        form_encode_query_params=True,
        client_name="kizashi",
    )
