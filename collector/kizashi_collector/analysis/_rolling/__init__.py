"""What is kept current as events come and windows move."""

from kizashi_collector.analysis._rolling._arrivals import Arrivals
from kizashi_collector.analysis._rolling._follower import Follower
from kizashi_collector.analysis._rolling._held import GONE, NONE, RETRACTED, SPECIAL, Held, Places
from kizashi_collector.analysis._rolling._layout import Layout
from kizashi_collector.analysis._rolling._rolling import RollingSummaries
from kizashi_collector.analysis._rolling._sums import LIMB

__all__ = [
    "GONE",
    "LIMB",
    "NONE",
    "RETRACTED",
    "SPECIAL",
    "Arrivals",
    "Follower",
    "Held",
    "Layout",
    "Places",
    "RollingSummaries",
]
