"""The SDK's own errors. track() raises none of them unless the client is strict.

KizashiError
├── ConfigurationError    an option or environment variable that cannot be
├── UsageError            an event that cannot be sent as it was given
└── TransportError        no whole answer came back from the collector
"""

from __future__ import annotations

from kizashi_schemas import KizashiError

__all__ = ["ConfigurationError", "KizashiError", "TransportError", "UsageError"]


class ConfigurationError(KizashiError, ValueError):
    """An option or environment variable that cannot be. The message names it and says what it may be."""


class UsageError(KizashiError, ValueError):
    """An event that cannot be sent as it was given.

    `reason` is the key under which Stats counts it, `field` the argument at fault. The message may show what was
    passed and is for the developer who sees the traceback; logs get `reason` and `field` alone.
    """

    def __init__(self, message: str, *, field: str, reason: str = "invalid") -> None:
        super().__init__(message)
        self.field = field
        self.reason = reason


class TransportError(KizashiError, OSError):
    """No whole answer came back: refused, reset, timed out, or not HTTP. The message holds no payload."""
