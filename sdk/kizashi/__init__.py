"""kizashi's client: track micro-conversions from a web backend and deliver each to the collector."""

from kizashi._capture import context
from kizashi._client import Client
from kizashi._default import aflush, close, configure, flush, stats, track
from kizashi._errors import ConfigurationError, KizashiError, UsageError
from kizashi._sigterm import handle_sigterm
from kizashi._stats import Stats
from kizashi._version import __version__

__all__ = [
    "Client",
    "ConfigurationError",
    "KizashiError",
    "Stats",
    "UsageError",
    "__version__",
    "aflush",
    "close",
    "configure",
    "context",
    "flush",
    "handle_sigterm",
    "stats",
    "track",
]
