"""Funnels over events as columns: the same answers as the plain algorithm, fast over millions of events."""

from kizashi_collector.analysis._column_funnel._chains import (
    ANY_START,
    ActorAttempts,
    winners,
    winners_for_every_start,
)
from kizashi_collector.analysis._column_funnel._conditions import Conditions, Details
from kizashi_collector.analysis._column_funnel._evaluate import evaluate_table_funnel
from kizashi_collector.analysis._column_funnel._order import NO_STEP, StepNumbers

__all__ = [
    "ANY_START",
    "NO_STEP",
    "ActorAttempts",
    "Conditions",
    "Details",
    "StepNumbers",
    "evaluate_table_funnel",
    "winners",
    "winners_for_every_start",
]
