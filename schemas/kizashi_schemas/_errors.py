"""The one tree of errors that kizashi raises.

KizashiError
├── MoneyError        a value that is no amount of money in its currency
├── TimeError         a time, window or duration that cannot be read
├── PlanError         a tracking plan with one or more problems
├── FunnelError       a funnel that cannot be
└── …                 the SDK and the collector add their own below KizashiError
"""

from __future__ import annotations

__all__ = ["FunnelError", "KizashiError", "MoneyError", "PlanError", "TimeError"]


class KizashiError(Exception):
    """Base of every error that kizashi raises on purpose."""


class MoneyError(KizashiError, ValueError):
    """A value that is no amount of money in its currency. `code` is the wire's: `bad_value` or `bad_currency`."""

    def __init__(self, message: str, *, code: str = "bad_value") -> None:
        super().__init__(message)
        self.code = code


class TimeError(KizashiError, ValueError):
    """A time, window or duration that cannot be read."""


class FunnelError(KizashiError, ValueError):
    """A funnel that cannot be: no steps, an exclusion that ends before it begins, an optional first step."""


class PlanError(KizashiError, ValueError):
    """A plan with problems. `problems` holds one line each: file, key, what is wrong, what to do."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems
