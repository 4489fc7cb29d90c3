"""What the store weighs."""

from __future__ import annotations

from kizashi_collector.store._clickhouse._engine import Engine
from kizashi_collector.store._protocol import IndexState, LogState

__all__ = ["state_of"]

_TABLES = """
    SELECT table, sum(bytes_on_disk), sum(rows), count() FROM system.parts
    WHERE active AND database = {database:String} GROUP BY table
"""
_DISKS = "SELECT version(), sum(free_space), sum(total_space) FROM system.disks"
_LAST = "SELECT max(received_at), count() FROM events WHERE batch > (SELECT max(upto) FROM seals)"
_LAST_OF_ALL = "SELECT max(received_at) FROM events"


def state_of(engine: Engine) -> LogState:
    """Sizes are those of the server asked; in a cluster each has its own share. Raises StoreError.

    What was written and never counted is in them, for the minutes until it is deleted.
    """
    found = engine.ask(_TABLES, {"database": engine.address.database})
    tables = {
        table.removesuffix("_local"): (size, rows, parts) for table, size, rows, parts in zip(*found, strict=True)
    }
    version, free, disk = (column[0] for column in engine.ask(_DISKS))
    last, lately = (column[0] for column in engine.ask(_LAST))
    if not lately:
        last = engine.ask(_LAST_OF_ALL)[0][0]
    events = tables.get("events", (0, 0, 0))
    ids = tables.get("ids", (0, 0, 0))
    return LogState(
        engine=f"clickhouse {version}",
        file_bytes={
            "log": events[0],
            "ids": ids[0] + tables.get("orders", (0, 0, 0))[0],
        },
        free_bytes=free,
        disk_bytes=disk,
        events=events[1],
        chunks=events[2],
        rejected=tables.get("rejected", (0, 0, 0))[1],
        last_received=last if events[1] else None,
        last_backup=None,
        index=IndexState(trouble=None, tables_waiting=0, ids_waiting=0, runs=ids[2], ids_in_runs=ids[1]),
    )
