"""One batch on its way into the tables: written, looked at for others with the same ids and orders, and settled."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from typing import Any

import msgspec
from msgspec import Struct

from kizashi_collector.store._clickhouse._engine import Engine
from kizashi_collector.store._clickhouse._known import Buried, KnownRows, Parts, stands
from kizashi_collector.store._clickhouse._rows import COLUMN_NAMES, rows_of
from kizashi_collector.store._clickhouse._settled import COLLECTORS, EPOCH_MS, ServerClock, Settled, read_settled
from kizashi_collector.store._event_columns import EventColumns
from kizashi_collector.store._protocol import Candidate, Outcome
from kizashi_collector.store._verdicts import Judge, ids_of, orders_of

__all__ = ["Appender"]

# Rows of others with the same id, or the same name and order, as a row of this batch; settled or not.
_RIVALS = """
    SELECT own.n, own.received_at, other.batch, other.n, other.received_at, other.time
    FROM ids AS other INNER JOIN (SELECT key, n, received_at FROM ids WHERE batch = {batch:UInt64}) AS own USING (key)
    WHERE key IN (SELECT key FROM ids WHERE batch = {batch:UInt64}) AND other.batch != {batch:UInt64}
    UNION ALL
    SELECT own.n, own.received_at, other.batch, other.n, other.received_at, other.time
    FROM orders AS other
        INNER JOIN (SELECT order_key, n, received_at FROM orders WHERE batch = {batch:UInt64}) AS own USING (order_key)
    WHERE order_key IN (SELECT order_key FROM orders WHERE batch = {batch:UInt64}) AND other.batch != {batch:UInt64}
