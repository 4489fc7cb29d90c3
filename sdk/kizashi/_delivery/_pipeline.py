"""A queue with its worker, transport and thread, and their life: started late, forked, closed in bounded time."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import suppress

from kizashi import _processes
from kizashi._clock import Clock
from kizashi._config import Options
from kizashi._delivery._queue import Queue
from kizashi._delivery._report import Report
from kizashi._delivery._scribe import Scribe
from kizashi._delivery._sender import Sender
from kizashi._encoding import Encoder
from kizashi._spool import DeadLetters, Spool
from kizashi._transport import Transport

__all__ = ["Pipeline"]

_MOMENT = 0.05


def bounded(seconds: float) -> float:
    """A length of time that locks can wait for: not negative, not endless, and 0 for NaN."""
    return min(max(seconds, 0.0), threading.TIMEOUT_MAX) if seconds == seconds else 0.0


class Pipeline:
    """Everything behind a client's face. `queue` is another one after a fork: ask for it each time."""

    def __init__(
        self, options: Options, transport: Transport, *, clock: Clock, entropy: Callable[[int], bytes]
    ) -> None:
        self._options = options
        self._transport = transport
        self._clock = clock
        self._entropy = entropy
        self._clean = True
        self.closed = False
        self._spool = self._open_spool()
        self._begin()
        _processes.enroll(self)
        if self._spool is not None and self._finds_orphans(self._spool):
            self.start()

    def _open_spool(self) -> Spool | None:
        options = self._options
        if options.spool is None:
            return None
        return Spool(
            options.spool,
            clock=self._clock,
            entropy=self._entropy,
            max_bytes=options.spool_max_bytes,
            max_age=options.spool_max_age,
            fsync=options.spool_fsync,
        )

    def _finds_orphans(self, spool: Spool) -> bool:
        try:
            return spool.look_for_orphans()
        except OSError as error:
            self.report.disk(error.strerror or type(error).__name__)
            return False

    def _begin(self) -> None:
        options, spool = self._options, self._spool
        oldest_gives_way = options.overflow == "drop_oldest"
        self.queue = Queue(
            max_events=options.max_queue_events,
            max_bytes=options.max_queue_bytes,
            gives_way="oldest" if oldest_gives_way else "newest",
            oldest_spooled=None if spool is None else spool.oldest,
        )
        self.report = Report(self._clock, options.on_drop)
        self._scribe = Scribe(
            self.queue,
            Encoder(options.source, self._entropy),
            spool,
            clock=self._clock,
            report=self.report,
            oldest_gives_way=oldest_gives_way,
        )
        self._sender = Sender(
            self.queue,
            options,
            self._transport,
            clock=self._clock,
            entropy=self._entropy,
            report=self.report,
            scribe=self._scribe if spool is None else None,
            spool=spool,
            dead_letters=None if options.dead_letters is None else DeadLetters(options.dead_letters),
        )
        self.thread: threading.Thread | None = None
        self._scribing_thread: threading.Thread | None = None
        self._make_locks()

    def _make_locks(self) -> None:
        # gevent and eventlet replace it: locks and threads must be of the same world, or one blocks the other's hub.
        self._made_with = threading.Lock
        # Whoever holds one drives the scribe or the sender: its thread, or a caller where none can be started. Never
        # two at a time.
        self._scribing = threading.Lock()
        self._driving = threading.Lock()

    @property
    def exit_timeout(self) -> float:
        """Seconds that the process may be held at exit."""
        return self._options.exit_timeout

    @property
    def unsettled(self) -> int:
        """How many events are neither delivered nor dropped."""
        return self.queue.held

    def start(self) -> bool:
        """Start what is to run in the background if there is work and it does not yet; tell whether all of it runs."""
        if threading.Lock is not self._made_with and self.thread is None and self._scribing_thread is None:
            # Patched since the client was made. Nobody works with the former locks yet.
            self.queue.make_locks()
            self._make_locks()
        if _processes.threads_must_wait():
            return False
        with self.queue.lock:
            if self.thread is not None or self.queue.finished:
                return True
            try:
                if self._spool is not None and self._scribing_thread is None:
                    self._scribing_thread = _started(self._scribe.run, self._scribing, lambda: None, "kizashi-spool")
                self.thread = _started(self._sender.run, self._driving, self._transport.close, "kizashi")
            except RuntimeError:
                # No thread can be started: the interpreter is shutting down, or the system has no more.
                return False
            return True

    def begin_flush(self) -> int:
        """Hurry, without waiting; return what to wait for."""
        return self.queue.hurry()

    def wait_flushed(self, target: int, seconds: float) -> bool:
        """Wait up to `seconds` until everything up to event number `target` is settled; tell whether it is."""
        queue = self.queue
        if queue.wait_settled(target, 0.0):
            return True
        seconds = bounded(seconds)
        deadline = self._clock.monotonic() + seconds
        if self.start() or not self._driving.acquire(blocking=False):
            return queue.wait_settled(target, seconds)
        scribing = self._scribing.acquire(blocking=False)
        try:
            self._sender.run_until(deadline, self._scribe if scribing else None)
        finally:
            if scribing:
                self._scribing.release()
            self._driving.release()
        return queue.wait_settled(target, 0.0)

    async def wait_flushed_async(self, target: int, seconds: float) -> bool:
        """Do as wait_flushed, leaving the event loop free."""
        # Imported here: no process without a loop shall load asyncio.
        from kizashi._delivery._aflush import wait_flushed

        return await wait_flushed(self.queue, self.start, target, bounded(seconds))

    def begin_exit(self) -> None:
        """Take nothing more in and hurry, without waiting."""
        self.queue.close()

    def close(self, seconds: float) -> bool:
        """Take nothing more in, drain within `seconds`, leave the rest on disk or drop it; tell whether none was."""
        target = self.queue.close()
        deadline = self._clock.monotonic() + bounded(seconds)
        self.wait_flushed(target, seconds)
        if self._spool is not None:
            self._write_down(deadline)
        if self.queue.abandon("exit") or self.queue.stats().spooled:
            self._clean = False
            with suppress(Exception):  # it only shortens the wait below
                self._transport.abort()
        for thread in (self._scribing_thread, self.thread):
            if thread is not None and thread is not threading.current_thread():
                # It has next to nothing left to do; a moment is enough, and the deadline holds all the same.
                thread.join(max(deadline - self._clock.monotonic(), _MOMENT))
        if self.thread is None:
            self._transport.close()
        if self._spool is not None:
            self._spool.close(min(max(deadline - self._clock.monotonic(), _MOMENT), threading.TIMEOUT_MAX))
        if not self.closed:
            self.closed = True
            dropped = self.queue.stats().dropped
            self.report.losses(dropped, last=True)
            if self.thread is None:
                self.report.call_on_drop(dropped)
            _processes.dismiss(self)
        return self._clean

    def _write_down(self, deadline: float) -> None:
        """See that what is captured gets to the disk, which takes a moment, even where there is no time to send it."""
        thread = self._scribing_thread
        if thread is not None and thread is not threading.current_thread():
            thread.join(max(deadline - self._clock.monotonic(), _MOMENT))
        elif thread is None and self._scribing.acquire(blocking=False):
            try:
                self._scribe.encode()
            finally:
                self._scribing.release()

    def after_fork(self) -> None:
        """Begin anew: no lock, thread, event or count of the parent is left. What was closed stays closed."""
        with suppress(Exception):  # it may be the site's own; what follows keeps the parent's events from leaving twice
            self._transport.after_fork()
        if self._spool is not None:
            try:
                self._spool.after_fork()
            except OSError:  # a thread of the parent was about to close a file, and this process had closed it already
                self._spool = self._open_spool()
        self._begin()
        if self.closed:
            self.queue.close()


def _started(run: Callable[[], None], owned: threading.Lock, at_end: Callable[[], None], name: str) -> threading.Thread:
    """A daemon that holds the lock while it runs. Raises RuntimeError where no thread can be started."""

    def work() -> None:
        try:
            with owned:
                run()
        finally:
            at_end()

    thread = threading.Thread(target=work, name=name, daemon=True)
    thread.start()
    return thread
