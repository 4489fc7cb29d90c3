"""The eyes on the running collector: each request's log line, the event loop's lag, and readiness."""

from kizashi_collector.http._watching._access_log import observed, tell
from kizashi_collector.http._watching._readiness import REASONS, unready
from kizashi_collector.http._watching._watch import WATCH, Watch, watching

__all__ = ["REASONS", "WATCH", "Watch", "observed", "tell", "unready", "watching"]
