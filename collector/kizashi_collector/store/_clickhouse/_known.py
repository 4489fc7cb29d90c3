"""What is stored of the ids and orders of a batch."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any

from kizashi_collector.analysis import LoggedEvent
from kizashi_collector.store._clickhouse._engine import Engine
from kizashi_collector.store._clickhouse._fields import in_fields
from kizashi_collector.store._clickhouse._schema import CARRIED, KEY, ORDER_KEY
from kizashi_collector.store._clickhouse._settled import RowNumber, Settled
from kizashi_collector.store._event_columns import EventColumns
from kizashi_collector.store._ids import erased_digest
from kizashi_collector.store._protocol import Candidate
from kizashi_collector.store._verdicts import Original, Stored, ids_of

__all__ = ["Buried", "KnownRows", "Parts", "stands"]

Parts = Sequence[EventColumns | Candidate]

_IDS = f"""
    SELECT key, batch, n, time, carried, currency, currency_defaulted FROM ids
    WHERE key IN (SELECT {KEY} FROM (SELECT arrayJoin({{ids:Array(String)}}) AS id))
"""
_WHOSE = f"SELECT id, {KEY} FROM (SELECT arrayJoin({{ids:Array(String)}}) AS id)"
_CARRIED = f"""
    SELECT {CARRIED} FROM (
        SELECT given.1 AS name, given.2 AS actor, given.3 AS value, given.4 AS order_id, given.5 AS adjust
        FROM (SELECT arrayJoin({{given:Array(Tuple(String, String, Int64, String, UInt8))}}) AS given)
    )
"""
_NAMED = """
    SELECT named.1 AS name, named.2 AS order_id
    FROM (SELECT arrayJoin({orders:Array(Tuple(String, String))}) AS named)
"""
_ORDERS = f"""
    SELECT name, order_id, batch, n, time, valued, currency
    FROM orders INNER JOIN (SELECT name, order_id, {ORDER_KEY} AS order_key FROM ({_NAMED})) AS asked USING (order_key)
    WHERE order_key IN (SELECT {ORDER_KEY} FROM ({_NAMED}))
"""
_BURIED = "SELECT DISTINCT lower(hex(digest)) FROM erased"


class Buried:
    """Knows the ids that were erased: read again whenever there are more of them."""

    def __init__(self, engine: Engine, salt: bytes) -> None:
        self._engine, self._salt = engine, salt
        self._count = 0
        self._digests: frozenset[bytes] = frozenset()

    def among(self, parts: Parts, settled: Settled) -> Collection[str]:
        """Those ids of some parts that were erased when `settled` was read."""
        if settled.erased == 0:
            return ()
        if settled.erased != self._count:
            (digests,) = self._engine.ask(_BURIED)
            self._digests, self._count = frozenset(map(bytes.fromhex, digests)), settled.erased
        return frozenset(one for one in ids_of(parts) if erased_digest(one, self._salt) in self._digests)


class KnownRows:
    """See Known: what stands under these ids, and of these names and orders."""

    def __init__(
        self,
        engine: Engine,
        settled: Settled,
        parts: Parts,
        *,
        ids: Iterable[str],
        orders: Iterable[tuple[str, str]],
        erased: Collection[str],
    ) -> None:
        self._engine, self._settled = engine, settled
        self.by_id = self._with_ids(parts, list(dict.fromkeys(ids)))
        self._originals = self._with_orders(list(dict.fromkeys(orders)))
        self.erased = erased

    @property
    def orders(self) -> Collection[tuple[str, str]]:
        """Name and order of which an event stands."""
        return self._originals

    def original(self, name: str, order: str) -> Original | None:
        """What stands of such an event."""
        return self._originals[name, order]

    def _with_ids(self, parts: Parts, ids: list[str]) -> Mapping[str, Stored]:
        if not ids:
            return {}
        found: dict[int, tuple[int, str, bool]] = {}
        for key, batch, n, time, *carried in self._asked(_IDS, "ids", ids):
            if stands(self._settled, (batch, n), time):
                found[key] = (carried[0], carried[1], carried[2])
        if not found:
            return {}
        there = {event_id: found[key] for event_id, key in self._asked(_WHOSE, "ids", ids) if key in found}
        given = list(dict.fromkeys(_essence(event) for event in _events(parts) if event.id in there))
        hash_of = dict(zip(given, (carried for (carried,) in self._asked(_CARRIED, "given", given)), strict=True))
        return {event_id: _StoredRow(hash_of, *carried) for event_id, carried in there.items()}

    def _with_orders(self, orders: list[tuple[str, str]]) -> Mapping[tuple[str, str], Original]:
        if not orders:
            return {}
        return {
            (name, order): (bool(valued), currency or None)
            for name, order, batch, n, time, valued, currency in self._asked(_ORDERS, "orders", orders)
            if stands(self._settled, (batch, n), time)
        }

    def _asked(self, sql: str, name: str, values: Sequence[Any]) -> Iterator[Sequence[Any]]:
        """The rows of a query with these values as its parameter, in as many queries as that takes."""
        for some in in_fields(values):
            yield from zip(*self._engine.ask(sql, {name: some}), strict=True)


def stands(settled: Settled, row: RowNumber, time: int) -> bool:
    """Whether a row stands and is in the log; no id is known of an adjustment that is in force alone."""
    return not settled.gone(row[0], time) and settled.stands(row)


def _events(parts: Parts) -> Iterator[LoggedEvent]:
    for part in parts:
        if isinstance(part, EventColumns):
            yield from map(part.event, range(len(part)))
        elif part.event is not None:
            yield part.event


_Essence = tuple[str, str, int, str, int]


def _essence(event: LoggedEvent) -> _Essence:
    """What CARRIED looks at."""
    adjust = (None, "restate", "retract").index(event.adjust)
    return event.name, event.actor or "", -1 if event.value is None else event.value, event.order or "", adjust


class _StoredRow:
    """What the table of ids has of an event; see Stored. `hash_of` knows all events that may be compared with it."""

    def __init__(self, hash_of: Mapping[_Essence, int], carried: int, currency: str, defaulted: bool) -> None:
        self._hash_of, self._carried, self._currency, self._defaulted = hash_of, carried, currency, defaulted

    def carries(self, event: LoggedEvent) -> bool:
        """Whether another one carries the same; see Stored."""
        same_currency = (event.currency or "") == self._currency or (event.currency_defaulted and self._defaulted)
        return same_currency and self._hash_of[_essence(event)] == self._carried
