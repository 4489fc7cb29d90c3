"""Bring the schema up to date, and refuse one that a newer version has made."""

from __future__ import annotations

from kizashi_collector.store._clickhouse._engine import Engine
from kizashi_collector.store._clickhouse._layout import Layout
from kizashi_collector.store._clickhouse._schema import MIGRATIONS
from kizashi_collector.store._protocol import StoreError

__all__ = ["migrate"]


def migrate(engine: Engine) -> None:
    """Carry out what is missing. Two collectors may do so at a time: each statement does nothing the second time.

    Raises StoreError where a newer version has been there before.
    """
    layout = Layout(engine.address.database, engine.address.cluster)
    for statement in layout.tables(
        "migrations",
        "name String, applied_at DateTime64(3) DEFAULT now64(3)",
        layout.engine("MergeTree"),
        "ORDER BY name",
        "0",
    ):
        engine.run(statement)
    (applied,) = engine.ask("SELECT DISTINCT name FROM migrations ORDER BY name")
    unknown = sorted(set(applied) - {migration.name for migration in MIGRATIONS})
    if unknown:
        raise StoreError(
            f"database {layout.database!r} of {engine.address} was written by a newer version of kizashi: it has "
            f"{unknown[0]!r}, which this one does not know; run that version or a newer one"
        )
    for migration in MIGRATIONS:
        if migration.name not in applied:
            for statement in migration.statements(layout):
                engine.run(statement)
            engine.run("INSERT INTO migrations (name) VALUES ({name:String})", {"name": migration.name})
