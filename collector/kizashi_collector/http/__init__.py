"""The collector's HTTP face. It holds no SQL and no arithmetic."""

from kizashi_collector.http._app import make_app, make_runner
from kizashi_collector.http._connections import open_file_room
from kizashi_collector.http._metrics import Metrics
from kizashi_collector.http._request_id import current_request_id
from kizashi_collector.http._services import SERVICES, Limits, Services
from kizashi_collector.http._watching import Watch

__all__ = [
    "SERVICES",
    "Limits",
    "Metrics",
    "Services",
    "Watch",
    "current_request_id",
    "make_app",
    "make_runner",
    "open_file_room",
]
