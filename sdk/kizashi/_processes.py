"""Where a process begins and ends: fork and exit, for every pipeline at once.

Most ends pass through `atexit`, and most forks through `os.register_at_fork`, whose hooks are registered once, when
this module is first imported. Two hosts pass by them, and are met on their own ground when they are there:

- children of multiprocessing end by `os._exit`, after they ran its finalizers;
- uWSGI forks in C and tells Python only through `uwsgi.post_fork_hook`. Nothing resets the GIL in its children: where
  a thread asked for it at the fork, the child waits for that thread for ever. Before its fork no thread is started.
"""

from __future__ import annotations

import atexit
import logging
import os
import sys
import time
from contextlib import suppress
from importlib import import_module
from types import ModuleType
from typing import Protocol
from weakref import WeakSet

__all__ = ["Pipe", "dismiss", "enroll", "flush_all", "threads_must_wait"]

_LAST = -100
"""The priority of what runs at the end of a child: after its own children are joined and its queues are emptied."""


class Pipe(Protocol):
    """Something with a worker: it must be drained before the process ends and begin anew in a child."""

    @property
    def exit_timeout(self) -> float:
        """Seconds that the process may be held at exit."""

    @property
    def unsettled(self) -> int:
        """How many events are neither delivered nor dropped."""

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
    _host.meet_all()


def dismiss(pipe: Pipe) -> None:
    """A closed pipe needs no exit."""
    _open.discard(pipe)


def threads_must_wait() -> bool:
    """Whether a thread could lock up the children that are about to be forked; callers drive pipes themselves then."""
    return _host.awaits_fork


def flush_all() -> bool:
    """Flush every open pipe, all at once and each within its exit timeout."""
    _begin_if_forked()
    start = time.monotonic()
    waits = [(pipe, pipe.begin_flush()) for pipe in list(_open)]
    settled = True
    for pipe, target in waits:
        settled &= pipe.wait_flushed(target, start + pipe.exit_timeout - time.monotonic())
    return settled


class _Host:
    """What this process is known to be, and which hosts have been met in it."""

    def __init__(self) -> None:
        self.pid = os.getpid()
        self.awaits_fork = False
        self._met_uwsgi = self._met_multiprocessing = False
        self._finalizing = 0

    def begin(self) -> None:
        """Note that this is a child."""
        self.pid = os.getpid()
        self.awaits_fork = False
        self.meet_all()

    def meet_all(self) -> None:
        """Meet what has been loaded by now: a few look-ups where there is nothing to do."""
        for meet in (self._meet_multiprocessing, self._meet_uwsgi):
            with suppress(Exception):  # half loaded, or another than is known here: nothing that a site could mend
                meet()

    def _meet_multiprocessing(self) -> None:
        """Have its children drain before they end."""
        util = sys.modules.get("multiprocessing.util")
        process = sys.modules.get("multiprocessing.process")
        if util is None or process is None:
            return
        if not self._met_multiprocessing:
            # Its children begin by forgetting all finalizers, and then call this.
            util.register_after_fork(self, _Host._finalize)
            self._met_multiprocessing = True
        if process.parent_process() is not None and self._finalizing != self.pid:
            self._finalize()

    def _finalize(self) -> None:
        sys.modules["multiprocessing.util"].Finalize(None, _at_end_of_child, exitpriority=_LAST)
        self._finalizing = self.pid

    def _meet_uwsgi(self) -> None:
        """Have it say when it has forked."""
        uwsgi = sys.modules.get("uwsgi")
        if uwsgi is None or self._met_uwsgi:
            return
        self._met_uwsgi = True
        # With lazy-apps, this is a worker, a mule or the spooler already, and nobody forks any more.
        roles = (uwsgi.worker_id, uwsgi.mule_id, uwsgi.i_am_the_spooler)
        self.awaits_fork = not any(role() for role in roles)
        former, spooler = getattr(uwsgi, "post_fork_hook", None), getattr(uwsgi, "spooler", None)
        try:
            # Loaded now, since it would put its own hook in place of this one if the site did so later.
            decorators = import_module("uwsgidecorators")
        except Exception:  # noqa: BLE001 - without a master it raises just that, and is of no use to anybody
            _set_post_fork_hook(uwsgi, former)
            return
        if spooler is not None:
            uwsgi.__dict__["spooler"] = spooler
        if former is not None and former is not decorators.postfork_chain_hook:
            decorators.postfork_chain.append(former)
        decorators.postfork_chain.insert(0, _after_uwsgi_forked)


def _set_post_fork_hook(uwsgi: ModuleType, former: object) -> None:
    def hook() -> None:
        _after_uwsgi_forked()
        if callable(former):
            former()

    uwsgi.__dict__["post_fork_hook"] = hook


def _after_uwsgi_forked() -> None:
    # Also called in the process that forked, where there is no master: it is the first worker then.
    _begin_if_forked()
    _host.awaits_fork = False


def _begin_if_forked() -> None:
    """Begin anew if somebody forked without a word to Python: what the parent holds is not this process's to send."""
    if os.getpid() != _host.pid:
        _in_child()


def _at_exit() -> None:
    """Workers are daemon threads and still run here; interpreters from 3.12 on start no new thread any more."""
    _begin_if_forked()
    _host.awaits_fork = False
    start = time.monotonic()
    pipes = list(_open)
    for pipe in pipes:
        pipe.begin_exit()
    for pipe in pipes:
        pipe.close(start + pipe.exit_timeout - time.monotonic())


def _at_end_of_child() -> None:
    # Children that were spawned end as any process does, and other exit handlers may still track.
    if sys.modules["multiprocessing"].get_start_method(allow_none=True) != "spawn":
        _at_exit()


def _in_child() -> None:
    left = sum(pipe.unsettled for pipe in _open) if _host.awaits_fork else 0
    _host.begin()
    if left and sys.modules["uwsgi"].worker_id() == 1:
        # The master never comes back to Python, not even at its end.
        words = "kizashi: %d events were tracked before uWSGI forked, and stay there; flush() there, or set lazy-apps"
        logging.getLogger("kizashi").warning(words, left)
    for pipe in list(_every):
        pipe.after_fork()


_host = _Host()
atexit.register(_at_exit)
if hasattr(os, "register_at_fork"):  # not on Windows, where nothing forks
    os.register_at_fork(after_in_child=_in_child)