"""
_REJECTED = ("seq", "received_at", "id", "code", "message", "body", "gone", "version")
_MANY, _WARY_FOR = 0.1, 20
"""Where more than such a part of a batch was there already, so many next ones are looked up before they are written."""


class _Rival(Struct, frozen=True, array_like=True):
    """A row of another batch that shares an id, or name and order, with row `n` of this one."""

    n: int
    received_at: int
    batch: int
    other_n: int
    other_received_at: int
    time: int

    def loss(self, own: int) -> bytes:
        """Which of the two loses to the other, the own batch being given: the later by (received_at, collector)."""
        mine = (self.received_at, own % COLLECTORS, own, self.n)
        theirs = (self.other_received_at, self.batch % COLLECTORS, self.batch, self.other_n)
        (*_, first, first_n), (*_, second, second_n) = sorted((mine, theirs))
        return b"[%d,%d,%d,%d]" % (second, second_n, first, first_n)


class _Judged(Struct, frozen=True, eq=False):
    outcomes: list[Outcome]
    accepted: EventColumns
    rejected: list[tuple[Candidate, Outcome]]


class Appender:
    """Writes the batches of one collector, one after the other; called in one thread at a time.

    `collector` is a number that no other collector has, below COLLECTORS.

    Most batches have nothing that is there already. So one is written first and looked at then, where the server has
    all of it; where something of it was there, it is never settled, and another one is written without that.
    """

    def __init__(self, engine: Engine, collector: int, salt: bytes) -> None:
        self._engine, self._collector = engine, collector
        self._buried = Buried(engine, salt)
        self._clock = ServerClock()
        self._clock.hear(read_settled(engine).now)
        self._last = 0
        self._lock = threading.Lock()
        self._wary = 0

    def append(self, parts: Parts) -> list[Outcome]:
        """Judge the events, and keep what is new; when it returns, all of that counts.

        Raises StoreError; what counts already is a duplicate when it is sent again.
        """
        settled = read_settled(self._engine)
        self._clock.hear(settled.now)
        judged = None if self._wary else self._at_once(parts, settled)
        if judged is None:
            self._wary = max(self._wary - 1, 0)
            judged = self._looked_up(parts, settled, ids_of(parts), orders_of(parts))
        if judged.rejected:
            # Nothing tells these apart from those of another attempt, which the rest may still need.
            version = self.next_batch()
            rows = (_rejected_row(version, n, *one) for n, one in enumerate(judged.rejected))
            self._engine.insert("rejected", _REJECTED, b"\n".join(map(msgspec.json.encode, rows)))
        return judged.outcomes

    def next_batch(self) -> int:
        """The number of a batch that begins now. In any thread."""
        with self._lock:
            since = self._last = max(self._clock.now() - EPOCH_MS, self._last + 1)
        return since * COLLECTORS + self._collector

    def _at_once(self, parts: Parts, settled: Settled) -> _Judged:
        """Write all, and have it count unless something of it was there; then write what is new."""
        judged = self._judge(parts, settled, _refused_ids(parts), _restated(parts))
        if any(outcome.code in ("order", "bad_currency") for outcome in judged.outcomes):
            # What is refused on account of an order may be there itself: nobody has looked.
            return self._looked_up(parts, settled, ids_of(parts), orders_of(parts))
        batch = self.next_batch()
        rivals = self._write(judged.accepted, batch)
        there = {rival.n for rival in rivals if stands(settled, (rival.batch, rival.other_n), rival.time)}
        if not there:
            self._settle(batch, judged.accepted, rivals, empty=not parts)
            return judged
        if len(there) > _MANY * len(judged.accepted):
            self._wary = _WARY_FOR
        # Those that were there, and those that were not written, of which nothing is known yet.
        new = judged.accepted.only([n not in there for n in range(len(judged.accepted))])
        ids = set(new.id)
        # Of its original an adjustment says nothing.
        orders = {
            (name, order)
            for name, order, adjust in zip(new.name, new.order, new.adjust, strict=True)
            if adjust is None and order is not None
        }
        return self._looked_up(
            parts,
            settled,
            [one for one in ids_of(parts) if one not in ids],
            [one for one in orders_of(parts) if one not in orders],
            given_up=batch,
        )

    def _looked_up(
        self,
        parts: Parts,
        settled: Settled,
        ids: list[str],
        orders: list[tuple[str, str]],
        given_up: int | None = None,
    ) -> _Judged:
        """Write what is new, once these ids, and names and orders, were looked up. A batch that was `given_up` counts
        for nothing."""
        judged = self._judge(parts, settled, ids, orders)
        batch = self.next_batch()
        rivals = [rival for rival in self._write(judged.accepted, batch) if rival.batch != given_up]
        self._settle(batch, judged.accepted, rivals, empty=not parts)
        return judged

    def _judge(self, parts: Parts, settled: Settled, ids: Iterable[str], orders: Iterable[tuple[str, str]]) -> _Judged:
        erased = self._buried.among(parts, settled)
        judge = Judge(parts, KnownRows(self._engine, settled, parts, ids=ids, orders=orders, erased=erased))
        outcomes: list[Outcome] = []
        rejected = []
        for part in parts:
            found = judge.judge(part)
            outcomes += found
            if isinstance(part, Candidate) and found[0].verdict == "rejected":
                rejected.append((part, found[0]))
        return _Judged(outcomes, judge.accepted, rejected)

    def _write(self, events: EventColumns, batch: int) -> list[_Rival]:
        """Write rows that do not count yet; return those of others that share something with them."""
        if not len(events):
            return []
        self._engine.insert("events", COLUMN_NAMES, rows_of(events, batch))
        found = self._engine.ask(_RIVALS, {"batch": batch})
        return [_Rival(*row) for row in zip(*found, strict=True)]

    def _settle(self, batch: int, events: EventColumns, rivals: list[_Rival], *, empty: bool) -> None:
        """Have the rows count, but for those that lose to others; an empty batch asks whether anything is written."""
        if not len(events) and not empty:
            return
        losses = b"\n".join(rival.loss(batch) for rival in rivals)
        self._engine.insert("losers", ("batch", "n", "winner_batch", "winner_n"), losses)
        self._engine.insert("batches", ("batch", "events"), b"[%d,%d]" % (batch, len(events)))


def _refused_ids(parts: Parts) -> list[str]:
    """Ids of what is refused unless it is stored already."""
    return [
        part.id for part in parts if isinstance(part, Candidate) and part.refusal is not None and part.id is not None
    ]


def _restated(parts: Parts) -> list[tuple[str, str]]:
    """Name and order of restatements, whose currency must be that of their original."""
    return [
        (part.event.name, part.event.order)
        for part in parts
        if isinstance(part, Candidate)
        and part.event is not None
        and part.event.adjust == "restate"
        and part.event.order is not None
    ]


def _rejected_row(batch: int, n: int, candidate: Candidate, outcome: Outcome) -> list[Any]:
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
