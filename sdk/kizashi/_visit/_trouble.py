"""Says what went wrong in a site's callables, seldom enough that no log fills up with it."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from contextlib import suppress

__all__ = ["SILENCE_SECONDS", "Trouble"]

SILENCE_SECONDS = 60.0
"""After a warning the next one of its kind waits this long."""


class Trouble:
    """Warnings to the logger `kizashi`: where it happened and of what type, never the message, which may quote data."""

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._next: dict[str, float] = {}

    def tell(self, kind: str, what: str, error: BaseException | None = None) -> None:
        """Warn that `what` happened, unless that was said of this `kind` within SILENCE_SECONDS; raises nothing."""
        with suppress(Exception):  # a filter or handler that raises is the site's concern, and does no harm here
            now = self._monotonic()
            if now < self._next.get(kind, now):
                return
            self._next[kind] = now + SILENCE_SECONDS
            logging.getLogger("kizashi").warning("kizashi: %s%s; the request goes on", what, _place(error))


def _place(error: BaseException | None) -> str:
    if error is None:
        return ""
    trace = error.__traceback__
    if trace is not None and trace.tb_next is not None:
        trace = trace.tb_next  # the site's callable, which one of ours called
    if trace is None:
        return f": {type(error).__name__}"
    code, module = trace.tb_frame.f_code, trace.tb_frame.f_globals.get("__name__")
    return f": {type(error).__name__} in {module}.{code.co_qualname}, line {trace.tb_lineno}"
