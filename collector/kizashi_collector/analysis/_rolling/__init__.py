"""What is kept current as events come and windows move."""

from kizashi_collector.analysis._rolling._arrivals import Arrivals
from kizashi_collector.analysis._rolling._rolling import RollingSummaries

__all__ = ["Arrivals", "RollingSummaries"]
