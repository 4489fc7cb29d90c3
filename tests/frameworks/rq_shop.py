"""A shop whose work is done by RQ, for test_rq.py: its worker and those who enqueue import this module."""

from __future__ import annotations

from typing import Any

import kizashi

# So long that only a flush at the end of a process sends anything.
kizashi.configure(flush_interval=3_600)


def buy(number: int, actor: str | None = None) -> None:
    """Track what was bought, by whoever the context says unless somebody is named."""
    kizashi.track("purchase", actor=actor, order=number, value=number, currency="JPY")


def fail() -> None:
    """Track, and fail."""
    kizashi.track("mv_failed")
    raise ValueError("the site's own")


def on_success(_job: Any, _connection: Any, _result: Any) -> None:
    """Track in the callback of a job that went well."""
    kizashi.track("mv_callback")


def on_failure(_job: Any, _connection: Any, _kind: Any, _error: Any, _traceback: Any) -> None:
    """Track in the callback of a job that failed."""
    kizashi.track("mv_regret")
