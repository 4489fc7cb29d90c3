"""What the plan declares, kept current in memory: fed by the log as it commits, built from the log at a start."""

from kizashi_collector.store._current._asked import Answer, Asked, FunnelAsked, Kept, SummaryAsked, answer_of
from kizashi_collector.store._current._current import Current
from kizashi_collector.store._current._in_thread import InThread
from kizashi_collector.store._current._view import Told, told_of

__all__ = [
    "Answer",
    "Asked",
    "Current",
    "FunnelAsked",
    "InThread",
    "Kept",
    "SummaryAsked",
    "Told",
    "answer_of",
    "told_of",
]
