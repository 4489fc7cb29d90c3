"""What leaves the log: what is too old, who is erased, and rows that never counted."""

from __future__ import annotations

import threading
from collections.abc import Iterable

import msgspec

from kizashi_collector.store._clickhouse._engine import Engine
from kizashi_collector.store._clickhouse._fields import in_fields
from kizashi_collector.store._clickhouse._increments import Ledger
from kizashi_collector.store._clickhouse._journeys import Walks
from kizashi_collector.store._clickhouse._settled import COLLECTORS, EPOCH_MS, Settled, read_settled
from kizashi_collector.store._ids import erased_digest
from kizashi_collector.store._protocol import Erased
from kizashi_collector.store._writer import MAX_REJECTED

__all__ = ["Deleter", "bury"]

_SETTLES_MS = 120_000
"""A batch is settled, or never, so long after its number: it is written within a minute of it, or the server refuses
it (`in_time`), and no statement takes another one."""

_NAMED_MS = 600_000
"""Until so long after its number somebody may still write that a row lost to one of a dead batch: who found it there
has at most the minutes above to say so."""

_PRESENT = " UNION DISTINCT ".join(
    f"SELECT DISTINCT batch FROM {table} WHERE batch > {{after:UInt64}} AND batch <= {{upto:UInt64}}"
    for table in ("events", "ids", "orders")
)
_AMONG = "SELECT DISTINCT batch FROM events WHERE batch IN {batches:Array(UInt64)}"
_OF_BATCHES = "batch IN {batches:Array(UInt64)}"
_OF_ROWS = "(batch, n) IN {rows:Array(Tuple(UInt64, UInt32))}"


