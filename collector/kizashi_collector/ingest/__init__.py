"""Ingest: decodes batches, checks them against the plan and the clock, and hands them to the log."""

from kizashi_collector.ingest._check import FUTURE_TOLERANCE_MS
from kizashi_collector.ingest._clock import TRUSTED_WITHIN_MS, Clock
from kizashi_collector.ingest._decode import BadBodyError, Format
from kizashi_collector.ingest._ingest import Ingest, IngestReport, TooManyEventsError
from kizashi_collector.ingest._plan_book import PlanBook, PlanHistory, PlanRuledByFileError
from kizashi_collector.ingest._replay import Replay

__all__ = [
    "FUTURE_TOLERANCE_MS",
    "TRUSTED_WITHIN_MS",
    "BadBodyError",
    "Clock",
    "Format",
    "Ingest",
    "IngestReport",
    "PlanBook",
    "PlanHistory",
    "PlanRuledByFileError",
    "Replay",
    "TooManyEventsError",
]
