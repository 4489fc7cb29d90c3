"""The tracking plan: load it, check it, ask it. Apart from the wire, since a tracked site never needs it."""

from kizashi_schemas._plan_loader import DEFAULT_WINDOWS, load_plan, load_plan_data
from kizashi_schemas._plan_model import EventRule, Plan, PlanId, Target, Values
from kizashi_schemas._plan_rules import JourneyRules

__all__ = [
    "DEFAULT_WINDOWS",
    "EventRule",
    "JourneyRules",
    "Plan",
    "PlanId",
    "Target",
    "Values",
    "load_plan",
    "load_plan_data",
]