class Deleter:
    """Deletes, one thing at a time. Several collectors may do so at once: each statement may be carried out twice."""

    def __init__(self, engine: Engine, salt: bytes) -> None:
        self._engine, self._salt = engine, salt
        self._ledger = Ledger(engine)
        self._walks = Walks(engine)
        self._lock = threading.Lock()

    def retain(self, before: int) -> int:
        """Delete the events with time < `before`, and the rejected ones received before; see Log.retain.

        They count no more from the moment that a seal says so; the disks follow.
        """
        with self._lock:
            settled = read_settled(self._engine)
            view = settled.view()
            ((events,),) = self._engine.ask(
                f"SELECT count() FROM {view.table} WHERE {view.where} AND {view.logged} AND time < {{before:Int64}}",
                {"before": before},
            )
            if before <= settled.edge and not events:
                return 0
            # What comes from now on is new, though it may be as old.
            upto = max((settled.sealed, *settled.batches))
            # Journeys that began before it stay as feeds were told of them.
            self._ledger.change(
                lambda: self._engine.insert("edges", ("before", "upto"), msgspec.json.encode([before, upto]))
            )
            old = "time < {before:Int64} AND batch <= {upto:UInt64}"
            for table in ("orders", "ids"):
                self._delete(table, old, before=before, upto=upto)
            self._delete("events", f"adjust = 0 AND {old}", before=before, upto=upto)
            # An adjustment stays in force as long as its original is stored.
            stored = f"SELECT order_key FROM orders WHERE {read_settled(self._engine).standing()}"
            lapsed = f"adjust != 0 AND {old} AND order_key NOT IN ({stored})"
            self._delete("events", lapsed, before=before, upto=upto)
            self._delete("rejected", "NOT gone AND received_at < {before:Int64}", before=before)
            self._ledger.forget_gone(before)
            return int(events)

    def erase(self, actor: str) -> Erased:
        """Erase all that is stored of an actor; see Log.erase."""
        with self._lock:
            settled = read_settled(self._engine)
            view, now = settled.view(), settled.now
            # An order may be another one's: then what was written of it under this name never counted.
            orders = (
                f"SELECT order_key FROM {view.table} "
                f"WHERE {view.where} AND actor = {{actor:String}} AND order_key != 0 AND adjust = 0"
            )
            adjustments = f"adjust != 0 AND order_key IN ({orders})"
            of_actor = f"(actor = {{actor:String}} OR ({adjustments}))"
            counted = f"SELECT count() FROM {view.table} WHERE {view.where} AND {view.logged} AND {of_actor}"
            (events,) = self._engine.ask(counted, {"actor": actor})
            rejected = "NOT gone AND JSONExtractString(body, 'actor') = {actor:String}"
            (refused,) = self._engine.ask(f"SELECT count() FROM rejected FINAL WHERE {rejected}", {"actor": actor})
            self._walks.begin_to_forget(actor)
            # First of all what keeps them from coming back.
            known = f"SELECT DISTINCT id FROM events WHERE {view.logged} AND {of_actor}"
            (ids,) = self._engine.ask(known, {"actor": actor})
            self.bury(ids, now)
            for table in ("ids", "orders"):
                self._delete(table, f"(batch, n) IN (SELECT batch, n FROM events WHERE {of_actor})", actor=actor)
            # Parts are written anew one after the other: orders must be there until the last is.
            for rows in (adjustments, "actor = {actor:String}"):
                self._delete("events", rows, actor=actor)
            self._delete("rejected", "JSONExtractString(body, 'actor') = {actor:String}", actor=actor)
            self._ledger.forget(actor)
            self._walks.forget(actor)
            return Erased(int(events[0]), int(refused[0]))

    def bury(self, ids: Iterable[str], now: int) -> None:
        """Keep ids from ever coming back."""
        bury(self._engine, (erased_digest(event_id, self._salt) for event_id in ids), now)

    def seal(self) -> None:
        """Settle for good all that is old enough, and delete rows that never counted and never will."""
        with self._lock:
            settled = read_settled(self._engine)
            upto = max((settled.now - _SETTLES_MS - EPOCH_MS) * COLLECTORS, 0)
            if upto <= settled.sealed:
                return
            (present,) = self._engine.ask(_PRESENT, {"after": settled.sealed, "upto": upto})
            there = {batch for batch in present if batch not in settled.batches}
            if settled.dead:
                for some in in_fields(sorted(settled.dead)):
                    there.update(self._engine.ask(_AMONG, {"batches": some})[0])
            # A batch that nobody knows to be dead would count, and so would what rows of others lost to.
            named = {winner[0] for winners in settled.losses.values() for winner in winners}
            young = upto - _NAMED_MS * COLLECTORS
            dead = there | {batch for batch in settled.dead if batch in named or batch > young}
            dead |= {batch for batch in named if settled.sealed < batch <= upto and batch not in settled.batches}
            self._engine.insert("seals", ("upto", "dead"), msgspec.json.encode([upto, sorted(dead)]))
            for some in in_fields(sorted(there)):
                self._delete_rows(_OF_BATCHES, batches=some)
            self._settle_losers(settled, upto)
            # Of batches up to the seal before this one nobody has to be told any more, nor of older seals: not even one
            # who reads slowly.
            self._delete("batches", "batch <= {upto:UInt64}", upto=min(settled.sealed, young))
            self._delete("seals", "upto < {upto:UInt64}", upto=settled.sealed)
            self._trim_rejected()

    def _settle_losers(self, settled: Settled, upto: int) -> None:
        """Delete the rows that lost to others for good, and then the records of that."""
        old = {
            row: winners
            for row, winners in settled.losses.items()
            if row[0] <= upto and all(winner[0] <= upto for winner in winners)
        }
        if old:
            lost = sorted(row for row in old if not settled.stands(row))
            self._walks.forget_lost(lost)
            for some in in_fields(lost):
                self._delete_rows(_OF_ROWS, rows=some)
            for some in in_fields(sorted(old)):
                self._delete("losers", _OF_ROWS, rows=some)

    def _trim_rejected(self) -> None:
        (oldest,) = self._engine.ask(
            "SELECT seq FROM rejected FINAL WHERE NOT gone ORDER BY seq DESC LIMIT 1 OFFSET {most:UInt32}",
            {"most": MAX_REJECTED},
        )
        if oldest:
            self._delete("rejected", "seq <= {seq:UInt128}", seq=oldest[0])

    def _delete_rows(self, where: str, **parameters: object) -> None:
        """Delete rows of events, and what is looked up of them."""
        for table in ("ids", "orders", "events"):
            self._delete(table, where, **parameters)

    def _delete(self, table: str, where: str, **parameters: object) -> None:
        self._engine.delete(table, where, parameters)


def bury(engine: Engine, digests: Iterable[bytes], now: int) -> None:
    """Keep the ids behind these digests from ever coming back. Raises StoreError."""
    for some in in_fields([digest.hex() for digest in digests]):
        sql = "INSERT INTO erased (digest, erased_at) SELECT unhex(arrayJoin({digests:Array(String)})), {now:Int64}"
        engine.run(sql, {"digests": some, "now": now})
