"""Makes companions: a process forked before there are threads, which forks one after the other as they end."""

from __future__ import annotations

import contextlib
import gc
import os
import select
import signal
import socket
import sys
import warnings
from collections.abc import Callable

__all__ = ["Keeper"]

_AGAIN_SECONDS = 1.0


class Keeper:
    """A process that forks companions, one at a time: `run` is called in each, with a socket to this process.

    To be made before there are threads, an event loop or files that a companion must not hold. It works where `fork`
    does; `possible` tells. Companions end when their socket does, and the keeper when `close` was called or this
    process has ended, however that came.
    """

    possible = hasattr(os, "fork")

    def __init__(self, run: Callable[[socket.socket], None]) -> None:
        self.control, theirs = socket.socketpair()
        """Its messages bring sockets to new companions."""
        sys.stdout.flush()
        sys.stderr.flush()
        gc.freeze()  # what is there by now stays: no collection touches it, and it stays shared
        with warnings.catch_warnings():
            # Linear algebra brings threads of its own at import, which nothing here ever uses.
            warnings.simplefilter("ignore", DeprecationWarning)
            self._pid = os.fork()
        if self._pid == 0:
            code = 1
            try:
                self.control.close()
                _keep(theirs, run)
                code = 0
            finally:
                os._exit(code)
        theirs.close()
        self.control.setblocking(False)

    def close(self) -> None:
        """End it, and wait until it and its companion are gone. May take some tenths of a second."""
        self.control.close()
        with contextlib.suppress(ChildProcessError):  # somebody else has waited for it
            os.waitpid(self._pid, 0)


def _keep(control: socket.socket, run: Callable[[socket.socket], None]) -> None:
    # They go when the collector goes, which is told to, and drains first.
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    # Whoever reads the collector's output to its end waits for the collector alone.
    silence = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1):
        os.dup2(silence, descriptor)
    os.close(silence)
    while True:
        far, near = socket.socketpair()
        pid = os.fork()
        if pid == 0:
            _run(control, far, near, run)
        near.close()
        try:
            socket.send_fds(control, [b"."], [far.fileno()])
        except OSError:
            far.close()
            os.waitpid(pid, 0)
            return
        far.close()
        os.waitpid(pid, 0)
        if _closed(control):
            return


def _run(control: socket.socket, far: socket.socket, near: socket.socket, run: Callable[[socket.socket], None]) -> None:
    code = 1
    try:
        control.close()
        far.close()
        run(near)
        code = 0
    finally:
        os._exit(code)


def _closed(control: socket.socket) -> bool:
    """Whether the collector has gone, or goes within a second."""
    readable, _, _ = select.select([control], [], [], _AGAIN_SECONDS)
    return bool(readable)  # it never says anything
