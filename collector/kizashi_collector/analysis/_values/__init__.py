"""What steps are worth, learned from journeys, and what open journeys will still bring."""

from kizashi_collector.analysis._values._back_tests import BackTest
from kizashi_collector.analysis._values._fit import Fit, fit
from kizashi_collector.analysis._values._fitted import FittedKeys
from kizashi_collector.analysis._values._grid import LagGrid
from kizashi_collector.analysis._values._keys import Key
from kizashi_collector.analysis._values._nowcast import (
    Casts,
    Evidence,
    Kin,
    Members,
    Nowcast,
    OpenCells,
    Parts,
    casts,
    nowcast,
)
from kizashi_collector.analysis._values._statistics import JourneyColumns, Statistics

__all__ = [
    "BackTest",
    "Casts",
    "Evidence",
    "Fit",
    "FittedKeys",
    "JourneyColumns",
    "Key",
    "Kin",
    "LagGrid",
    "Members",
    "Nowcast",
    "OpenCells",
    "Parts",
    "Statistics",
    "casts",
    "fit",
    "nowcast",
]
