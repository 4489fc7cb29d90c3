"""The store: a durable log of events, the keys, and the answers computed from the log."""

from kizashi_collector.store._answers import LogAnswers
from kizashi_collector.store._event_columns import EventColumns
from kizashi_collector.store._keys import MAX_SECRET, SCOPES, Key, KeyRing, Scope
from kizashi_collector.store._log import SqliteLog
from kizashi_collector.store._protocol import (
    ACCEPTED,
    Answers,
    Candidate,
    Log,
    NameSeen,
    Outcome,
    QueryEndedError,
    QueryTooSlowError,
    Refusal,
    RejectedRow,
    StoreBusyError,
    StoreError,
    SummaryReport,
)
from kizashi_collector.store._writer import MAX_REJECTED, CommitReport

__all__ = [
    "ACCEPTED",
    "MAX_REJECTED",
    "MAX_SECRET",
    "SCOPES",
    "Answers",
    "Candidate",
    "CommitReport",
    "EventColumns",
    "Key",
    "KeyRing",
    "Log",
    "LogAnswers",
    "NameSeen",
    "Outcome",
    "QueryEndedError",
    "QueryTooSlowError",
    "Refusal",
    "RejectedRow",
    "Scope",
    "SqliteLog",
    "StoreBusyError",
    "StoreError",
    "SummaryReport",
]
