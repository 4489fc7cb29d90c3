"""The mathematics: windows, funnels, worth. Pure: no I/O and no clock, `as_of` is an argument."""

from kizashi_collector.analysis._attempts import Attempt, attempts, best
from kizashi_collector.analysis._column_funnel import evaluate_table_funnel
from kizashi_collector.analysis._events import Interval, LoggedEvent, PropertyValue, by_actor
from kizashi_collector.analysis._freshness import complete_until, complete_until_of, freshness_start
from kizashi_collector.analysis._funnel import (
    FunnelFigures,
    GroupFigures,
    StepFigures,
    TrendFigures,
    evaluate_funnel,
)
from kizashi_collector.analysis._interval import AS_OF_TOLERANCE_MS, DEFAULT_WINDOW, IntervalError, resolve_interval
from kizashi_collector.analysis._journeys import (
    CONVERTED,
    RETRACTED,
    UNENDED,
    ActorJourney,
    Journey,
    Journeys,
    Ladder,
    actor_journeys,
    find_journeys,
    walk_journeys,
)
from kizashi_collector.analysis._matching import Check, Rules
from kizashi_collector.analysis._percentiles import nearest_rank
from kizashi_collector.analysis._rolling import Arrivals, RollingSummaries
from kizashi_collector.analysis._rolling_funnel import RollingFunnels
from kizashi_collector.analysis._summary import LATE_AFTER_MS, EventFigures, Figures, Outcome, Summary, summarize
from kizashi_collector.analysis._table import NO_VALUE, Codes, Column, EventTable
from kizashi_collector.analysis._table_summary import summarize_table
from kizashi_collector.analysis._values import (
    BackTest,
    Fit,
    FittedKeys,
    Key,
    LagGrid,
    Members,
    Nowcast,
    OpenCells,
    Statistics,
    fit,
    nowcast,
)
from kizashi_collector.analysis._worth import Worth

__all__ = [
    "AS_OF_TOLERANCE_MS",
    "CONVERTED",
    "DEFAULT_WINDOW",
    "LATE_AFTER_MS",
    "NO_VALUE",
    "RETRACTED",
    "UNENDED",
    "ActorJourney",
    "Arrivals",
    "Attempt",
    "BackTest",
    "Check",
    "Codes",
    "Column",
    "EventFigures",
    "EventTable",
    "Figures",
    "Fit",
    "FittedKeys",
    "FunnelFigures",
    "GroupFigures",
    "Interval",
    "IntervalError",
    "Journey",
    "Journeys",
    "Key",
    "Ladder",
    "LagGrid",
    "LoggedEvent",
    "Members",
    "Nowcast",
    "OpenCells",
    "Outcome",
    "PropertyValue",
    "RollingFunnels",
    "RollingSummaries",
    "Rules",
    "Statistics",
    "StepFigures",
    "Summary",
    "TrendFigures",
    "Worth",
    "actor_journeys",
    "attempts",
    "best",
    "by_actor",
    "complete_until",
    "complete_until_of",
    "evaluate_funnel",
    "evaluate_table_funnel",
    "find_journeys",
    "fit",
    "freshness_start",
    "nearest_rank",
    "nowcast",
    "resolve_interval",
    "summarize",
    "summarize_table",
    "walk_journeys",
]
