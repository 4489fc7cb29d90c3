"""The collector's Prometheus metrics: counted as requests pass, or looked up when Prometheus asks."""

from kizashi_collector.http._metrics._gauges import Moment
from kizashi_collector.http._metrics._metrics import Metrics

__all__ = ["Metrics", "Moment"]
