"""The collector's HTTP face. It holds no SQL and no arithmetic."""

from kizashi_collector.http._app import make_app, make_runner
from kizashi_collector.http._auth import SESSION_COOKIE, Handler, begin_asking, is_own, session_of
from kizashi_collector.http._body import body_of, expected
from kizashi_collector.http._connections import open_file_room
from kizashi_collector.http._metrics import Metrics
from kizashi_collector.http._problems import ProblemError
from kizashi_collector.http._request_id import current_request_id
from kizashi_collector.http._services import SERVICES, Limits, Services
from kizashi_collector.http._watching import Watch

__all__ = [
    "SERVICES",
    "SESSION_COOKIE",
    "Handler",
    "Limits",
    "Metrics",
    "ProblemError",
    "Services",
    "Watch",
    "begin_asking",
    "body_of",
    "current_request_id",
    "expected",
    "is_own",
    "make_app",
    "make_runner",
    "open_file_room",
    "session_of",
]
