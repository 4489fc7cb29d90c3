"""What goes wrong inside an integration ends there: the site's own work goes on as if nothing measured it."""

from __future__ import annotations

import logging
import time
from contextlib import suppress
from types import TracebackType

from kizashi._errors import UsageError

__all__ = ["swallowing"]

_SILENCE_SECONDS = 60.0
_next_words: dict[str, float] = {}


class swallowing:  # noqa: N801 - a context manager reads as a verb, like contextlib's own
    """Let no exception out, and log the first one a minute for each `doing`, the few words that say what was tried.

    Only what kizashi does itself belongs inside, never the site's code. KeyboardInterrupt, SystemExit and the like pass
    through: they are no faults. The log names the kind of the exception, never its message, which may hold a payload.
    """

    __slots__ = ("_doing",)

    def __init__(self, doing: str) -> None:
        self._doing = doing

    def __enter__(self) -> None:
        """Enter; nothing is set up."""

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> bool:
        if not isinstance(error, Exception):
            return False
        now = time.monotonic()
        if now >= _next_words.get(self._doing, float("-inf")):
            _next_words[self._doing] = now + _SILENCE_SECONDS
            what = f"{error.reason}, by {error.field}" if isinstance(error, UsageError) else type(error).__name__
            with suppress(Exception):  # the log itself is broken: there is nowhere left to say so
                logging.getLogger("kizashi").warning("kizashi failed while it was to %s: %s", self._doing, what)
        return True
