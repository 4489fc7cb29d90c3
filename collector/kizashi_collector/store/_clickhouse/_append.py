"""One batch on its way into the tables: judged, written, looked at for rivals, and settled."""

from __future__ import annotations

import threading
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

import msgspec

from kizashi_collector.analysis import LoggedEvent
from kizashi_collector.store._clickhouse._engine import Engine
from kizashi_collector.store._clickhouse._rows import COLUMN_NAMES, rows_of
from kizashi_collector.store._clickhouse._schema import CARRIED, KEY, ORDER_KEY
from kizashi_collector.store._clickhouse._settled import (
    COLLECTORS,
    EPOCH_MS,
    RowNumber,
    ServerClock,
    Settled,
    read_settled,
)
from kizashi_collector.store._event_columns import EventColumns
from kizashi_collector.store._ids import erased_digest
from kizashi_collector.store._protocol import Candidate, Outcome
from kizashi_collector.store._verdicts import Judge, Original, Stored, ids_of, orders_of

__all__ = ["Appender", "rejected_row"]

# All ids of a batch are looked up at once; of these few are there.
_IDS = f"""
    SELECT key, batch, n, time, adjusts, carried, currency, currency_defaulted FROM ids
    WHERE key IN (SELECT {KEY} FROM (SELECT arrayJoin({{ids:Array(String)}}) AS id))
"""
_WHOSE = f"""
    SELECT id, key FROM (SELECT arrayJoin({{ids:Array(String)}}) AS id, {KEY} AS key)
    WHERE key IN {{keys:Array(UInt128)}}
"""
_CARRIED = f"""
    SELECT {CARRIED} FROM (
        SELECT given.1 AS name, given.2 AS actor, given.3 AS value, given.4 AS order_id, given.5 AS adjust
        FROM (SELECT arrayJoin({{given:Array(Tuple(String, String, Int64, String, UInt8))}}) AS given)
    )
"""
_ORDERS = f"""
    SELECT name, order_id, batch, n, time, valued, currency
    FROM orders INNER JOIN (
        SELECT named.1 AS name, named.2 AS order_id, {ORDER_KEY} AS order_key
        FROM (SELECT arrayJoin({{orders:Array(Tuple(String, String))}}) AS named)
    ) AS asked USING (order_key)
    WHERE order_key IN (
        SELECT {ORDER_KEY} FROM (
            SELECT named.1 AS name, named.2 AS order_id
            FROM (SELECT arrayJoin({{orders:Array(Tuple(String, String))}}) AS named)
        )
    )
"""
_ERASED = (
    "SELECT DISTINCT lower(hex(digest)) FROM erased WHERE digest IN (SELECT unhex(arrayJoin({digests:Array(String)})))"
)
# Rows of others with the same id, or the same name and order; settled or not.
_RIVALS = """
    SELECT own.n, other.batch, other.n, other.received_at, own.received_at
    FROM ids AS other INNER JOIN (SELECT key, n, received_at FROM ids WHERE batch = {batch:UInt64}) AS own USING (key)
    WHERE key IN (SELECT key FROM ids WHERE batch = {batch:UInt64}) AND other.batch != {batch:UInt64}
        AND (other.time >= {edge:Int64} OR other.adjusts)
    UNION ALL
    SELECT own.n, other.batch, other.n, other.received_at, own.received_at
    FROM orders AS other
        INNER JOIN (SELECT order_key, n, received_at FROM orders WHERE batch = {batch:UInt64}) AS own USING (order_key)
    WHERE order_key IN (SELECT order_key FROM orders WHERE batch = {batch:UInt64}) AND other.batch != {batch:UInt64}
        AND other.time >= {edge:Int64}
"""


Parts = Sequence[EventColumns | Candidate]


