"""The SQLite schema, as dated migrations; each is recorded in the transaction that makes it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlite_utils import Migrations

if TYPE_CHECKING:
    from sqlite_utils.db import Database

__all__ = ["key_migrations", "log_migrations"]

log_migrations = Migrations("log")
key_migrations = Migrations("keys")


@log_migrations(name="2026-11-20 chunks, rejected, plans")
def _first(db: Database) -> None:
    db.create_table("logs", {"history": str}, strict=True)
    # Names this log for what is derived from it and kept beside it: another log's is not taken for its own.
    db.execute("INSERT INTO logs (history) VALUES (lower(hex(randomblob(16))))")
    db.create_table(
        "chunks",
        {
            "first": int,
            "count": int,
            "first_time": int,
            "last_time": int,
            "first_received": int,
            "last_received": int,
            # Numbers come first: a question that needs no details does not read their pages.
            "numbers": bytes,
            "details": bytes,
        },
        pk="first",
        not_null={"count", "first_time", "last_time", "first_received", "last_received", "numbers", "details"},
        strict=True,
    )
    db.execute("CREATE INDEX chunks_time ON chunks(last_time, first_time)")
    db.execute("CREATE INDEX chunks_received ON chunks(last_received, first_received)")
    db.execute("CREATE TABLE texts (kind INT, number INT, text TEXT, PRIMARY KEY (kind, number)) WITHOUT ROWID, STRICT")
    # Adjustments share (name, order) with their original, so that only plain events are once by it.
    db.execute(
        "CREATE TABLE orders (order_id TEXT, name INT, seq INT NOT NULL, PRIMARY KEY (order_id, name)) "
        "WITHOUT ROWID, STRICT"
    )
    db.create_table(
        "adjustments", {"seq": int, "time": int, "event": bytes}, pk="seq", not_null={"time", "event"}, strict=True
    )
    db.create_table(
        "names", {"name": int, "count": int, "last_time": int}, pk="name", not_null={"count", "last_time"}, strict=True
    )
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
