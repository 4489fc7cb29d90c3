"""Where a process begins and ends: fork and exit, for every pipeline at once.

Hooks are registered once, when this module is first imported; what is registered with `os.register_at_fork` can never
be taken back.
"""

from __future__ import annotations

import atexit
import os
import time
from typing import Protocol
from weakref import WeakSet

__all__ = ["Pipe", "dismiss", "enroll", "flush_all"]


class Pipe(Protocol):
    """Something with a worker: it must be drained before the process ends and begin anew in a child."""

    @property
    def exit_timeout(self) -> float:
        """Seconds that the process may be held at exit."""

    def begin_exit(self) -> None:
        """Take nothing more in and hurry, without waiting."""

    def close(self, seconds: float) -> bool:
        """Drain within `seconds`, drop the rest."""

    def begin_flush(self) -> int:
        """Hurry, without waiting; return what to wait for."""

    def wait_flushed(self, target: int, seconds: float) -> bool:
        """Wait for it."""

    def after_fork(self) -> None:
        """Begin anew: no lock, thread, event or count of the parent is left."""


# Open ones are held here: events tracked through a client that was forgotten still leave before the process does.
_open: set[Pipe] = set()
_every: WeakSet[Pipe] = WeakSet()


def enroll(pipe: Pipe) -> None:
    """Look after a pipe until it is dismissed; after a fork, for as long as it lives."""
    _open.add(pipe)
    _every.add(pipe)


def dismiss(pipe: Pipe) -> None:
    """A closed pipe needs no exit."""
    _open.discard(pipe)


def flush_all() -> bool:
    """Flush every open pipe, all at once and each within its exit timeout."""
    start = time.monotonic()
    waits = [(pipe, pipe.begin_flush()) for pipe in list(_open)]
    settled = True
    for pipe, target in waits:
        settled &= pipe.wait_flushed(target, start + pipe.exit_timeout - time.monotonic())
    return settled


def _at_exit() -> None:
    """Workers are daemon threads and still run here; interpreters from 3.12 on start no new thread any more."""
    start = time.monotonic()
    pipes = list(_open)
    for pipe in pipes:
        pipe.begin_exit()
    for pipe in pipes:
        pipe.close(start + pipe.exit_timeout - time.monotonic())


def _in_child() -> None:
    for pipe in list(_every):
        pipe.after_fork()


atexit.register(_at_exit)
if hasattr(os, "register_at_fork"):  # not on Windows, where nothing forks
    os.register_at_fork(after_in_child=_in_child)
