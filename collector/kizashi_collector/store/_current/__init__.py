"""What the plan declares, kept current in memory: fed by the log as it commits, built from the log at a start."""

from kizashi_collector.store._current._current import Current
from kizashi_collector.store._current._view import Unchanged

__all__ = ["Current", "Unchanged"]
