"""The keys of all collectors of one store."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping
from pathlib import Path

import msgspec

from kizashi_collector.store._clickhouse._address import Address
from kizashi_collector.store._clickhouse._engine import Engine
from kizashi_collector.store._clickhouse._migrate import migrate
from kizashi_collector.store._keys import Key
from kizashi_collector.store._protocol import StoreError
from kizashi_collector.store._secrets import Scope, digest_of, new_secret, scope_among
from kizashi_collector.store._sessions import scope_among_sessions, session_among

__all__ = ["ClickHouseKeys"]

_COLUMNS = ("id", "name", "scope", "digest", "created_at", "revoked_at", "version")


class ClickHouseKeys:
    """See Keys. What was created or revoked elsewhere counts as soon as `refresh` has read it; `create`, `all`,
    `revoke` and `refresh` wait for the server, and raise StoreError.
    """

    def __init__(self, engine: Engine, *, clock: Callable[[], int], given: Mapping[Scope, str] | None = None) -> None:
        self._engine, self._clock = engine, clock
        self._given = [(digest_of(secret), scope) for scope, secret in (given or {}).items()]
        self._stored: list[tuple[bytes, Scope]] = []
        self.refresh()

    @classmethod
    def at(cls, address: Address, *, clock: Callable[[], int], make: bool) -> ClickHouseKeys:
        """The keys of the store at an address, for who is no collector. `make`: also where no collector was yet.

        Raises StoreError.
        """
        if not make and not _is_there(address):
            raise StoreError(f"no collector has kept anything in {address}; is that its address?")
        engine = Engine(address)
        migrate(engine)
        return cls(engine, clock=clock)

    def create(self, name: str, scope: Scope) -> str:
        """Make a key, keep its digest, and return the secret, which cannot be had again."""
        secret = new_secret(scope)
        row = [secrets.randbits(31), name, scope, digest_of(secret).hex(), self._clock(), None, 0]
        self._engine.insert("keys", _COLUMNS, msgspec.json.encode(row))
        self.refresh()
        return secret

    def all(self) -> list[Key]:
        """All stored keys, revoked ones included, oldest first."""
        found = self._engine.ask(
            "SELECT id, name, scope, created_at, revoked_at FROM keys FINAL ORDER BY created_at, id"
        )
        return [
            Key(id=key_id, name=name, scope=scope, created_at=at, revoked_at=gone)
            for key_id, name, scope, at, gone in zip(*found, strict=True)
        ]

    def revoke(self, key_id: int) -> bool:
        """Revoke a key; False if there is no such key, or it was revoked before."""
        wanted = "FROM keys FINAL WHERE id = {id:UInt64} AND revoked_at IS NULL"
        ((found,),) = self._engine.ask(f"SELECT count() {wanted}", {"id": key_id})
        if found:
            # The highest version of a key is the one that counts.
            self._engine.run(
                f"INSERT INTO keys ({', '.join(_COLUMNS)}) SELECT id, name, scope, digest, created_at, "
                f"{{now:Int64}}, version + 1 {wanted}",
                {"id": key_id, "now": self._clock()},
            )
        self.refresh()
        return bool(found)

    def scope_of(self, secret: str) -> Scope | None:
        """The scope of a secret, or None where it is unknown or revoked. Compared in constant time."""
        return scope_among([*self._given, *self._stored], secret)

    def session_for(self, secret: str, until: int) -> str | None:
        """A token that stands for a key until then; None where the key is unknown or may not read."""
        return session_among([*self._given, *self._stored], secret, until)

    def scope_of_session(self, token: str, now: int) -> Scope | None:
        """The scope of the key that a token stands for; None where it is forged or over, or the key was revoked."""
        return scope_among_sessions([*self._given, *self._stored], token, now)

    def empty(self) -> bool:
        """Tell whether no key at all would be accepted."""
        return not self._given and not self._stored

    def refresh(self) -> None:
        """Read the keys of the store."""
        found = self._engine.ask("SELECT digest, scope FROM keys FINAL WHERE revoked_at IS NULL")
        self._stored = [(bytes.fromhex(digest), scope) for digest, scope in zip(*found, strict=True)]

    def close(self) -> None:
        """There is nothing to close: the connection is the log's."""


def _is_there(address: Address) -> bool:
    """Whether there is a database, found without making it."""
    if address.path is not None and not Path(address.path).exists():
        return False
    beside = Engine(msgspec.structs.replace(address, database="default"))
    ((found,),) = beside.ask(
        "SELECT count() FROM system.databases WHERE name = {name:String}", {"name": address.database}
    )
    return bool(found)
