"""Funnels that are kept current as events come and windows move."""

from kizashi_collector.analysis._rolling_funnel._rolling_funnels import RollingFunnels

__all__ = ["RollingFunnels"]
