"""The client: a thin face over the pipeline."""

from __future__ import annotations

import os
import time as clocks
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Literal, Self

from kizashi._capture import Given, capture, entered
from kizashi._clock import Clock
from kizashi._config import Overflow, read_options
from kizashi._errors import UsageError
from kizashi._stats import Stats

if TYPE_CHECKING:
    from datetime import datetime
    from decimal import Decimal

    from kizashi._transport import Transport

__all__ = ["Client"]


class Client:
    """Tracks events and delivers them to one collector from a thread in the background.

    Options, all keyword-only; ConfigurationError names the one that cannot be:

    endpoint            the collector's URL, http or https; default KIZASHI_ENDPOINT. Needed unless `transport` is given
    key                 a key with scope write, sent as a bearer token; default KIZASHI_KEY, or none
    max_queue_events    most events held until delivered, 1 to 100,000,000; what comes beyond is dropped{queue_full}
    max_queue_bytes     most memory that they are charged for, 64 KiB to 1 TiB; same fate. The batch being sent and its
                        answer take a few MB more
    batch_size          most events in a request, 1 to 2,500
    flush_interval      seconds that an event may wait for others to fill a batch, 0 to 3,600
    timeout             seconds for one whole request, 0.001 to 600; only the look-up of the host's name comes on top
    exit_timeout        seconds that the end of the process, or handle_sigterm, may take to deliver the rest, 0 to 600
    gzip                whether bodies of more than 1 KiB are compressed: a fifth of the bytes for more of the CPU
    strict              whether track() raises UsageError for what it would else count as dropped; for development
    source              what every event's source has unless context or call say otherwise, such as {"channel": "app"}
    overflow            what gives way at a bound: "drop_newest", "drop_oldest", or "spool" (the default with a spool)
    spool               a folder on a local disk, for events that are not delivered yet; default KIZASHI_SPOOL, or none
    spool_max_bytes     most that this process keeps there, 1 MiB to 1 TiB; beyond, events wait in memory
    spool_max_age       seconds after which what waits there is dropped{expired}, 1 to 3,660 days
    spool_fsync         whether each write is fsynced: events then survive the machine, too, and not only the process
    dead_letters        a file for events that the collector refuses even alone; default, with a spool, within it
    on_drop             called as on_drop(reason, count) from the worker's thread when events are dropped before close
    transport           what carries batches in place of HTTP: a kizashi.Transport

    Delivery is retried until it succeeds, whether the collector is down, refuses the key (401, 403) or is not there
    (404): either may be mended. The bounds above hold meanwhile, and a warning comes once a minute at most, to the
    logger `kizashi`. Close a client that you made; as a context manager it closes itself, within `exit_timeout`.
    """

    def __init__(
        self,
        *,
        endpoint: str | None = None,
        key: str | None = None,
        max_queue_events: int = 100_000,
        max_queue_bytes: int = 96 * 1024 * 1024,
        batch_size: int = 500,
        flush_interval: float = 1.0,
        timeout: float = 10.0,
        exit_timeout: float = 2.0,
        gzip: bool = False,
        strict: bool = False,
        source: Mapping[str, str] | None = None,
        overflow: Overflow | None = None,
        spool: str | os.PathLike[str] | None = None,
        spool_max_bytes: int = 512 * 1024 * 1024,
        spool_max_age: float = 7 * 86_400.0,
        spool_fsync: bool = False,
        dead_letters: str | os.PathLike[str] | None = None,
        on_drop: Callable[[str, int], object] | None = None,
        transport: Transport | None = None,
        _clock: Clock | None = None,
        _entropy: Callable[[int], bytes] = os.urandom,
    ) -> None:
        self._options = options = read_options(
            endpoint=endpoint,
            key=key,
            max_queue_events=max_queue_events,
            max_queue_bytes=max_queue_bytes,
            batch_size=batch_size,
            flush_interval=flush_interval,
            timeout=timeout,
            exit_timeout=exit_timeout,
            gzip=gzip,
            strict=strict,
            source=source,
            overflow=overflow,
            spool=spool,
            spool_max_bytes=spool_max_bytes,
            spool_max_age=spool_max_age,
            spool_fsync=spool_fsync,
            dead_letters=dead_letters,
            on_drop=on_drop,
            needs_endpoint=transport is None,
        )
        # Imported here: late, since ssl and http.client cost more than all the rest, but not as late as in the worker.
        # A process that forks while a thread imports leaves the child with a module that is locked for ever.
        from kizashi._delivery import Pipeline
        from kizashi._encoding import Encoder

        if transport is None:
            from kizashi._http import HttpTransport

            if options.endpoint is None:
                raise AssertionError("read_options let a missing endpoint pass")
            transport = HttpTransport(options.endpoint, key=options.key, gzip=options.gzip)
        self._time_ns = clocks.time_ns if _clock is None else _clock.time_ns
        self._pipeline = Pipeline(options, transport, clock=_clock or Clock(), entropy=_entropy)
        self._checker = Encoder(options.source, _entropy) if strict else None

    def __repr__(self) -> str:
        return f"<kizashi.Client {self._options.endpoint or 'with a transport of its own'}>"

    @property
    def strict(self) -> bool:
        """Whether track() raises for wrong use."""
        return self._options.strict

    @property
    def exit_timeout(self) -> float:
        """Seconds that the end of the process may take to deliver the rest."""
        return self._options.exit_timeout

    @property
    def closed(self) -> bool:
        """Whether close() was called."""
        return self._pipeline.closed

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close(self._options.exit_timeout)

    def track(
        self,
        name: str,
        *,
        actor: str | int | None = None,
        value: int | Decimal | str | float | None = None,
        currency: str | None = None,
        order: str | int | None = None,
        session: str | int | None = None,
        source: Mapping[str, str | int | None] | None = None,
        properties: Mapping[str, str | int | float | Decimal | bool | None] | None = None,
        time: datetime | int | str | None = None,
        idempotency_key: str | int | None = None,
        consent: Mapping[str, bool | None] | None = None,
        adjust: Literal["restate", "retract"] | None = None,
    ) -> None:
        """Note that something happened; the worker checks, encodes and delivers it.

        `value` is money: an int, Decimal or decimal text is exact, a float counts as its shortest repr. `time` is an
        aware datetime, epoch milliseconds or RFC 3339 text; default now. `order` is an order id: one (name, order)
        counts once. One (name, idempotency_key) counts once, too, whichever process sends it. `adjust` changes the
        worth of the event with the same name and order. actor, session, source and consent left out come from
        `kizashi.context`; source and consent are merged with it key by key.

        Never raises, blocks or awaits. Mappings are copied now, all else is looked at later. What cannot be sent is
        counted in stats().dropped; in strict mode it raises UsageError here.
        """
        self._take(
            (name, actor, value, currency, order, session, source, properties, time, idempotency_key, consent, adjust)
        )

    def _take(self, given: Given) -> None:
        pipeline = self._pipeline
        try:
            record = capture(given, self._time_ns(), entered().said)
            if self._checker is not None:
                self._checker.encode(record)
        except Exception as error:
            # Whatever a stranger's mapping raises when it is copied. A site must not fail because it is measured.
            pipeline.queue.refuse(error.reason if isinstance(error, UsageError) else "invalid")
            if self._checker is None:
                return
            if isinstance(error, UsageError):
                raise
            raise UsageError(f"the event cannot be read: {error!r}", field="mapping") from error
        # From here on the event is in the books: what a signal handler raises meanwhile is not ours, and goes on up.
        dropped = pipeline.queue.offer(record)
        if pipeline.thread is None:
            pipeline.start()
        if dropped == "closed":
            self._after_close()

    def stats(self) -> Stats:
        """What became of every event so far; see Stats. Consistent at this instant, callable from any thread."""
        return self._pipeline.queue.stats()

    def flush(self, timeout: float = 2.0) -> bool:
        """Wait until everything tracked before this call is delivered or dropped, for `timeout` seconds at most.

        True if it is. Batches leave at once, and a backoff is cut short once, but not a Retry-After of the collector.
        """
        pipeline = self._pipeline
        return pipeline.wait_flushed(pipeline.begin_flush(), timeout)

    async def aflush(self, timeout: float = 2.0) -> bool:  # noqa: ASYNC109 - the same signature as flush
        """Do as flush, without blocking the event loop."""
        pipeline = self._pipeline
        return await pipeline.wait_flushed_async(pipeline.begin_flush(), timeout)

    def close(self, timeout: float = 2.0) -> bool:
        """Take no more events, deliver what is held within `timeout` seconds, drop the rest as dropped{exit}.

        With a spool, the rest stays there instead. True if there was no rest. Events of a request that is cut off
        count as dropped though some of them may have arrived. Later events are dropped{closed}; closing again is
        harmless.
        """
        return self._pipeline.close(timeout)

    def _after_close(self) -> None:
        if self._options.strict:
            raise UsageError(
                "the client is closed; track before close, or configure again", field="name", reason="closed"
            )
        self._pipeline.report.losses(self._pipeline.queue.stats().dropped)
