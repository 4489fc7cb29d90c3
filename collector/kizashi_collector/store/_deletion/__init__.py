"""What goes from the log: all of one actor, and what is older than the log is to reach."""

from kizashi_collector.store._deletion._deletion import Deleter
from kizashi_collector.store._deletion._erasure import Erasure, empty_wal
from kizashi_collector.store._deletion._retention import expire, keep_retention, retention_cutoff

__all__ = ["Deleter", "Erasure", "empty_wal", "expire", "keep_retention", "retention_cutoff"]
