"""The ledger as it is stored. What is written becomes visible with one row, that of its new state.

Rows of an attempt that never came so far have a version beyond that of the state, and are deleted before the next one.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Collection, Iterator, Sequence
from typing import Any

import msgspec
from msgspec import Struct

from kizashi_collector.analysis import Emitted
from kizashi_collector.store._clickhouse._engine import DELETING_S, Engine
from kizashi_collector.store._clickhouse._increments._lease import Hold, Lease
from kizashi_collector.store._clickhouse._schema import actor_key
from kizashi_collector.store._clickhouse._seen import NOTHING, Seen
from kizashi_collector.store._clickhouse._sql import Ask
from kizashi_collector.store._ledger import Line

__all__ = ["Ledger", "LedgerState", "News"]

_STATE = "version, lines, journeys, share, shares, seen, goal"
_LINE = (
    "number, time, journey, actor_key, actor, kind, event, event_id, event_time, order_id, source, value, emitted, fit"
)
_EMITTED = "actor, first, begin, until, members, depth, final, sold, source, emitted, entry, gone"
_ATTEMPT = "version, token, held_until"
_LAST = ", ".join(f"last.{place}" for place in range(1, len(_EMITTED.split(", "))))
_AT_ONCE = 50_000
_WAIT_S, _PATIENT_S = 10.0, 120.0


class LedgerState(Struct, frozen=True):
    """How far the ledger is: it has so many lines about so many journeys, and knows what was `seen`; of the first
    `share` of so many `shares` of the actors, by the rest of their keys, what is to be seen for the `goal`."""

    version: int = 0
    lines: int = 0
    journeys: int = 0
    share: int = 1
    shares: int = 1
    seen: Seen = NOTHING
    goal: Seen = NOTHING

    @property
    def between(self) -> bool:
        """Whether it is on its way to the goal."""
        return self.share < self.shares


class News(Struct, frozen=True):
    """What is added at a `time` to a ledger that stands at `before`, so that it stands at `after`; the names of all
    actors concerned are in `actors`."""

    before: LedgerState
    after: LedgerState
    time: int
    actors: dict[int, str]
    lines: Sequence[Line] = ()
    kept: Sequence[Emitted] = ()
    dropped: Sequence[Emitted] = ()


class Ledger:
    """Reads and writes it. All methods may be called in any thread; all raise StoreError."""

    def __init__(self, engine: Engine, lease: Lease | None = None) -> None:
        self._engine = engine
        self._lease = lease or Lease(engine)

    def state(self, ask: Ask) -> LedgerState:
        """How far it is."""
        for version, lines, journeys, share, shares, seen, goal in zip(
            *ask(f"SELECT {_STATE} FROM ledger ORDER BY version DESC LIMIT 1", {}), strict=True
        ):
            told, aim = msgspec.json.decode(seen, type=Seen), msgspec.json.decode(goal, type=Seen)
            return LedgerState(version, lines, journeys, share, shares, told, aim)
        return LedgerState()

    # -- reading ------------------------------------------------------------------------------------------------------

    def lines(self, ask: Ask, state: LedgerState, after: int, limit: int) -> list[tuple[Any, ...]]:
        """Lines after one, in their order, as _LINE has them."""
        columns = ask(
            f"SELECT {_LINE} FROM increments WHERE number > {{after:UInt64}} AND number <= {{last:UInt64}} "
            "ORDER BY number LIMIT {limit:UInt32}",
            {"after": after, "last": state.lines, "limit": limit},
        )
        return list(zip(*columns, strict=True))

    def sources(self, ask: Ask, state: LedgerState, numbers: Collection[int]) -> dict[int, str]:
        """The sources that lines named, as JSON."""
        if not numbers:
            return {}
        columns = ask(
            "SELECT number, source FROM increments "
            "WHERE number IN (SELECT arrayJoin({numbers:Array(UInt64)})) AND number <= {last:UInt64}",
            {"numbers": sorted(numbers), "last": state.lines},
        )
        return dict(zip(*columns, strict=True))

    def expired(self, ask: Ask, state: LedgerState, as_of: int) -> set[int]:
        """The actors of journeys that were open when it was brought up to date last and are so no longer, and maybe
        some others."""
        (found,) = ask(
            "SELECT DISTINCT actor_key FROM emitted WHERE final = 0 AND NOT gone AND until >= {since:Int64} "
            "AND until < {as_of:Int64} AND version <= {version:UInt64}",
            {"since": state.seen.as_of, "as_of": as_of, "version": state.version},
        )
        return set(found)

    def emitted(
        self, ask: Ask, state: LedgerState, actors: Collection[int] | None, names: dict[int, str]
    ) -> dict[int, list[Emitted]]:
        """What feeds were told of the journeys of these actors, or of all of the share that is to come, as far as
        there is something to remember; `names` is to hold their names."""
        if actors is None:
            whose, given = f"actor_key % {state.shares} = {state.share % state.shares}", {}
        else:
            whose, given = "actor_key IN (SELECT arrayJoin({actors:Array(UInt128)}))", {"actors": sorted(actors)}
        columns = ask(
            f"""
            SELECT number, actor_key, {_LAST} FROM (
                SELECT number, actor_key, argMax(({_EMITTED}), version) AS last FROM emitted
                WHERE version <= {{version:UInt64}} AND {whose} GROUP BY actor_key, number
            ) WHERE NOT last.{_LAST.count(",") + 2} ORDER BY number""",
            {"version": state.version, **given},
        )
        found: dict[int, list[Emitted]] = {}
        for number, actor, name, *row in zip(*columns, strict=True):
            first, begin, until, members, depth, final, sold, source, emitted, entry = row
            names[actor] = name
            found.setdefault(actor, []).append(
                Emitted(
                    number=number,
                    actor=actor,
                    first=first,
                    begin=begin,
                    until=until,
                    members=members,
                    depth=depth,
                    final=final,
                    sold=bool(sold),
                    source=source,
                    emitted=emitted,
                    entry=entry,
                )
            )
        return found

    # -- writing ------------------------------------------------------------------------------------------------------

    def publish(self, news: News) -> bool:
        """Add what is new; False, and nothing, where it stands elsewhere by now."""
        with self._lease.held(wait=_WAIT_S) as hold:
            if self.state(self._engine.ask).version != news.before.version:
                return False
            self._sweep(news.before)
            attempt = [news.before.version + 1, secrets.randbits(63), hold.until]
            told = ([*_line_row(line, news), *attempt] for line in news.lines)
            self._insert("increments", f"{_LINE}, {_ATTEMPT}", told, hold)
            stand = [(one, False) for one in news.kept] + [(one, True) for one in news.dropped]
            rows = (
                [one.number, str(one.actor), *_emitted_row(one, news.actors[one.actor], gone), *attempt]
                for one, gone in stand
            )
            self._insert("emitted", f"number, actor_key, {_EMITTED}, {_ATTEMPT}", rows, hold)
            self._stand(news.after, attempt, hold)
        return True

    def change(self, do: Callable[[], None]) -> None:
        """Do something that nobody who has read the ledger, or the log, before may add to."""
        with self._lease.held(wait=_PATIENT_S, seconds=DELETING_S, after_errors=False) as hold:
            do()
            state = self.state(self._engine.ask)
            self._stand(state, [state.version + 1, hold.token, hold.until], hold)

    def forget(self, actor: str) -> None:
        """Delete all lines about an actor whose events are gone; the numbers of the others stay.

        Feeds wait meanwhile: ten minutes at most, should this collector die of it.
        """

        def delete() -> None:
            for table in ("increments", "emitted"):
                self._delete(table, f"actor_key = {actor_key('{actor:String}')}", actor=actor)

        self.change(delete)

    def forget_gone(self, before: int) -> None:
        """Delete all lines about actors with old ones of whom nothing is in the log any more."""
        for table, time in (("increments", "ifNull(event_time, time)"), ("emitted", "begin")):
            old = f"SELECT actor_key FROM {table} WHERE {time} < {{before:Int64}}"
            there = f"SELECT actor_key FROM events WHERE actor_key IN ({old})"
            gone = f"actor_key IN ({old}) AND actor_key NOT IN ({there})"
            (found,) = self._engine.ask(f"SELECT 1 FROM {table} WHERE {gone} LIMIT 1", {"before": before})
            if found:
                self._delete(table, gone, before=before)

    def _sweep(self, state: LedgerState) -> None:
        """Delete what attempts have left that came to nothing."""
        left = {}
        for table, beyond in (("increments", f"number > {state.lines}"), ("emitted", f"version > {state.version}")):
            (left[table],) = self._engine.ask(f"SELECT DISTINCT token FROM {table} WHERE {beyond}")
        for table, tokens in left.items():
            if tokens:
                self._delete(table, "token IN {tokens:Array(UInt64)}", tokens=sorted(tokens))

    def _stand(self, state: LedgerState, attempt: Sequence[int], hold: Hold) -> None:
        seen, goal = (msgspec.json.encode(one).decode() for one in (state.seen, state.goal))
        row = [0, state.lines, state.journeys, state.share, state.shares, seen, goal, *attempt]
        columns = f"id, lines, journeys, share, shares, seen, goal, {_ATTEMPT}"
        self._insert("ledger", columns, iter([row]), hold)

    def _insert(self, table: str, columns: str, rows: Iterator[list[Any]], hold: Hold) -> None:
        encode = msgspec.json.encode
        lines = [encode(row) for row in rows]
        for at in range(0, len(lines), _AT_ONCE):
            hold.check()
            self._engine.insert(table, columns.split(", "), b"\n".join(lines[at : at + _AT_ONCE]))

    def _delete(self, table: str, where: str, **parameters: object) -> None:
        self._engine.delete(table, where, parameters)


def _line_row(line: Line, news: News) -> list[Any]:
    return [
        line.number,
        news.time,
        line.journey,
        str(line.actor),
        news.actors[line.actor],
        line.kind,
        line.name,
        line.event_id,
        line.event_time,
        line.order,
        line.source,
        str(line.value),
        str(line.emitted),
        line.fit,
    ]


def _emitted_row(one: Emitted, actor: str, gone: bool) -> list[Any]:
    first, final = str(one.first), str(one.final)
    stands = [actor, first, one.begin, one.until, one.members, one.depth, final, one.sold, one.source]
    return [*stands, str(one.emitted), one.entry, gone]
