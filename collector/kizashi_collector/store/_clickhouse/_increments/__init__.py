"""Increments from ClickHouse: the ledger is brought up to date when a feed asks, by one collector at a time."""

from kizashi_collector.store._clickhouse._increments._asking import Increments
from kizashi_collector.store._clickhouse._increments._lease import Lease
from kizashi_collector.store._clickhouse._increments._ledger import Ledger

__all__ = ["Increments", "Lease", "Ledger"]
