"""The options of a client, checked once."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Literal

from msgspec import Struct

from kizashi._errors import ConfigurationError

__all__ = ["MAX_BATCH_EVENTS", "Endpoint", "Options", "Overflow", "read_options"]

MAX_BATCH_EVENTS = 2_500
"""The collector takes no more events in one request."""

Overflow = Literal["drop_newest", "drop_oldest", "spool"]
OVERFLOWS: tuple[Overflow, ...] = ("drop_newest", "drop_oldest", "spool")
_MEBI = 1024 * 1024
_MOST_BITS = 128


class Endpoint(Struct, frozen=True):
    """Where the collector listens."""

    secure: bool
    host: str
    port: int
    path: str

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{'https' if self.secure else 'http'}://{host}:{self.port}{self.path}"


class Options(Struct, kw_only=True, frozen=True):
    """A client's options. The repr never shows the key."""

    endpoint: Endpoint | None
    key: str | None
    max_queue_events: int
    max_queue_bytes: int
    batch_size: int
    flush_interval: float
    timeout: float
    exit_timeout: float
    gzip: bool
    strict: bool
    source: dict[str, str]
    overflow: Overflow
    spool: Path | None
    spool_max_bytes: int
    spool_max_age: float
    spool_fsync: bool
    dead_letters: Path | None
    on_drop: Callable[[str, int], object] | None

    def __repr__(self) -> str:
        shown = {name: getattr(self, name) for name in self.__struct_fields__} | {
            "endpoint": None if self.endpoint is None else str(self.endpoint),
            "key": None if self.key is None else "…",
        }
        return f"Options({', '.join(f'{name}={value!r}' for name, value in shown.items())})"


def read_options(
    *,
    endpoint: str | None,
    key: str | None,
    max_queue_events: int,
    max_queue_bytes: int,
    batch_size: int,
    flush_interval: float,
    timeout: float,
    exit_timeout: float,
    gzip: bool,
    strict: bool,
    source: Mapping[str, str] | None,
    overflow: Overflow | None = None,
    spool: str | os.PathLike[str] | None = None,
    spool_max_bytes: int = 512 * _MEBI,
    spool_max_age: float = 7 * 86_400.0,
    spool_fsync: bool = False,
    dead_letters: str | os.PathLike[str] | None = None,
    on_drop: Callable[[str, int], object] | None = None,
    needs_endpoint: bool = True,
    environ: Mapping[str, str] = os.environ,
) -> Options:
    """Check the options, taking endpoint and key from the environment where they are None.

    Raises ConfigurationError, whose message names the option, what was given (but never the key) and what may be.
    """
    folder = _path("spool", spool if spool is not None else environ.get("KIZASHI_SPOOL") or None)
    file = _path("dead_letters", dead_letters)
    return Options(
        overflow=_overflow(overflow, spooled=folder is not None),
        spool=folder,
        spool_max_bytes=_whole("spool_max_bytes", spool_max_bytes, _MEBI, _MEBI * _MEBI),
        spool_max_age=_seconds("spool_max_age", spool_max_age, 1.0, 3_660 * 86_400.0),
        spool_fsync=_flag("spool_fsync", spool_fsync),
        dead_letters=file if file is not None or folder is None else folder / "dead-letters.ndjson",
        on_drop=_callable("on_drop", on_drop),
        endpoint=_endpoint(
            endpoint if endpoint is not None else environ.get("KIZASHI_ENDPOINT") or None, needs_endpoint
        ),
        key=_key(key if key is not None else environ.get("KIZASHI_KEY") or None),
        max_queue_events=_whole("max_queue_events", max_queue_events, 1, 100_000_000),
        max_queue_bytes=_whole("max_queue_bytes", max_queue_bytes, 65_536, _MEBI * _MEBI),
        batch_size=_whole("batch_size", batch_size, 1, MAX_BATCH_EVENTS),
        flush_interval=_seconds("flush_interval", flush_interval, 0.0, 3_600.0),
        timeout=_seconds("timeout", timeout, 0.001, 600.0),
        exit_timeout=_seconds("exit_timeout", exit_timeout, 0.0, 600.0),
        gzip=_flag("gzip", gzip),
        strict=_flag("strict", strict),
        source=_source(source),
    )


