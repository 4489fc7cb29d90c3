"""A queue with its worker, transport and thread, and their life: started late, forked, closed in bounded time."""

from __future__ import annotations

import threading
from collections.abc import Callable

from kizashi import _processes
from kizashi._clock import Clock
from kizashi._config import Options
from kizashi._delivery._queue import Queue
from kizashi._delivery._report import Report
from kizashi._delivery._worker import Worker
from kizashi._transport import Transport

__all__ = ["Pipeline", "bounded"]


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
        self._begin()
        _processes.enroll(self)

    def _begin(self) -> None:
        options = self._options
        self.queue = Queue(max_events=options.max_queue_events, max_bytes=options.max_queue_bytes)
        self.report = Report(self._clock)
        self._worker = Worker(
            self.queue,
            options,
            self._transport,
            clock=self._clock,
            entropy=self._entropy,
            report=self.report,
        )
        self.thread: threading.Thread | None = None
        # Whoever holds it drives the worker: its thread, or a caller where none can be started. Never two at a time.
        self._driving = threading.Lock()

    @property
    def exit_timeout(self) -> float:
        """Seconds that the process may be held at exit."""
        return self._options.exit_timeout

    def start(self) -> bool:
        """Start the worker's thread if there is work and none yet; tell whether one runs or none is needed."""
        with self.queue.lock:
            if self.thread is not None or self.queue.finished:
                return True
            thread = threading.Thread(target=self._work, args=(self._worker,), name="kizashi", daemon=True)
            try:
                thread.start()
            except RuntimeError:
                # No thread can be started: the interpreter is shutting down, or the system has no more.
                return False
            self.thread = thread
            return True

    def _work(self, worker: Worker) -> None:
        try:
            with self._driving:
                worker.run()
        finally:
            self._transport.close()

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
        try:
            self._worker.run_until(deadline)
        finally:
            self._driving.release()
        return queue.wait_settled(target, 0.0)

    async def wait_flushed_async(self, target: int, seconds: float) -> bool:
        """Do as wait_flushed, leaving the event loop free."""
        # Imported here: no process without a loop shall load asyncio.
        from kizashi._delivery._aflush import wait_flushed

        return await wait_flushed(self, target, seconds)

    def begin_exit(self) -> None:
        """Take nothing more in and hurry, without waiting."""
        self.queue.close()

    def close(self, seconds: float) -> bool:
        """Take nothing more in, drain within `seconds`, drop the rest; tell whether there was no rest."""
        target = self.queue.close()
        deadline = self._clock.monotonic() + bounded(seconds)
        self.wait_flushed(target, seconds)
        if self.queue.abandon("exit"):
            self._clean = False
            self._transport.abort()
        elif self.thread is not None and self.thread is not threading.current_thread():
            # It has nothing left to do; a moment is enough, and the deadline holds all the same.
            self.thread.join(max(deadline - self._clock.monotonic(), 0.05))
        if self.thread is None:
            self._transport.close()
        if not self.closed:
            self.closed = True
            self.report.losses(self.queue.stats().dropped, last=True)
            _processes.dismiss(self)
        return self._clean

    def after_fork(self) -> None:
        """Begin anew: no lock, thread, event or count of the parent is left. What was closed stays closed."""
        self._transport.after_fork()
        self._begin()
        if self.closed:
            self.queue.close()
