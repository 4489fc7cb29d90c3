"""API keys: scopes, hashed at rest, revocable while the collector runs."""

from __future__ import annotations

import logging
import sqlite3
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Protocol

from msgspec import Struct

from kizashi_collector.store._protocol import StoreError
from kizashi_collector.store._schema import key_migrations, migrate
from kizashi_collector.store._secrets import Scope, digest_of, new_secret, scope_among
from kizashi_collector.store._sessions import scope_among_sessions, session_among
from kizashi_collector.store._sqlite_utils import Database
from kizashi_collector.store._trouble import remedy

__all__ = ["Key", "KeyRing", "Keys"]

_LOOK_S = 0.05
_log = logging.getLogger("kizashi.store")


class Key(Struct, frozen=True, kw_only=True):
    """A key without its secret. Times are milliseconds since 1970."""

    id: int
    name: str
    scope: Scope
    created_at: int
    revoked_at: int | None


class Keys(Protocol):
    """The keys that a collector accepts: stored ones, and those given by the environment, which are never stored."""

    def create(self, name: str, scope: Scope) -> str:
        """Make a key, keep its digest, and return the secret, which cannot be had again."""

    def all(self) -> list[Key]:
        """All stored keys, revoked ones included, oldest first."""

    def revoke(self, key_id: int) -> bool:
        """Revoke a key; False if there is no such key, or it was revoked before."""

    def scope_of(self, secret: str) -> Scope | None:
        """The scope of a secret, or None where it is unknown or revoked. Compared in constant time."""

    def session_for(self, secret: str, until: int) -> str | None:
        """A token that stands for a key until then, for reading alone; None where the key is unknown or may not read.

        `until` is in milliseconds since 1970. Nothing is kept: every collector that accepts the key accepts the token.
        """

    def scope_of_session(self, token: str, now: int) -> Scope | None:
        """The scope of the key that a token stands for; None where it is forged or over, or the key was revoked."""

    def empty(self) -> bool:
        """Tell whether no key at all would be accepted."""

    def close(self) -> None:
        """Let go of what is open."""


class KeyRing:
    """The keys of one data folder, in `keys.db`, and those given by the environment, which are never stored.

    Only SHA-256 digests of the random secrets are kept. A key created or revoked by another process counts within a
    twentieth of a second. Raises StoreError where the file cannot be opened.
    """

    def __init__(
        self,
        folder: Path,
        *,
        clock: Callable[[], int],
        given: Mapping[Scope, str] | None = None,
        steady: Callable[[], float] = time.monotonic,
    ) -> None:
        self._clock = clock
        self._steady = steady
        self._looked_at = float("-inf")
        self._given = [(digest_of(secret), scope) for scope, secret in (given or {}).items()]
        try:
            self._connection = _open(folder)
        except (sqlite3.Error, OSError) as error:
            raise StoreError(f"cannot open {folder / 'keys.db'}: {error}; {remedy(error)}") from error
        self._version: int | None = None
        self._stored: list[tuple[bytes, Scope]] = []

    def create(self, name: str, scope: Scope) -> str:
        """Make a key, keep its digest, and return the secret, which cannot be had again."""
        secret = new_secret(scope)
        with self._connection:
            self._connection.execute(
                "INSERT INTO keys (name, scope, digest, created_at) VALUES (?, ?, ?, ?)",
                (name, scope, digest_of(secret), self._clock()),
            )
        self._version = None
        return secret

    def all(self) -> list[Key]:
        """All stored keys, revoked ones included, oldest first."""
        rows = self._connection.execute("SELECT id, name, scope, created_at, revoked_at FROM keys ORDER BY id")
        return [Key(id=i, name=name, scope=scope, created_at=at, revoked_at=gone) for i, name, scope, at, gone in rows]

    def revoke(self, key_id: int) -> bool:
        """Revoke a key; False if there is no such key, or it was revoked before."""
        with self._connection:
            cursor = self._connection.execute(
                "UPDATE keys SET revoked_at = ? WHERE id = ? AND revoked_at IS NULL", (self._clock(), key_id)
            )
        self._version = None
        return cursor.rowcount == 1

    def scope_of(self, secret: str) -> Scope | None:
        """The scope of a secret, or None where it is unknown or revoked. Compared in constant time."""
        return scope_among([*self._given, *self._current()], secret)

    def session_for(self, secret: str, until: int) -> str | None:
        """A token that stands for a key until then; None where the key is unknown or may not read."""
        return session_among([*self._given, *self._current()], secret, until)

    def scope_of_session(self, token: str, now: int) -> Scope | None:
        """The scope of the key that a token stands for; None where it is forged or over, or the key was revoked."""
        return scope_among_sessions([*self._given, *self._current()], token, now)

    def empty(self) -> bool:
        """Tell whether no key at all would be accepted."""
        return not self._given and not self._current()

    def _current(self) -> list[tuple[bytes, Scope]]:
        # A look costs a request at thousands a second more than checking its event.
        now = self._steady()
        if self._version is not None and now - self._looked_at < _LOOK_S:
            return self._stored
        self._looked_at = now
        try:
            version = self._connection.execute("PRAGMA data_version").fetchone()[0]
            if version != self._version:
                rows = self._connection.execute("SELECT digest, scope FROM keys WHERE revoked_at IS NULL")
                self._stored = rows.fetchall()
                self._version = version
        except sqlite3.Error as error:
            _log.warning("cannot read keys.db: %s; the keys known so far stay in force; %s", error, remedy(error))
        return self._stored

    def close(self) -> None:
        """Close the file."""
        self._connection.close()


def _open(folder: Path) -> sqlite3.Connection:
    folder.mkdir(parents=True, exist_ok=True)
    connection = sqlite3.connect(folder / "keys.db", timeout=0.5, check_same_thread=False)
    try:
        # In WAL mode nobody who writes keeps a reader waiting; the event loop reads here.
        connection.execute("PRAGMA journal_mode=WAL")
        migrate(key_migrations, Database(connection), folder / "keys.db")
    except BaseException:
        connection.close()
        raise
    return connection
