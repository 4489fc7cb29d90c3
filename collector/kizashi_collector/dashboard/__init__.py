"""The dashboard: pages for people, served by the collector and working without any other server."""

from kizashi_collector.dashboard._routes import add_dashboard

__all__ = ["add_dashboard"]
