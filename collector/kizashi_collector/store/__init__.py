"""The store: a durable log of events, the keys, and the answers computed from the log."""

from kizashi_collector.store._answers import LogAnswers
from kizashi_collector.store._backup import BackupError, BackupManifest, Restored, accept_log, back_up, restore_backup
from kizashi_collector.store._companion import Companion, Keeper, accompany
from kizashi_collector.store._current import InThread
from kizashi_collector.store._deletion import keep_retention, retention_cutoff
from kizashi_collector.store._event_columns import EventColumns
from kizashi_collector.store._keys import Key, KeyRing, Keys
from kizashi_collector.store._log import SqliteLog
from kizashi_collector.store._protocol import (
    ACCEPTED,
    Answers,
    AnswersState,
    Candidate,
    Erased,
    FunnelReport,
    Gone,
    IncrementLine,
    IncrementsReport,
    IndexState,
    Log,
    LogState,
    NameSeen,
    Outcome,
    QueryEndedError,
    QueryTooSlowError,
    Refusal,
    RejectedFilter,
    RejectedRow,
    StoreBusyError,
    StoreError,
    SummaryReport,
    UnknownCursorError,
)
from kizashi_collector.store._secrets import MAX_SECRET, SCOPES, Scope
from kizashi_collector.store._sessions import MAX_TOKEN
from kizashi_collector.store._spare_memory import give_back_large
from kizashi_collector.store._state import BACKUP_STAMP
from kizashi_collector.store._writer import MAX_REJECTED, CommitReport

__all__ = [
    "ACCEPTED",
    "BACKUP_STAMP",
    "MAX_REJECTED",
    "MAX_SECRET",
    "MAX_TOKEN",
    "SCOPES",
    "Answers",
    "AnswersState",
    "BackupError",
    "BackupManifest",
    "Candidate",
    "CommitReport",
    "Companion",
    "Erased",
    "EventColumns",
    "FunnelReport",
    "Gone",
    "InThread",
    "IncrementLine",
    "IncrementsReport",
    "IndexState",
    "Keeper",
    "Key",
    "KeyRing",
    "Keys",
    "Log",
    "LogAnswers",
    "LogState",
    "NameSeen",
    "Outcome",
    "QueryEndedError",
    "QueryTooSlowError",
    "Refusal",
    "RejectedFilter",
    "RejectedRow",
    "Restored",
    "Scope",
    "SqliteLog",
    "StoreBusyError",
    "StoreError",
    "SummaryReport",
    "UnknownCursorError",
    "accept_log",
    "accompany",
    "back_up",
    "give_back_large",
    "keep_retention",
    "restore_backup",
    "retention_cutoff",
]