def _endpoint(url: object, needed: bool) -> Endpoint | None:
    if url is None and not needed:
        return None
    if url is None:
        raise ConfigurationError("endpoint is missing; pass endpoint='http://collector:8700' or set KIZASHI_ENDPOINT")
    # Imported late: most of what urllib.parse loads is of no use to a process that only imports kizashi.
    from urllib.parse import urlsplit

    remedy = "write http://host:port or https://host, with a path if the collector is mounted below one"
    if not isinstance(url, str):
        raise ConfigurationError(f"endpoint is of type {type(url).__name__}, not text; {remedy}")
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        # Neither the URL nor what urlsplit says of it is repeated: somebody may have written a password into it.
        raise ConfigurationError(f"endpoint is not a URL, by its host or its port; {remedy}") from None
    if parts.scheme not in ("http", "https") or not host:
        raise ConfigurationError(f"endpoint has scheme {parts.scheme!r} and host {host!r}; {remedy}")
    if "@" in parts.netloc or parts.query or parts.fragment:
        raise ConfigurationError(
            f"endpoint carries a user, query or fragment; the key is an option of its own; {remedy}"
        )
    if not (url.isascii() and url.isprintable()) or " " in url:
        raise ConfigurationError(f"endpoint has characters that no URL has; {remedy}")
    try:
        # As the socket will, later and in a thread. Python loads the codec on its first use.
        host.encode("idna")
    except UnicodeError:
        raise ConfigurationError(
            f"endpoint has host {host!r}, with a part that is empty or longer than 63 characters; {remedy}"
        ) from None
    secure = parts.scheme == "https"
    return Endpoint(secure, host, port if port is not None else 443 if secure else 80, parts.path.rstrip("/"))


def _path(name: str, value: object) -> Path | None:
    if value is None:
        return None
    if not isinstance(value, str | os.PathLike) or not os.fspath(value) or "\0" in str(value):
        raise ConfigurationError(f"{name} is {_shown(value)}; give a path")
    # Absolute from here on: a daemon may change its working directory later.
    return Path(os.path.abspath(os.fspath(value)))


def _overflow(value: object, *, spooled: bool) -> Overflow:
    if value is None:
        return "spool" if spooled else "drop_newest"
    if value == "spool" and not spooled:
        raise ConfigurationError("overflow is 'spool', but no spool is given; pass spool='some/folder' as well")
    for known in OVERFLOWS:
        if value == known:
            return known
    raise ConfigurationError(f"overflow is {_shown(value)}; give one of {', '.join(OVERFLOWS)}")


def _callable(name: str, value: Callable[[str, int], object] | None) -> Callable[[str, int], object] | None:
    if value is not None and not callable(value):
        raise ConfigurationError(f"{name} is of type {type(value).__name__}; give a function of reason and count")
    return value


def _key(key: object) -> str | None:
    if key is None:
        return None
    if not isinstance(key, str) or not key.isascii() or not key.isprintable() or " " in key or not key:
        raise ConfigurationError(
            "key is not one line of visible ASCII characters; copy it as `kizashi serve` printed it"
        )
    return key


def _whole(name: str, value: object, least: int, most: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
        raise ConfigurationError(f"{name} is {_shown(value)}; give a whole number from {least} to {most}")
    return value


def _seconds(name: str, value: object, least: float, most: float) -> float:
    # Compared before it becomes a float, which not every int can. NaN and the infinities lie within no bounds.
    if isinstance(value, bool) or not isinstance(value, int | float) or not least <= value <= most:
        raise ConfigurationError(f"{name} is {_shown(value)}; give seconds from {least:g} to {most:g}")
    return float(value)


def _shown(value: object) -> str:
    # Python writes out no int of more than 4,300 digits, and nobody reads one of 100.
    if isinstance(value, int) and value.bit_length() > _MOST_BITS:
        return f"a number of {value.bit_length()} bits"
    return repr(value)


def _flag(name: str, value: object) -> bool:
    if not isinstance(value, bool):
        raise ConfigurationError(f"{name} is {_shown(value)}; give True or False")
    return value


def _source(source: object) -> dict[str, str]:
    if source is None:
        return {}
    if not isinstance(source, Mapping):
        raise ConfigurationError(
            f"source is of type {type(source).__name__}; give a mapping such as {{'channel': 'app'}}"
        )
    from kizashi._encoding import check_source
    from kizashi._errors import UsageError

    try:
        return check_source(dict(source))
    except UsageError as error:
        raise ConfigurationError(f"source cannot be the default of every event: {error}") from None
