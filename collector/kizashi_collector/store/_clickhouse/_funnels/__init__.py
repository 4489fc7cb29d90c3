"""Funnels, counted by ClickHouse."""

from kizashi_collector.store._clickhouse._funnels._answer import funnel_figures

__all__ = ["funnel_figures"]
