"""kizashi's client: track micro-conversions from a web backend and deliver each to the collector."""

from kizashi._default import aflush, close, configure, flush, stats, track
from kizashi._lazy import opener
from kizashi._version import __version__

TYPE_CHECKING = False
if TYPE_CHECKING:
    from kizashi._capture import context
    from kizashi._client import Client
    from kizashi._errors import ConfigurationError, KizashiError, TransportError, UsageError
    from kizashi._sigterm import handle_sigterm
    from kizashi._stats import Stats
    from kizashi._transport import Answer, Transport
else:
    __getattr__ = opener(
        __name__,
        {
            "Answer": "kizashi._transport",
            "Client": "kizashi._client",
            "ConfigurationError": "kizashi._errors",
            "KizashiError": "kizashi._errors",
            "Stats": "kizashi._stats",
            "Transport": "kizashi._transport",
            "TransportError": "kizashi._errors",
            "UsageError": "kizashi._errors",
            "context": "kizashi._capture",
            "handle_sigterm": "kizashi._sigterm",
        },
    )

__all__ = [
    "Answer",
    "Client",
    "ConfigurationError",
    "KizashiError",
    "Stats",
    "Transport",
    "TransportError",
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
