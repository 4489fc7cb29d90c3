"""SIGTERM: the one place that touches it, and only when asked to."""

from __future__ import annotations

import _thread
import os
import signal
import sys
from contextlib import suppress
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
    former = signal.getsignal(signal.SIGTERM)
    handler = former if isinstance(former, _Handler) else _Handler(former)
    try:
        signal.signal(signal.SIGTERM, handler)
    except ValueError:  # asked of Python itself: what `threading` calls the main thread is another where it is patched
        raise UsageError("handle_sigterm() must be called in the main thread", field="handle_sigterm") from None


class _Handler:
    def __init__(self, former: signal.Handlers | int | object | None) -> None:
        self._former = former

    def __call__(self, number: int, frame: FrameType | None) -> None:
        if _in_a_hub():
            # What runs there must not wait, or nothing else runs either: flush beside it. This starts a greenlet.
            _thread.start_new_thread(self._flush_and_pass_on, (number, frame))
        else:
            self._flush_and_pass_on(number, frame)

    def _flush_and_pass_on(self, number: int, frame: FrameType | None) -> None:
        with suppress(Exception):  # whatever went wrong with the last events, the process ends as it was told to
            _processes.flush_all()
        if callable(self._former):
            self._former(number, frame)
        elif self._former is not signal.SIG_IGN:
            # The default action, or a handler in C that Python can neither see nor call: both mean to end.
            signal.signal(number, signal.SIG_DFL)
            os.kill(os.getpid(), number)


def _in_a_hub() -> bool:
    """Whether a signal came while gevent's or eventlet's hub waited for something to do, and so is handled in it."""
    with suppress(Exception):
        monkey, gevent = sys.modules.get("gevent.monkey"), sys.modules.get("gevent")
        if monkey is not None and gevent is not None and monkey.is_module_patched("threading"):
            return isinstance(gevent.getcurrent(), sys.modules["gevent.hub"].Hub)
        patcher, eventlet = sys.modules.get("eventlet.patcher"), sys.modules.get("eventlet")
        if patcher is not None and eventlet is not None and patcher.is_monkey_patched("thread"):
            return bool(eventlet.hubs.get_hub().greenlet is eventlet.getcurrent())
    return False
