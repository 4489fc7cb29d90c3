"""The tracking plan: load it, check it, ask it. Apart from the wire, since a tracked site never needs it."""

from kizashi_schemas._plan_loader import load_plan, load_plan_data
from kizashi_schemas._plan_model import EventRule, Plan, PlanId, Values

__all__ = ["EventRule", "Plan", "PlanId", "Values", "load_plan", "load_plan_data"]
