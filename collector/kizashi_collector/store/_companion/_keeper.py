"""Makes companions: a process forked before there are threads, which forks one after the other as they end."""

from __future__ import annotations

import contextlib
import gc
import os
import select
import signal
import socket
import sys
import time
import warnings
from collections.abc import Callable

__all__ = ["Keeper"]

_AGAIN_SECONDS = 1.0
_LOOK_SECONDS = 0.25
_LAST_SECONDS = 2.0
_PID_BYTES = 8


class Keeper:
    """A process that forks companions, one at a time: `run` is called in each, with a socket to this process.

    To be made before there are threads, an event loop or files that a companion must not hold. It works where `fork`
    does; `possible` tells. Companions end when their socket does, and the keeper when `close` was called or this
    process has ended, however that came.
    """

    possible = hasattr(os, "fork")

    def __init__(self, run: Callable[[socket.socket], None]) -> None:
        self._control, theirs = socket.socketpair()
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
                self._control.close()
                _keep(theirs, run)
                code = 0
            finally:
                os._exit(code)
        theirs.close()
        self._control.setblocking(False)

    def fileno(self) -> int:
        """What becomes readable when there is a new companion, or the keeper has ended."""
        return self._control.fileno()

    def new(self) -> tuple[int, socket.socket] | None:
        """A new companion, and the socket to it; None where there will be no more."""
        number, descriptors, _, _ = socket.recv_fds(self._control, _PID_BYTES, 1)
        if not descriptors:
            return None
        return int.from_bytes(number, "little"), socket.socket(fileno=descriptors[0])

    def give_up(self, number: int) -> None:
        """Have a companion killed, if it has not ended: it is not talked to any more."""
        with contextlib.suppress(OSError):
            self._control.send(number.to_bytes(_PID_BYTES, "little"))

    def close(self) -> None:
        """End it, and wait until it and its companion are gone: some tenths of a second, or two seconds at most."""
        self._control.close()
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
            socket.send_fds(control, [pid.to_bytes(_PID_BYTES, "little")], [far.fileno()])
        except OSError:
            far.close()
            _end(pid)
            return
        far.close()
        if not _followed(control, pid):
            return


def _followed(control: socket.socket, pid: int) -> bool:
    """Wait until a companion has ended, and a moment longer; False once the collector has gone, and it too."""
    deadline = None
    while True:
        readable, _, _ = select.select([control], [], [], _LOOK_SECONDS)
        if readable:
            word = control.recv(_PID_BYTES)
            if not word:
                if deadline is None:
                    _end(pid)
                return False
            if deadline is None and int.from_bytes(word, "little") == pid:
                os.kill(pid, signal.SIGKILL)
        if deadline is None:
            ended, _ = os.waitpid(pid, os.WNOHANG)
            if ended:
                deadline = time.monotonic() + _AGAIN_SECONDS
        elif time.monotonic() >= deadline:
            return True


def _end(pid: int) -> None:
    """Wait for a companion that ends by itself, but not for ever."""
    deadline = time.monotonic() + _LAST_SECONDS
    while not os.waitpid(pid, os.WNOHANG)[0]:
        if time.monotonic() > deadline:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
            return
        time.sleep(_LOOK_SECONDS / 10)


def _run(control: socket.socket, far: socket.socket, near: socket.socket, run: Callable[[socket.socket], None]) -> None:
    code = 1
    try:
        control.close()
        far.close()
        run(near)
        code = 0
    finally:
        os._exit(code)
