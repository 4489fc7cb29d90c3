"""Increments: what a feed is to be told of each journey, so that all of it adds up to what journeys bring."""

from kizashi_collector.analysis._increments._settle import Increment, IncrementKind, settle, take_back
from kizashi_collector.analysis._increments._standing import (
    Emitted,
    Standing,
    free_of,
    matched,
    standing_journeys,
    unchanged,
)
from kizashi_collector.analysis._increments._step_values import SourceText, StepValues, source_text

__all__ = [
    "Emitted",
    "Increment",
    "IncrementKind",
    "SourceText",
    "Standing",
    "StepValues",
    "free_of",
    "matched",
    "settle",
    "source_text",
    "standing_journeys",
    "take_back",
    "unchanged",
]
