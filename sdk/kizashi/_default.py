"""The module's own functions: one client for the process, made by configure() or from the environment."""

from __future__ import annotations

import os
from _thread import RLock

TYPE_CHECKING = False
if TYPE_CHECKING:  # all of it is loaded when a client is made, and not by whoever only imports kizashi
    from collections.abc import Callable, Mapping
    from datetime import datetime
    from decimal import Decimal
    from typing import Any, Literal

    from kizashi._client import Client
    from kizashi._config import Overflow
    from kizashi._stats import Stats
    from kizashi._transport import Transport

__all__ = ["aflush", "close", "configure", "flush", "stats", "track"]


class _Default:
    """What belongs to the process. `unconfigured` counts the events that no client was there to take."""

    def __init__(self) -> None:
        self.client: Client | None = None
        self.stand_in: Callable[..., Client] | None = None
        """What makes clients in place of Client, while kizashi.testing records."""
        self.begin()

    def make(self, **options: Any) -> Client:
        """Make a client. Raises ConfigurationError."""
        from kizashi._client import Client

        return (self.stand_in or Client)(**options)

    def begin(self) -> None:
        """Begin with fresh locks and counts, as a forked child must."""
        self.lock = RLock()
        self.unconfigured = 0
        self.silent = False


_default = _Default()
if hasattr(os, "register_at_fork"):  # not on Windows, where nothing forks
    os.register_at_fork(after_in_child=_default.begin)


def configure(
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
) -> Client:
    """Make the client that the module's functions use, once per process; see Client for the options.

    Raises ConfigurationError. Called again, it makes a new client, sends new events there, and closes the former one
    within that one's exit timeout; stats() then begins anew. A former client in strict mode that is still open makes a
    second call an error instead, since two settings that replace each other by turns are hardly meant.
    """
    from kizashi._errors import ConfigurationError

    with _default.lock:
        former = _default.client
        if former is not None and former.strict and not former.closed and _default.stand_in is None:
            raise ConfigurationError("kizashi is configured already, in strict mode; call kizashi.close() before")
        _default.client = client = _default.make(
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
            transport=transport,
        )
        if former is not None:
            # Its books end here: what nobody was there to take was told with it.
            _default.unconfigured = 0
    if former is not None:
        former.close(former.exit_timeout)
    return client


def track(
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
    """Note that something happened; see Client.track. Never raises, blocks or awaits.

    Without configure(), the first call makes a client from KIZASHI_ENDPOINT and KIZASHI_KEY, which takes some tens of
    milliseconds. Where there is no endpoint, events are dropped{unconfigured}, with one warning.
    """
    client = _default.client or _from_environment()
    if client is not None:
        client._take(
            (name, actor, value, currency, order, session, source, properties, time, idempotency_key, consent, adjust)
        )


def stats() -> Stats:
    """What became of every event since configure(), and of those that came before it; see Stats."""
    from msgspec.structs import replace

    from kizashi._stats import Stats

    with _default.lock:
        client, lost = _default.client, _default.unconfigured
    dropped = {"unconfigured": lost} if lost else {}
    if client is None:
        return Stats(tracked=lost, dropped=dropped)
    here = client.stats()
    return replace(here, tracked=here.tracked + lost, dropped=here.dropped | dropped)


def flush(timeout: float = 2.0) -> bool:
    """Wait until everything tracked before is delivered or dropped, for `timeout` seconds at most; see Client.flush."""
    client = _default.client
    return True if client is None else client.flush(timeout)


async def aflush(timeout: float = 2.0) -> bool:  # noqa: ASYNC109 - the same signature as flush
    """Do as flush, without blocking the event loop."""
    client = _default.client
    return True if client is None else await client.aflush(timeout)


def close(timeout: float = 2.0) -> bool:
    """Deliver what is held within `timeout` seconds and drop the rest; see Client.close. configure() may follow."""
    client = _default.client
    return True if client is None else client.close(timeout)


def _from_environment() -> Client | None:
    """The client that the environment describes, or None once the event is counted as unconfigured."""
    fault = "call kizashi.configure(endpoint=…) or set KIZASHI_ENDPOINT"
    with _default.lock:
        if _default.client is None and not _default.silent and os.environ.get("KIZASHI_ENDPOINT"):
            from kizashi._errors import KizashiError

            try:
                _default.client = _default.make()
            except KizashiError as error:
                fault = str(error)
            except Exception as error:  # noqa: BLE001  # no fault of the surroundings may reach the site through track()
                fault = f"the client could not be made ({type(error).__name__})"
        if _default.client is None:
            _default.unconfigured += 1
            first, _default.silent = not _default.silent, True
        else:
            return _default.client
    if first:
        try:
            from kizashi._delivery import warn
        except ImportError:  # msgspec cannot be loaded, as in a sub-interpreter
            return None
        warn("kizashi drops events, since it is not configured: %s", fault)
    return None
