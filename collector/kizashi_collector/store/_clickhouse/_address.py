"""Where a ClickHouse store is: `clickhouse://user:password@host:8123/database?cluster=…`, or `chdb://folder`."""

from __future__ import annotations

import re
from urllib.parse import parse_qsl, unquote, urlsplit

from msgspec import Struct

from kizashi_collector.store._protocol import StoreError

__all__ = ["Address"]

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,63}")
_CLUSTER = re.compile(r"[A-Za-z_{}][A-Za-z0-9_.{}-]{0,63}")
_DATABASE = "kizashi"
_TRUTHS = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}


class Address(Struct, frozen=True, kw_only=True):
    """Where the tables are. `path` is the folder of the engine in process, None for a server.

    With a `cluster` tables are replicated and distributed over it. `ca` is a file of certificates to trust.
    """

    database: str = _DATABASE
    path: str | None = None
    host: str = ""
    port: int = 0
    user: str = "default"
    password: str = ""
    secure: bool = False
    verify: bool = True
    ca: str | None = None
    cluster: str | None = None

    @classmethod
    def of(cls, text: str) -> Address:
        """Read an address. Raises StoreError with what is wrong about it; a password is never shown."""
        scheme, _, rest = text.partition("://")
        if scheme == "chdb":
            return _in_process(rest)
        if scheme != "clickhouse":
            raise StoreError(
                f"store {scheme!r} is not known; write sqlite, clickhouse://host:8123/kizashi or chdb://path"
            )
        try:
            parts = urlsplit(text)
            host, port = parts.hostname, parts.port
        except ValueError as error:
            raise StoreError(f"the store's address: {error}; write clickhouse://host:8123/kizashi") from None
        if not host:
            raise StoreError("the store's address names no host; write clickhouse://host:8123/kizashi")
        options = _options(parts.query, {"cluster", "secure", "verify", "ca"})
        secure = _truth("secure", options.get("secure", "false"))
        return cls(
            database=_database(unquote(parts.path.removeprefix("/")) or _DATABASE),
            host=host,
            port=port or (8443 if secure else 8123),
            user=unquote(parts.username or "default"),
            password=unquote(parts.password or ""),
            secure=secure,
            verify=_truth("verify", options.get("verify", "true")),
            ca=options.get("ca"),
            cluster=_cluster(options["cluster"]) if "cluster" in options else None,
        )

    def __str__(self) -> str:
        if self.path is not None:
            return f"chdb://{self.path}"
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"clickhouse://{host}:{self.port}/{self.database}"

    def __repr__(self) -> str:
        return f"Address({self})"


def _in_process(rest: str) -> Address:
    path, _, query = rest.partition("?")
    if not path:
        raise StoreError("chdb:// needs a folder; write for example chdb://data/clickhouse")
    return Address(path=path, database=_database(_options(query, {"database"}).get("database", _DATABASE)))


def _options(query: str, known: set[str]) -> dict[str, str]:
    options = dict(parse_qsl(query, keep_blank_values=True))
    for name in options:
        if name not in known:
            raise StoreError(f"the store's address: {name!r} is not known; there are {', '.join(sorted(known))}")
    return options


def _truth(name: str, text: str) -> bool:
    if text.lower() not in _TRUTHS:
        raise StoreError(f"the store's address: {name} is true or false, not {text!r}")
    return _TRUTHS[text.lower()]


def _database(name: str) -> str:
    if not _NAME.fullmatch(name):
        raise StoreError(f"the store's address: database {name!r} must be letters, digits and underscores")
    return name


def _cluster(name: str) -> str:
    if not _CLUSTER.fullmatch(name):
        raise StoreError(f"the store's address: cluster {name!r} must be letters, digits, dots, dashes and underscores")
    return name
