"""Increments from a log: its ledger is brought up to date when a feed asks, and then read.

What does not depend on where the log is serves the store in ClickHouse as well.
"""

from kizashi_collector.store._increments._asking import Increments
from kizashi_collector.store._increments._learned import LearnedLast
from kizashi_collector.store._increments._tasks import History, Read, Task, tasks
from kizashi_collector.store._increments._told import Told

__all__ = ["History", "Increments", "LearnedLast", "Read", "Task", "Told", "tasks"]
