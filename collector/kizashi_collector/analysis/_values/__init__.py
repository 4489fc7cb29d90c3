"""What steps are worth, learned from journeys, and what open journeys will still bring."""

from kizashi_collector.analysis._values._back_tests import BackTest
from kizashi_collector.analysis._values._fit import Fit, fit
from kizashi_collector.analysis._values._fitted import FittedKeys
from kizashi_collector.analysis._values._grid import LagGrid
from kizashi_collector.analysis._values._keys import Key, Keys
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
from kizashi_collector.analysis._values._sojourns import back_test_days
from kizashi_collector.analysis._values._statistics import (
    AmountCounts,
    Entries,
    Exits,
    Finals,
    JourneyColumns,
    OpenThen,
    Statistics,
)

__all__ = [
    "AmountCounts",
    "BackTest",
    "Casts",
    "Entries",
    "Evidence",
    "Exits",
    "Finals",
    "Fit",
    "FittedKeys",
    "JourneyColumns",
    "Key",
    "Keys",
    "Kin",
    "LagGrid",
    "Members",
    "Nowcast",
    "OpenCells",
    "OpenThen",
    "Parts",
    "Statistics",
    "back_test_days",
    "casts",
    "fit",
    "nowcast",
]
