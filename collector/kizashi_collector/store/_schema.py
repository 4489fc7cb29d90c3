"""The SQLite schema, as dated migrations; each is recorded in the transaction that makes it."""

from __future__ import annotations

from pathlib import Path

from kizashi_collector.store._protocol import StoreError
from kizashi_collector.store._sqlite_utils import Database, Migrations

__all__ = ["key_migrations", "log_migrations", "migrate"]

log_migrations = Migrations("log")
key_migrations = Migrations("keys")


def migrate(migrations: Migrations, db: Database, path: Path) -> None:
    """Bring the file up to date. Raises StoreError where a newer version has been there before."""
    known = {migration.name for migration in migrations.pending(Database(memory=True))}
    unknown = [migration.name for migration in migrations.applied(db) if migration.name not in known]
    if unknown:
        raise StoreError(
            f"{path} was written by a newer version of kizashi: it has {unknown[0]!r}, which this one does not know; "
            "run that version or a newer one, or restore a backup from before"
        )
    migrations.apply(db)


@log_migrations(name="2026-11-20 log")
def _first(db: Database) -> None:
    # `history` names this log for what is derived from it and kept beside it: another log's is not taken for its own.
    # `salt` goes into hashes that the log keeps, and `high` is the highest number that an event was given before it
    # was deleted: no number is given twice.
    db.execute("CREATE TABLE logs (history TEXT NOT NULL, salt BLOB NOT NULL, high INT NOT NULL) STRICT")
    db.execute("INSERT INTO logs VALUES (lower(hex(randomblob(16))), randomblob(16), 0)")
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
    # What is left of an erased event's id: 48 bits of one hash to find it by, 128 bits of another to be sure.
    db.execute("CREATE TABLE erased (short INT, digest BLOB, PRIMARY KEY (short, digest)) WITHOUT ROWID, STRICT")
    db.create_table("plans", {"seq": int, "applied_at": int, "plan_id": str, "canonical": bytes}, pk="seq", strict=True)


@log_migrations(name="2026-11-20 fits")
def _fits(db: Database) -> None:
    # A fit that was used was told to somebody: it is part of what the answers are a function of.
    db.create_table(
        "fits",
        {"number": int, "plan_id": str, "boundary": int, "made_at": int, "seconds": float, "fits": bytes},
        pk="number",
        not_null={"plan_id", "boundary", "made_at", "seconds", "fits"},
        strict=True,
    )
    db.execute("CREATE INDEX fits_boundary ON fits(plan_id, boundary)")


@log_migrations(name="2026-11-21 increments")
def _increments(db: Database) -> None:
    # What a feed was told is told for good: the lines of the ledger are never changed, and none gets another's number.
    # `event`, `name`, `event_id`, `event_time` and `order_id` are null where no event caused it; amounts beyond 64 bits
    # are texts.
    db.execute(
        "CREATE TABLE increments (number INTEGER PRIMARY KEY, time INT NOT NULL, journey INT NOT NULL, "
        "actor INT NOT NULL, kind TEXT NOT NULL, name INT, event_id TEXT, event_time INT, order_id TEXT, "
        "source TEXT NOT NULL, value ANY NOT NULL, emitted ANY NOT NULL, fit INT) STRICT"
    )
    db.execute("CREATE INDEX increments_actor ON increments(actor)")
    # Journeys that a feed was told of, and those that it may be: see analysis.Emitted.
    db.execute(
        "CREATE TABLE emitted (number INTEGER PRIMARY KEY, actor INT NOT NULL, first INT NOT NULL, begin INT NOT NULL, "
        "until INT NOT NULL, members INT NOT NULL, depth INT NOT NULL, final INT NOT NULL, sold INT NOT NULL, "
        "source INT NOT NULL, emitted ANY NOT NULL, entry INT NOT NULL) STRICT"
    )
    db.execute("CREATE INDEX emitted_actor ON emitted(actor)")
    db.execute("CREATE INDEX emitted_open ON emitted(until) WHERE final = 0")
    # How far the ledger is: `version` changes whenever a line is added or an actor goes, `edge` is before when events
    # were deleted because of their age; the last numbers that lines and journeys were given. It begins with one share
    # of all actors after the other: `share` of `shares` is next.
    db.execute(
        "CREATE TABLE ledger (version INT NOT NULL, last_seq INT NOT NULL, as_of INT NOT NULL, edge INT NOT NULL, "
        "lines INT NOT NULL, journeys INT NOT NULL, share INT NOT NULL, shares INT NOT NULL) STRICT"
    )
    db.execute("INSERT INTO ledger VALUES (0, 0, -1, -1, 0, 0, 0, 0)")
    # Under which of its names the log wrote which lines: those after `since`, until the next name.
    db.execute("CREATE TABLE ledger_names (since INT NOT NULL, history TEXT NOT NULL) STRICT")


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
