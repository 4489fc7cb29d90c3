"""Fits as the log keeps them: every one that was used, under its number; after a week, one of each day."""

from __future__ import annotations

from sqlite3 import Connection

from msgspec import Struct

__all__ = ["StoredFit", "fit_at", "insert_fit"]

_INSERT = "INSERT INTO fits (plan_id, boundary, made_at, seconds, fits) VALUES (?, ?, ?, ?, ?)"
_AT = (
    "SELECT number, plan_id, boundary, made_at, seconds, fits FROM fits WHERE plan_id = ? AND boundary <= ? "
    "ORDER BY boundary DESC, number DESC LIMIT 1"
)

_ALL_FOR_MS = 7 * 86_400_000
_THIN_OUT = (
    "DELETE FROM fits WHERE boundary < ? "
    "AND number NOT IN (SELECT min(number) FROM fits GROUP BY plan_id, boundary / 86400000)"
)


class StoredFit(Struct, frozen=True):
    """What was learned under a plan from the events up to a boundary. Times are milliseconds since 1970.

    `plan` is the plan's `learning_id`, `number` is 0 before it is stored, `seconds` how long it took, and `fits` what
    was learned, as bytes.
    """

    number: int
    plan: str
    boundary: int
    made_at: int
    seconds: float
    fits: bytes


def insert_fit(connection: Connection, fit: StoredFit) -> StoredFit:
    """Append a fit in the open transaction, and thin out those of a week ago; return what the log has.

    With 600 keys a fit takes 0.8 MB: all of them would grow by 7 GB a year.
    """
    connection.execute(_THIN_OUT, (min(fit.boundary, fit.made_at) - _ALL_FOR_MS,))
    connection.execute(_INSERT, (fit.plan, fit.boundary, fit.made_at, fit.seconds, fit.fits))
    stored = fit_at(connection, fit.plan, fit.boundary)
    if stored is None or stored.boundary != fit.boundary:
        raise RuntimeError("SQLite has no row that it inserted")
    return stored


def fit_at(connection: Connection, plan: str, as_of: int) -> StoredFit | None:
    """The fit under this plan that an answer at `as_of` takes: of the last boundary up to then, the last."""
    row = connection.execute(_AT, (plan, as_of)).fetchone()
    return None if row is None else StoredFit(*row)
