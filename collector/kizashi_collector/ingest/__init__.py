"""Ingest: decodes batches, checks them against the plan and the clock, and hands them to the log."""

from kizashi_collector.ingest._check import FUTURE_TOLERANCE_MS
from kizashi_collector.ingest._clock import TRUSTED_WITHIN_MS, Clock
from kizashi_collector.ingest._decode import BadBodyError, Format
from kizashi_collector.ingest._ingest import Ingest, IngestReport, OpenBatch, TooManyEventsError
from kizashi_collector.ingest._live_feed import Follower, LiveFeed
from kizashi_collector.ingest._plan_book import PlanBook, PlanHistory, PlanRuledByFileError
from kizashi_collector.ingest._replay import Replay
from kizashi_collector.ingest._usual import USUAL_EVENTS

__all__ = [
    "FUTURE_TOLERANCE_MS",
    "TRUSTED_WITHIN_MS",
    "USUAL_EVENTS",
    "BadBodyError",
    "Clock",
    "Follower",
    "Format",
    "Ingest",
    "IngestReport",
    "LiveFeed",
    "OpenBatch",
    "PlanBook",
    "PlanHistory",
    "PlanRuledByFileError",
    "Replay",
    "TooManyEventsError",
]
