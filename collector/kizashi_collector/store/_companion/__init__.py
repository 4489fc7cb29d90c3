"""A process beside the collector that keeps the plan's answers current: neither waits for the other's Python."""

from kizashi_collector.store._companion._companion import Companion
from kizashi_collector.store._companion._keeper import Keeper
from kizashi_collector.store._companion._worker import serve as accompany

__all__ = ["Companion", "Keeper", "accompany"]
