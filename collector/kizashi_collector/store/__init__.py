"""The store: a durable log of events, the keys, and the answers computed from the log."""

from kizashi_collector.store._answers import LogAnswers
from kizashi_collector.store._keys import SCOPES, Key, KeyRing, Scope
from kizashi_collector.store._log import MAX_REJECTED, CommitReport, SqliteLog
from kizashi_collector.store._protocol import (
    Answers,
    Candidate,
    Log,
    NameSeen,
    Outcome,
    Refusal,
    RejectedRow,
    StoreBusyError,
    StoreError,
    SummaryReport,
)

__all__ = [
    "MAX_REJECTED",
    "SCOPES",
    "Answers",
    "Candidate",
    "CommitReport",
    "Key",
    "KeyRing",
    "Log",
    "LogAnswers",
    "NameSeen",
    "Outcome",
    "Refusal",
    "RejectedRow",
    "Scope",
    "SqliteLog",
    "StoreBusyError",
    "StoreError",
    "SummaryReport",
]
