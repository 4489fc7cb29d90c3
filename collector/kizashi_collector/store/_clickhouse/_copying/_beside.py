"""What is kept beside events, taken over: it is numbered below all that collectors of the store will ever write."""

from __future__ import annotations

import secrets
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import TypeVar

import msgspec
from msgspec import Struct

from kizashi_collector.store._clickhouse._copying._source import StoredKey, StoredPlan
from kizashi_collector.store._clickhouse._deleting import bury
from kizashi_collector.store._clickhouse._engine import Engine
from kizashi_collector.store._clickhouse._kept import Kept
from kizashi_collector.store._fits import StoredFit
from kizashi_collector.store._protocol import RejectedRow

__all__ = ["Beside", "RejectedDifference", "slices"]

_TAKEN_OVER = 1 << 32
"""Numbers below it are those that a SQLite log gave; collectors count milliseconds since 2026, and have passed it."""

_REJECTED = ("seq", "received_at", "id", "code", "message", "body", "gone", "version")
_KEYS = ("id", "name", "scope", "digest", "created_at", "revoked_at", "version")
_AMONG = (
    # A text of another length would be looked for where a digest ends with a zero.
    "SELECT DISTINCT lower(hex(digest)) FROM erased "
    "WHERE digest IN (SELECT toFixedString(unhex(arrayJoin({digests:Array(String)})), 16))"
)
_SLICE = 10_000
T = TypeVar("T")


class RejectedDifference(Struct, frozen=True):
    """Which rejected events that were taken over are none any more, by their numbers, and which have another reason
    now: number, code and message.
    """

    gone: Sequence[int]
    changed: Sequence[tuple[int, str, str]]


class Beside:
    """Takes over what is not there yet; told the same again, it changes nothing. All raise StoreError."""

    def __init__(self, engine: Engine) -> None:
        self._engine, self._kept = engine, Kept(engine)

    def salts(self) -> list[bytes]:
        """The store's own salt, and those of the logs that were copied into it."""
        (salts,) = self._engine.ask("SELECT salt FROM store ORDER BY made_at, history")
        return [bytes.fromhex(salt) for salt in salts]

    def note_copied(self, salt: bytes) -> None:
        """Note that a log with this salt is copied into the store; the store's own comes first and stays."""
        self._engine.run(
            "INSERT INTO store (history, salt, made_at) SELECT {history:String}, {salt:String}, "
            "max(made_at) + INTERVAL 1 SECOND FROM store",
            {"history": secrets.token_hex(16), "salt": salt.hex()},
        )

    # -- erased ids ---------------------------------------------------------------------------------------------------

    def erased_among(self, digests: Collection[bytes]) -> set[bytes]:
        """Those of these digests that the store has."""
        found: set[bytes] = set()
        for some in slices(sorted(digests), _SLICE):
            (there,) = self._engine.ask(_AMONG, {"digests": [digest.hex() for digest in some]})
            found.update(map(bytes.fromhex, there))
        return found

    def bury(self, digests: Collection[bytes], now: int) -> None:
        """Keep the ids behind these digests from ever coming back."""
        bury(self._engine, sorted(digests), now)

    # -- plans and fits -----------------------------------------------------------------------------------------------

    def take_plans(self, plans: Iterable[StoredPlan]) -> int:
        """Add the plans that are not there, before all that the store had itself; return how many those are."""
        (there,) = self._engine.ask("SELECT seq FROM plans WHERE seq < {below:UInt64}", {"below": _TAKEN_OVER})
        missing = [plan for plan in plans if plan.seq not in there]
        for plan in missing:
            self._kept.add_plan(plan.seq, plan.plan_id, plan.canonical, plan.applied_at)
        return len(missing)

    def take_fits(self, fits: Iterable[StoredFit]) -> int:
        """Add the fits that are not there; return how many those are.

        For one boundary a SQLite log answers with its last fit and this store with its first: their order is turned.
        """
        (there,) = self._engine.ask("SELECT number FROM fits WHERE number < {below:UInt64}", {"below": _TAKEN_OVER})
        known, added = frozenset(there), 0
        for fit in fits:
            number = _TAKEN_OVER - fit.number
            if number not in known:
                self._kept.add_fit(fit, number)
                added += 1
        return added

    # -- rejected events ----------------------------------------------------------------------------------------------

    def take_rejected(self, rows: Iterable[RejectedRow]) -> tuple[int, RejectedDifference]:
        """Add the rejected events that are not there; return how many, and how those there differ from the log."""
        there = self._rejected_there()
        missing: list[RejectedRow] = []
        changed: list[tuple[int, str, str]] = []
        seen: set[int] = set()
        added = 0
        for row in rows:
            seen.add(row.seq)
            known = there.get(row.seq)
            if known is None:
                missing.append(row)
            elif known not in ((row.code, row.message), _GONE):
                changed.append((row.seq, row.code, row.message))
            if len(missing) == _SLICE // 10:
                added += self._add_rejected(missing)
                missing = []
        added += self._add_rejected(missing)
        gone = [seq for seq, known in there.items() if known != _GONE and seq not in seen]
        return added, RejectedDifference(gone, changed)

    def _rejected_there(self) -> Mapping[int, tuple[str, str]]:
        found = self._engine.ask(
            "SELECT seq, code, message, gone FROM rejected FINAL WHERE seq < {below:UInt64}", {"below": _TAKEN_OVER}
        )
        return {seq: _GONE if gone else (code, message) for seq, code, message, gone in zip(*found, strict=True)}

    def _add_rejected(self, rows: Sequence[RejectedRow]) -> int:
        lines = [[r.seq, r.received_at, r.id, r.code, r.message, r.body.decode(), False, 0] for r in rows]
        self._engine.insert("rejected", _REJECTED, b"\n".join(map(msgspec.json.encode, lines)))
        return len(rows)

    # -- keys ---------------------------------------------------------------------------------------------------------

    def take_keys(self, keys: Iterable[StoredKey]) -> int:
        """Add the keys that are not there, and revoke those that were revoked; return how many changed.

        A key that was revoked here stays so.
        """
        found = self._engine.ask("SELECT id, digest, revoked_at IS NOT NULL, version FROM keys FINAL")
        there = {digest: (key_id, revoked, version) for key_id, digest, revoked, version in zip(*found, strict=True)}
        ids = set(found[0])
        rows = []
        for key in keys:
            digest = key.digest.hex()
            if digest not in there:
                key_id, version = key.id if key.id not in ids else secrets.randbits(31), 0
            else:
                key_id, revoked, version = there[digest]
                if revoked or key.revoked_at is None:
                    continue
                version += 1
            ids.add(key_id)
            rows.append([key_id, key.name, key.scope, digest, key.created_at, key.revoked_at, version])
        self._engine.insert("keys", _KEYS, b"\n".join(map(msgspec.json.encode, rows)))
        return len(rows)

    def any_taken_over(self) -> bool:
        """Whether anything here came from a SQLite log."""
        below = {"below": _TAKEN_OVER}
        for sql in (
            "SELECT count() FROM plans WHERE seq < {below:UInt64}",
            "SELECT count() FROM fits WHERE number < {below:UInt64}",
            "SELECT count() FROM rejected WHERE seq < {below:UInt64}",
        ):
            ((count,),) = self._engine.ask(sql, below)
            if count:
                return True
        return False


_GONE = ("", "")
"""A rejected event that is none any more, as a replay took it."""


def slices(items: Iterable[T], size: int) -> Iterator[list[T]]:
    """So many at a time."""
    iterator = iter(items)
    while some := list(islice(iterator, size)):
        yield some
