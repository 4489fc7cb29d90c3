"""The store in ClickHouse, or in chdb: any number of collectors write into it, and any of them answers."""

from kizashi_collector.store._clickhouse._address import Address
from kizashi_collector.store._clickhouse._answers import ClickHouseAnswers
from kizashi_collector.store._clickhouse._copying import CopyReport, copy_log
from kizashi_collector.store._clickhouse._keys import ClickHouseKeys
from kizashi_collector.store._clickhouse._log import ClickHouseLog
from kizashi_collector.store._clickhouse._upkeep import keep_up

__all__ = [
    "Address",
    "ClickHouseAnswers",
    "ClickHouseKeys",
    "ClickHouseLog",
    "CopyReport",
    "copy_log",
    "keep_up",
]
