"""SIGTERM: the one place that touches it, and only when asked to."""

from __future__ import annotations

import os
import signal
import threading
from types import FrameType

from kizashi import _processes
from kizashi._errors import UsageError

__all__ = ["handle_sigterm"]


def handle_sigterm() -> None:
    """On SIGTERM, flush every client within its exit timeout, then do what would have been done without kizashi.

    That is the handler that is installed now: call this after the server's own. Where there is none, the process ends
    as SIGTERM ends it by default. Calling it twice installs it once. Raises UsageError outside the main thread, where
    Python lets nobody install handlers.
    """
    if threading.current_thread() is not threading.main_thread():
        raise UsageError("handle_sigterm() must be called in the main thread", field="handle_sigterm")
    former = signal.getsignal(signal.SIGTERM)
    if not isinstance(former, _Handler):
        signal.signal(signal.SIGTERM, _Handler(former))


class _Handler:
    def __init__(self, former: signal.Handlers | int | object | None) -> None:
        self._former = former

    def __call__(self, number: int, frame: FrameType | None) -> None:
        _processes.flush_all()
        if callable(self._former):
            self._former(number, frame)
        elif self._former is not signal.SIG_IGN:
            # The default action, or a handler in C that Python can neither see nor call: both mean to end.
            signal.signal(number, signal.SIG_DFL)
            os.kill(os.getpid(), number)
