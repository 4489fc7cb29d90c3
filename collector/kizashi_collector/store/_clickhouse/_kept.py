"""What is kept beside events: the store's identity, plans, fits, and rejected events."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from typing import Any

import msgspec

from kizashi_collector.store._clickhouse._engine import Engine
from kizashi_collector.store._fits import StoredFit
from kizashi_collector.store._plans import PlanRow
from kizashi_collector.store._protocol import RejectedFilter, RejectedRow

__all__ = ["Kept"]

_WANTED = (
    "NOT gone AND ({every_code:Bool} OR code IN {codes:Array(String)}) "
    "AND ({every_id:Bool} OR id IN {ids:Array(String)}) "
    "AND received_at > {since:Int64} AND received_at <= {until:Int64}"
)
_ROWS = f"SELECT received_at, id, code, message, body, seq FROM rejected FINAL WHERE {_WANTED}"
_COUNTS = f"SELECT code, count() FROM rejected FINAL WHERE {_WANTED} GROUP BY code ORDER BY code"
_FIT = "number, plan_id, boundary, made_at, seconds, base64Encode(fits)"
_LAST = (1 << 63) - 1


class Kept:
    """Reads and writes it. All raise StoreError."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def identity(self, salt: bytes | None = None) -> tuple[str, bytes]:
        """What names this store for good, and the bytes that go into its hashes: in a new store `salt`, if given."""
        sql = "SELECT history, salt FROM store ORDER BY made_at, history LIMIT 1"
        found = self._engine.ask(sql)
        if not found[0]:
            self._engine.run(
                "INSERT INTO store (history, salt) VALUES ({history:String}, {salt:String})",
                {"history": secrets.token_hex(16), "salt": (salt or secrets.token_bytes(16)).hex()},
            )
            found = self._engine.ask(sql)
        return found[0][0], bytes.fromhex(found[1][0])

    # -- plans --------------------------------------------------------------------------------------------------------

    def add_plan(self, seq: int, plan_id: str, canonical: bytes, applied_at: int) -> None:
        """Append a plan to the history of plans, under a number beyond those of all before."""
        row = msgspec.json.encode([seq, applied_at, plan_id, canonical.decode()])
        self._engine.insert("plans", ("seq", "applied_at", "plan_id", "canonical"), row)

    def last_plan(self) -> bytes | None:
        """The canonical form of the plan that was applied last, or None."""
        (found,) = self._engine.ask("SELECT canonical FROM plans ORDER BY seq DESC LIMIT 1")
        return str(found[0]).encode() if found else None

    def plans(self, until: int) -> list[PlanRow]:
        """When each plan was applied, and its canonical form, the latest first, up to a time."""
        found = self._engine.ask(
            "SELECT applied_at, canonical FROM plans WHERE applied_at <= {until:Int64} ORDER BY seq DESC",
            {"until": until},
        )
        return [(at, str(canonical).encode()) for at, canonical in zip(*found, strict=True)]

    # -- fits ---------------------------------------------------------------------------------------------------------

    def add_fit(self, fit: StoredFit, number: int) -> StoredFit:
        """Append a fit; return what stands for its plan and boundary: the first under its number."""
        row = msgspec.json.encode([number, fit.plan, fit.boundary, fit.made_at, fit.seconds, fit.fits])
        self._engine.run(
            "INSERT INTO fits (number, plan_id, boundary, made_at, seconds, fits) SELECT {number:UInt64}, "
            "{plan:String}, {boundary:Int64}, {made_at:Int64}, {seconds:Float64}, base64Decode({fits:String})",
            {
                "number": number,
                "plan": fit.plan,
                "boundary": fit.boundary,
                "made_at": fit.made_at,
                "seconds": fit.seconds,
                "fits": msgspec.json.decode(row)[5],
            },
        )
        stored = self.fit_at(fit.plan, fit.boundary)
        if stored is None or stored.boundary != fit.boundary:
            raise RuntimeError("ClickHouse has no row that was inserted")
        return stored

    def fit_at(self, plan: str, as_of: int) -> StoredFit | None:
        """The fit under this plan that an answer at `as_of` takes: of the last boundary up to then, the first."""
        found = self._engine.ask(
            f"SELECT {_FIT} FROM fits WHERE plan_id = {{plan:String}} AND boundary <= {{as_of:Int64}} "
            "ORDER BY boundary DESC, number LIMIT 1",
            {"plan": plan, "as_of": as_of},
        )
        if not found[0]:
            return None
        number, plan_id, boundary, made_at, seconds, fits = (column[0] for column in found)
        return StoredFit(number, plan_id, boundary, made_at, seconds, msgspec.json.decode(f'"{fits}"', type=bytes))

    # -- rejected events ----------------------------------------------------------------------------------------------

    def newest_rejected(self, limit: int, wanted: RejectedFilter) -> list[RejectedRow]:
        """The wanted rows, latest first."""
        return self._rejected(f"{_ROWS} ORDER BY seq DESC LIMIT {{limit:UInt32}}", wanted, limit=limit)

    def rejected_after(self, seq: int, limit: int, wanted: RejectedFilter) -> list[RejectedRow]:
        """The wanted rows with a higher number, in the order of their coming."""
        sql = f"{_ROWS} AND seq > {{seq:UInt128}} ORDER BY seq LIMIT {{limit:UInt32}}"
        return self._rejected(sql, wanted, limit=limit, seq=seq)

    def rejected_by_code(self, wanted: RejectedFilter) -> dict[str, int]:
        """How many wanted rows there are of each code."""
        return dict(zip(*self._engine.ask(_COUNTS, _bound(wanted)), strict=True))

    def settle_rejected(self, gone: Sequence[int], kept: Sequence[tuple[int, str, str]], version: int) -> None:
        """Delete rows, and give others a new code and message. The highest version of a row is the one that counts."""
        if gone:
            self._engine.run(
                "INSERT INTO rejected (seq, gone, version) SELECT arrayJoin({gone:Array(UInt128)}), true, "
                "{version:UInt64}",
                {"gone": list(gone), "version": version},
            )
        if kept:
            self._engine.run(
                "INSERT INTO rejected (seq, received_at, id, code, message, body, gone, version) "
                "SELECT seq, received_at, id, anew.2, anew.3, body, gone, {version:UInt64} FROM rejected FINAL "
                "INNER JOIN (SELECT arrayJoin({kept:Array(Tuple(UInt128, String, String))}) AS anew) AS changed "
                "ON seq = anew.1 WHERE NOT gone",
                {"kept": list(kept), "version": version},
            )

    def _rejected(self, sql: str, wanted: RejectedFilter, **more: Any) -> list[RejectedRow]:
        return [
            RejectedRow(received_at=at, id=event_id, code=code, message=message, body=body.encode(), seq=seq)
            for at, event_id, code, message, body, seq in zip(
                *self._engine.ask(sql, {**_bound(wanted), **more}), strict=True
            )
        ]


def _bound(wanted: RejectedFilter) -> dict[str, Any]:
    return {
        "every_code": wanted.codes is None,
        "codes": list(wanted.codes or ()),
        "every_id": wanted.ids is None,
        "ids": list(wanted.ids or ()),
        "since": -_LAST if wanted.since is None else wanted.since,
        "until": _LAST if wanted.until is None else wanted.until,
    }
