"""The SQLite schema, as dated migrations; each is recorded in the transaction that makes it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlite_utils import Migrations

if TYPE_CHECKING:
    from sqlite_utils.db import Database

__all__ = ["key_migrations", "log_migrations"]

log_migrations = Migrations("log")
key_migrations = Migrations("keys")


@log_migrations(name="2026-11-20 events, rejected, plans")
def _first(db: Database) -> None:
    db.create_table(
        "events",
        {
            "seq": int,
            "id": str,
            "name": str,
            "time": int,
            "received_at": int,
            "shift": int,
            "actor": str,
            "value": int,
            "currency": str,
            "currency_defaulted": int,
            "order_id": str,
            "session": str,
            "adjust": str,
            "source": str,
            "properties": str,
            "consent": str,
            "imported": int,
        },
        pk="seq",
        not_null={"id", "name", "time", "received_at", "shift", "currency_defaulted", "imported"},
        strict=True,
    )
    db.execute("CREATE UNIQUE INDEX events_id ON events(id)")
    # Adjustments share (name, order) with their original, so that only plain events are once by it.
    db.execute(
        "CREATE UNIQUE INDEX events_order ON events(order_id, name) WHERE order_id IS NOT NULL AND adjust IS NULL"
    )
    db.execute("CREATE INDEX events_adjust ON events(time) WHERE adjust IS NOT NULL")
    db.execute("CREATE INDEX events_time ON events(time)")
    db.execute("CREATE INDEX events_received ON events(received_at, time) WHERE imported = 0")
    db.create_table(
        "rejected",
        {"seq": int, "received_at": int, "id": str, "code": str, "message": str, "body": bytes},
        pk="seq",
        not_null={"received_at", "code", "message", "body"},
        strict=True,
    )
    db.create_table("plans", {"seq": int, "applied_at": int, "plan_id": str, "canonical": bytes}, pk="seq", strict=True)


@key_migrations(name="2026-11-20 keys")
def _keys(db: Database) -> None:
    db.create_table(
        "keys",
        {"id": int, "name": str, "scope": str, "digest": bytes, "created_at": int, "revoked_at": int},
        pk="id",
        not_null={"name", "scope", "digest", "created_at"},
        strict=True,
    )
    db.execute("CREATE UNIQUE INDEX keys_digest ON keys(digest)")
