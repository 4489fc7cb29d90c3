"""What the plan declares, kept current in memory: fed by the log as it commits, built from the log at a start."""

from kizashi_collector.store._current._asked import (
    Answer,
    Asked,
    BreaksAsked,
    FunnelAsked,
    Kept,
    OutcomesAsked,
    SummaryAsked,
    answer_of,
)
from kizashi_collector.store._current._completing import KeptOutcomes, with_outcomes
from kizashi_collector.store._current._current import Current
from kizashi_collector.store._current._in_thread import InThread
from kizashi_collector.store._current._ready import HISTORY_MS, PlannedPace, breaks_until, grounds_of, judged
from kizashi_collector.store._current._values import Learned, learn
from kizashi_collector.store._current._view import Told, told_of

__all__ = [
    "HISTORY_MS",
    "Answer",
    "Asked",
    "BreaksAsked",
    "Current",
    "FunnelAsked",
    "InThread",
    "Kept",
    "KeptOutcomes",
    "Learned",
    "OutcomesAsked",
    "PlannedPace",
    "SummaryAsked",
    "Told",
    "answer_of",
    "breaks_until",
    "grounds_of",
    "judged",
    "learn",
    "told_of",
    "with_outcomes",
]
