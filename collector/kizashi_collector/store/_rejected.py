"""The rejected events as they are kept: listed, read in the order of their coming, and settled after a replay."""

from __future__ import annotations

from collections.abc import Sequence
from sqlite3 import Connection

import msgspec

from kizashi_collector.store._protocol import RejectedFilter, RejectedRow

__all__ = ["counts_by_code", "newest_rejected", "rejected_after", "settle"]

_WANTED = (
    "(:codes IS NULL OR code IN (SELECT value FROM json_each(:codes))) "
    "AND (:ids IS NULL OR id IN (SELECT value FROM json_each(:ids))) "
    "AND (:since IS NULL OR received_at > :since) AND (:until IS NULL OR received_at <= :until)"
)
_ROWS = f"SELECT received_at, id, code, message, body, seq FROM rejected WHERE {_WANTED}"  # noqa: S608  # a constant
_COUNTS = f"SELECT code, count(*) FROM rejected WHERE {_WANTED} GROUP BY code ORDER BY code"  # noqa: S608  # as above


def newest_rejected(connection: Connection, limit: int, wanted: RejectedFilter) -> list[RejectedRow]:
    """The wanted rows, latest first."""
    return _rows(connection, f"{_ROWS} ORDER BY seq DESC LIMIT :limit", {**_bound(wanted), "limit": limit})


def rejected_after(connection: Connection, seq: int, limit: int, wanted: RejectedFilter) -> list[RejectedRow]:
    """The wanted rows with a higher number, in the order of their coming."""
    sql = f"{_ROWS} AND seq > :seq ORDER BY seq LIMIT :limit"
    return _rows(connection, sql, {**_bound(wanted), "seq": seq, "limit": limit})


def counts_by_code(connection: Connection, wanted: RejectedFilter) -> dict[str, int]:
    """How many wanted rows there are of each code."""
    return dict(connection.execute(_COUNTS, _bound(wanted)).fetchall())


def settle(connection: Connection, gone: Sequence[int], kept: Sequence[tuple[int, str, str]]) -> None:
    """Delete rows, and give others a new code and message, in the open transaction."""
    connection.executemany("DELETE FROM rejected WHERE seq = ?", [(seq,) for seq in gone])
    connection.executemany(
        "UPDATE rejected SET code = ?, message = ? WHERE seq = ?", [(code, message, seq) for seq, code, message in kept]
    )


def _bound(wanted: RejectedFilter) -> dict[str, object]:
    return {
        "codes": None if wanted.codes is None else msgspec.json.encode(wanted.codes).decode(),
        "ids": None if wanted.ids is None else msgspec.json.encode(wanted.ids).decode(),
        "since": wanted.since,
        "until": wanted.until,
    }


def _rows(connection: Connection, sql: str, parameters: dict[str, object]) -> list[RejectedRow]:
    return [
        RejectedRow(received_at=at, id=event_id, code=code, message=message, body=body, seq=seq)
        for at, event_id, code, message, body, seq in connection.execute(sql, parameters)
    ]
