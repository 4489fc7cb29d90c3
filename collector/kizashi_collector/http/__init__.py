"""The collector's HTTP face. It holds no SQL and no arithmetic."""

from kizashi_collector.http._app import make_app, make_runner
from kizashi_collector.http._metrics import Metrics
from kizashi_collector.http._services import SERVICES, Limits, Services

__all__ = ["SERVICES", "Limits", "Metrics", "Services", "make_app", "make_runner"]
