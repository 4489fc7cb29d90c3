"""The review of micro-conversions: what each turned out to be worth, and which to keep."""

from kizashi_collector.analysis._review._counting import count_review
from kizashi_collector.analysis._review._counts import RECENT_MS, AmountSums, Cohort, EventCounts, ReviewCounts
from kizashi_collector.analysis._review._figures import (
    DoubleCount,
    EventReview,
    Lag,
    Learned,
    NumberedFit,
    Overdue,
    Period,
    Review,
    Trend,
)
from kizashi_collector.analysis._review._lift import Lift, lift
from kizashi_collector.analysis._review._plan_text import changed_plan_text, plan_text_diff
from kizashi_collector.analysis._review._proportion import Proportion
from kizashi_collector.analysis._review._review import review
from kizashi_collector.analysis._review._suggestion import PlanChange, PlanDiff, suggest
from kizashi_collector.analysis._review._verdicts import Judged, VerdictReason, WorthKeeping, judge

__all__ = [
    "RECENT_MS",
    "AmountSums",
    "Cohort",
    "DoubleCount",
    "EventCounts",
    "EventReview",
    "Judged",
    "Lag",
    "Learned",
    "Lift",
    "NumberedFit",
    "Overdue",
    "Period",
    "PlanChange",
    "PlanDiff",
    "Proportion",
    "Review",
    "ReviewCounts",
    "Trend",
    "VerdictReason",
    "WorthKeeping",
    "changed_plan_text",
    "count_review",
    "judge",
    "lift",
    "plan_text_diff",
    "review",
    "suggest",
]
