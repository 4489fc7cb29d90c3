"""The store in ClickHouse: it needs the extra `clickhouse`, or `chdb` for the engine in process."""

from kizashi_collector.store._clickhouse import (
    Address,
    ClickHouseAnswers,
    ClickHouseKeys,
    ClickHouseLog,
    CopyReport,
    copy_log,
    keep_up,
)

__all__ = [
    "Address",
    "ClickHouseAnswers",
    "ClickHouseKeys",
    "ClickHouseLog",
    "CopyReport",
    "copy_log",
    "keep_up",
]