class Appender:
    """Writes the batches of one collector, one after the other; called in one thread at a time.

    `collector` is a number that no other collector has, below COLLECTORS.
    """

    def __init__(self, engine: Engine, collector: int, salt: bytes) -> None:
        self._engine, self._collector, self._salt = engine, collector, salt
        self._clock = ServerClock()
        self._clock.hear(read_settled(engine).now)
        self._last = 0
        self._lock = threading.Lock()

    def append(self, parts: Parts) -> list[Outcome]:
        """Judge the events, and keep what is new; when it returns, all of that counts.

        Raises StoreError; what counts already is a duplicate when it is sent again.
        """
        settled = read_settled(self._engine)
        self._clock.hear(settled.now)
        known = _Known(self._engine, parts, settled, self._salt)
        judge = Judge(parts, known)
        outcomes: list[Outcome] = []
        batch = self.next_batch()
        rejected: list[list[Any]] = []
        for part in parts:
            found = judge.judge(part)
            outcomes += found
            if isinstance(part, Candidate) and found[0].verdict == "rejected":
                rejected.append(rejected_row(batch, len(rejected), part, found[0]))
        if len(judge.accepted) or not parts:
            self._write(judge.accepted, batch, settled.edge)
        if rejected:
            # Nothing tells these apart from those of another attempt, which the rest may still need.
            self._engine.insert("rejected", REJECTED, b"\n".join(map(msgspec.json.encode, rejected)))
        return outcomes

    def next_batch(self) -> int:
        """The number of a batch that begins now. In any thread."""
        with self._lock:
            since = self._last = max(self._clock.now() - EPOCH_MS, self._last + 1)
        return since * COLLECTORS + self._collector

    def _write(self, events: EventColumns, batch: int, edge: int) -> None:
        self._engine.insert("events", COLUMN_NAMES, rows_of(events, batch))
        if len(events):
            lost = self._lost(batch, edge)
            self._engine.insert("losers", ("batch", "n", "winner_batch", "winner_n"), lost)
        # An empty batch asks whether anything can be written.
        self._engine.insert("batches", ("batch", "events"), b"[%d,%d]" % (batch, len(events)))

    def _lost(self, batch: int, edge: int) -> bytes:
        """Which rows of this batch lose to others, and which others lose to them."""
        rows = []
        found = self._engine.ask(_RIVALS, {"batch": batch, "edge": edge})
        for n, other_batch, other_n, other_received, received in zip(*found, strict=True):
            own = (received, batch % COLLECTORS, batch, n)
            other = (other_received, other_batch % COLLECTORS, other_batch, other_n)
            (*_, first_batch, first_n), (*_, second_batch, second_n) = sorted((own, other))
            rows.append(b"[%d,%d,%d,%d]" % (second_batch, second_n, first_batch, first_n))
        return b"\n".join(rows)


REJECTED = ("seq", "received_at", "id", "code", "message", "body", "gone", "version")


def rejected_row(batch: int, n: int, candidate: Candidate, outcome: Outcome) -> list[Any]:
    """A rejected event as the table has it; its number says in which order it came."""
    return [
        str(batch << 32 | n),
        candidate.received_at,
        candidate.id,
        outcome.code,
        outcome.message,
        # What was sent is JSON, and so valid UTF-8.
        candidate.body.decode(),
        False,
        batch,
    ]


class _Known:
    """What is stored of the ids and orders of a batch; see Known."""

    def __init__(
        self, engine: Engine, parts: Sequence[EventColumns | Candidate], settled: Settled, salt: bytes
    ) -> None:
        self._engine = engine
        ids, orders = ids_of(parts), list(dict.fromkeys(orders_of(parts)))
        self.by_id: Mapping[str, Stored] = self._with_ids(parts, ids, settled) if ids else {}
        self.erased: Collection[str] = ()
        if ids and settled.any_erased:
            digests = {erased_digest(event_id, salt).hex(): event_id for event_id in ids}
            (erased,) = engine.ask(_ERASED, {"digests": list(digests)})
            self.erased = frozenset(digests[digest] for digest in erased)
        self._originals = self._with_orders(orders, settled) if orders else {}

    @property
    def orders(self) -> Collection[tuple[str, str]]:
        return self._originals

    def original(self, name: str, order: str) -> Original | None:
        return self._originals[name, order]

    def _with_ids(
        self, parts: Sequence[EventColumns | Candidate], ids: list[str], settled: Settled
    ) -> dict[str, Stored]:
        found: dict[int, tuple[int, str, bool]] = {}
        for key, batch, n, time, adjusts, *carried in zip(*self._engine.ask(_IDS, {"ids": ids}), strict=True):
            if _stands(settled, (batch, n), settled.edge if adjusts else time):
                found[key] = (carried[0], carried[1], carried[2])
        if not found:
            return {}
        whose = self._engine.ask(_WHOSE, {"ids": ids, "keys": list(found)})
        there = {event_id: found[key] for event_id, key in zip(*whose, strict=True)}
        given = list(dict.fromkeys(_essence(event) for event in _events(parts) if event.id in there))
        (hashes,) = self._engine.ask(_CARRIED, {"given": given}) if given else ([],)
        hash_of = dict(zip(given, hashes, strict=True))
        return {event_id: _StoredRow(hash_of, *carried) for event_id, carried in there.items()}

    def _with_orders(self, orders: list[tuple[str, str]], settled: Settled) -> dict[tuple[str, str], Original]:
        found = self._engine.ask(_ORDERS, {"orders": orders})
        return {
            (name, order): (bool(valued), currency or None)
            for name, order, batch, n, time, valued, currency in zip(*found, strict=True)
            if _stands(settled, (batch, n), time)
        }


def _stands(settled: Settled, row: RowNumber, time: int) -> bool:
    return time >= settled.edge and settled.stands(row)


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
        same_currency = (event.currency or "") == self._currency or (event.currency_defaulted and self._defaulted)
        return same_currency and self._hash_of[_essence(event)] == self._carried
