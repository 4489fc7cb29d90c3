"""How often a property is tried: a little in `make test`, and the same each time; ten times as often, and other cases
each time, in `make properties`.
"""

from __future__ import annotations

import os
from typing import Any

from hypothesis import HealthCheck, settings

__all__ = ["AT_LENGTH", "tried"]

AT_LENGTH = bool(os.environ.get("AT_LENGTH"))
_TIMES = 10


def tried(examples: int, **more: Any) -> settings:
    """Settings with so many examples in `make test`; `more` as Hypothesis takes them."""
    return settings(
        max_examples=examples * _TIMES if AT_LENGTH else examples,
        deadline=None,
        derandomize=not AT_LENGTH,
        suppress_health_check=list(HealthCheck),
        **more,
    )
