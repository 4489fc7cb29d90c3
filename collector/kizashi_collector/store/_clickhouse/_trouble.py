"""What ClickHouse's errors mean, and what the operator is to do about them."""

from __future__ import annotations

from clickhouse_connect.driver.exceptions import ClickHouseError

from kizashi_collector.store._protocol import QueryEndedError, QueryTooSlowError, StoreBusyError, StoreError

__all__ = ["code_of", "trouble"]

_TOO_SLOW = {159, 160}
_ENDED = {394}
_BUSY = {202, 252, 286, 289, 439}
"""286 and 289: another insert waits for its quorum, or this replica has not yet what a quorum has."""

_REMEDIES = {
    60: "a table is missing: start a collector, which makes it, or restore the database",
    81: "the database is missing and cannot be made: create it, or let the user create databases",
    164: "the user may only read: give it the rights that docs/clickhouse.md lists",
    192: "the user is not known there: check the store's address",
    193: "the password is wrong: check the store's address",
    241: "the cluster is out of memory: give it more, or ask for a shorter interval",
    242: "the table is read-only, as when ClickHouse Keeper is not reached: look at the cluster",
    243: "free space on the cluster's disks, or enlarge them",
    285: "too few replicas are there to acknowledge: look at the cluster",
    319: "the cluster did not say whether it was written: look at ClickHouse Keeper",
    469: "it came to ClickHouse more than a minute late: has that too much to do?",
    497: "the user may not do this: give it the rights that docs/clickhouse.md lists",
    516: "the user or its password is wrong: check the store's address",
    999: "ClickHouse Keeper is not reached: look at the cluster",
}
_NO_ANSWER = "is the server up, and the store's address right?"


def code_of(error: Exception) -> int:
    """ClickHouse's number of an error, or 0 where it never answered."""
    code = getattr(error, "code", None)
    if isinstance(code, int) and code:
        return code
    text = str(error)
    for mark in ("Code: ", "error code "):
        _, found, rest = text.partition(mark)
        if found:
            digits = rest[: len(rest) - len(rest.lstrip("0123456789"))]
            if digits:
                return int(digits)
    return 0


def trouble(error: Exception, doing: str) -> StoreError:
    """The error as the rest of the collector knows it: what could not be done, why, and the remedy."""
    code = code_of(error)
    if code in _TOO_SLOW:
        return QueryTooSlowError(
            "no answer within the time that a question may take; ask for a shorter interval or fewer steps, or raise "
            "--query-timeout"
        )
    if code in _ENDED:
        return QueryEndedError("the question was given up")
    if not isinstance(error, ClickHouseError) or not code:
        return StoreError(f"{doing}: no answer from ClickHouse: {_network_reason(error)}; {_NO_ANSWER}")
    reason = _first_line(error)
    if code in _BUSY:
        return StoreBusyError(f"{doing}: ClickHouse has too much to do: {reason}")
    return StoreError(f"{doing}: {reason}; {_REMEDIES.get(code, 'look at the server and its log')}")


def _network_reason(error: Exception) -> str:
    """What the connection came to, without the many words of those who pass it on."""
    cause: object = error.__cause__ or error
    cause = getattr(cause, "reason", None) or cause
    if isinstance(cause, Exception) and cause.args and isinstance(cause.args[-1], Exception):
        cause = cause.args[-1]
    return _first_line(str(cause).rpartition("): ")[2])


def _first_line(error: object) -> str:
    """What it says, without the query, which may hold what nobody should read in a log."""
    text = str(error).replace("\n", " ")
    for mark in (": While ", " In scope ", ": (while", " (for url", "Stack trace"):
        text = text.partition(mark)[0]
    text = text.rpartition("DB::Exception: ")[2]
    return text[:300].strip().rstrip(".;:")
