"""Whether a row may be bid on, and why not."""

from kizashi_collector.analysis._readiness._breaks import Break, breaks
from kizashi_collector.analysis._readiness._pace import HourCounts, Pace, pace_hours
from kizashi_collector.analysis._readiness._reason import (
    GENERALLY,
    Foretold,
    Grounds,
    Why,
    bids_rest_on,
    incomplete,
    miscalibrated,
    reason,
    sentences,
)

__all__ = [
    "GENERALLY",
    "Break",
    "Foretold",
    "Grounds",
    "HourCounts",
    "Pace",
    "Why",
    "bids_rest_on",
    "breaks",
    "incomplete",
    "miscalibrated",
    "pace_hours",
    "reason",
    "sentences",
]
