"""Moving: all that answers are a function of, from a SQLite data folder into a ClickHouse store."""

from kizashi_collector.store._clickhouse._copying._copy import CopyReport, copy_log

__all__ = ["CopyReport", "copy_log"]
