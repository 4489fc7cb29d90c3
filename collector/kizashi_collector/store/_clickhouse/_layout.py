"""How tables are made: in one server, or over a cluster."""

from __future__ import annotations

from msgspec import Struct

__all__ = ["Layout"]


class Layout(Struct, frozen=True):
    """How tables are made: in one server, or replicated over the shards of a cluster.

    In a cluster what is written and read is a Distributed table; `local` names the one on each shard.
    """

    database: str
    cluster: str | None = None

    def local(self, table: str) -> str:
        """The name of the table that holds rows."""
        return f"{table}_local" if self.cluster else table

    @property
    def on_cluster(self) -> str:
        """What follows a table's name in a definition."""
        return f" ON CLUSTER `{self.cluster}`" if self.cluster else ""

    def engine(self, kind: str, arguments: str = "") -> str:
        """The engine of a local table."""
        if not self.cluster:
            return f"{kind}({arguments})"
        path = "'/clickhouse/tables/{uuid}/{shard}', '{replica}'"
        return f"Replicated{kind}({', '.join(part for part in (path, arguments) if part)})"

    def tables(self, name: str, definition: str, engine: str, rest: str, shard_by: str) -> list[str]:
        """The statements that make a table: the one with the rows, and in a cluster the one that leads to them."""
        local = (
            f"CREATE TABLE IF NOT EXISTS {self.local(name)}{self.on_cluster} ({definition}) ENGINE = {engine} {rest}"
        )
        if not self.cluster:
            return [local]
        distributed = f"Distributed(`{self.cluster}`, `{self.database}`, {self.local(name)}, {shard_by})"
        return [
            local,
            f"CREATE TABLE IF NOT EXISTS {name}{self.on_cluster} AS {self.local(name)} ENGINE = {distributed}",
        ]
