"""The ledger of increments: what feeds were told of journeys, line by line, and how far that is."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from sqlite3 import Connection

import msgspec
from msgspec import Struct

from kizashi_collector.analysis import Emitted
from kizashi_collector.store._chunks import Texts
from kizashi_collector.store._cursors import cursor_of
from kizashi_collector.store._protocol import IncrementLine

__all__ = [
    "LedgerNews",
    "LedgerState",
    "Line",
    "add_news",
    "emitted_of",
    "emitted_of_share",
    "expired_actors",
    "forget_increments",
    "keep_as_told",
    "lines_after",
    "source_of_line",
    "state_of",
]

_WIDE = 1 << 63
_STATE = "SELECT version, last_seq, as_of, edge, lines, journeys, share, shares, (SELECT history FROM logs) FROM ledger"
_NAMES = "SELECT since, history FROM ledger_names ORDER BY since, rowid"
_ROW = "number, actor, first, begin, until, members, depth, final, sold, source, emitted, entry"
_EMITTED = f"SELECT {_ROW} FROM emitted WHERE actor = ? ORDER BY number"  # noqa: S608  # a constant
_EMITTED_OF_SHARE = f"SELECT {_ROW} FROM emitted WHERE actor % ? = ? ORDER BY number"  # noqa: S608  # a constant
_KEEP = f"INSERT OR REPLACE INTO emitted ({_ROW}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"  # noqa: S608  # a constant
_LINE = "number, time, journey, actor, kind, name, event_id, event_time, order_id, source, value, emitted, fit"
_ADD = f"INSERT INTO increments ({_LINE}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"  # noqa: S608  # a constant
_AFTER = f"SELECT {_LINE} FROM increments WHERE number > ? ORDER BY number LIMIT ?"  # noqa: S608  # a constant
_EXPIRED = "SELECT DISTINCT actor FROM emitted WHERE final = 0 AND until < ?"
_PROGRESS = (
    "UPDATE ledger SET version = version + 1, last_seq = ?, as_of = ?, lines = ?, journeys = ?, share = ?, shares = ? "
    "WHERE version = ?"
)


class LedgerState(Struct, frozen=True):
    """How far the ledger is: it knows the events with numbers up to `last_seq`, as they stood at `as_of`, -1 before it
    began; of the first `share` of so many `shares` of the actors alone, by the rest of their numbers. What is older
    than `edge` was deleted, -1 for nothing. `names` are those that the log had, each with the last line before."""

    version: int
    last_seq: int
    as_of: int
    edge: int
    lines: int
    journeys: int
    share: int
    shares: int
    history: str
    names: tuple[tuple[int, str], ...]

    @property
    def begun(self) -> bool:
        """Whether it knows all actors."""
        return 0 < self.shares == self.share

    @property
    def renamed(self) -> bool:
        """Whether the log got another name since the last line, as a restored one does."""
        return not self.names or self.names[-1][1] != self.history

    def cursor(self, line: int) -> str:
        """What says that everything up to this line is known: 0 for nothing."""
        return cursor_of(line, self.names)


class Line(Struct, frozen=True, kw_only=True):
    """A line as it is added; `name` is that of its event, or the number that stands for it here. Money is micros."""

    number: int
    journey: int
    actor: int
    kind: str
    name: str | int | None
    event_id: str | None
    event_time: int | None
    order: str | None
    source: str
    value: int
    emitted: int
    fit: int | None


class LedgerNews(Struct, frozen=True, kw_only=True):
    """What is added at a `time` to a ledger that stands at `before`: lines, journeys as they stand now, journeys to
    forget by their numbers, and how far that is."""

    before: LedgerState
    time: int
    last_seq: int
    as_of: int
    journeys: int
    share: int
    shares: int
    lines: Sequence[Line] = ()
    kept: Sequence[Emitted] = ()
    dropped: Sequence[int] = ()


def state_of(connection: Connection) -> LedgerState:
    """How far the ledger is."""
    names = tuple(connection.execute(_NAMES).fetchall())
    row = connection.execute(_STATE).fetchone()
    return LedgerState(**dict(zip(LedgerState.__struct_fields__, (*row, names), strict=True)))


def emitted_of(connection: Connection, actors: Iterable[int]) -> dict[int, list[Emitted]]:
    """What feeds were told of the journeys of these actors, as far as there is something to remember."""
    found: dict[int, list[Emitted]] = {}
    for actor in actors:
        rows = [_emitted(row) for row in connection.execute(_EMITTED, (actor,))]
        if rows:
            found[actor] = rows
    return found


def emitted_of_share(connection: Connection, share: int, shares: int) -> dict[int, list[Emitted]]:
    """The same of the actors whose numbers leave the rest `share` when they are divided by so many."""
    found: dict[int, list[Emitted]] = {}
    for row in connection.execute(_EMITTED_OF_SHARE, (shares, share)):
        one = _emitted(row)
        found.setdefault(one.actor, []).append(one)
    return found


def expired_actors(connection: Connection, as_of: int) -> set[int]:
    """The actors of journeys that were open and are so no longer."""
    return {actor for (actor,) in connection.execute(_EXPIRED, (as_of,))}


def source_of_line(connection: Connection, number: int) -> str:
    """The source that a line named, as JSON."""
    source: str = connection.execute("SELECT source FROM increments WHERE number = ?", (number,)).fetchone()[0]
    return source


def add_news(connection: Connection, news: LedgerNews) -> bool:
    """Append to the ledger in the open transaction; False, and nothing, where it stands elsewhere by now."""
    state, lines = news.before, news.lines
    last = lines[-1].number if lines else state.lines
    progress = news.last_seq, news.as_of, last, news.journeys, news.share, news.shares
    changed = connection.execute(_PROGRESS, (*progress, state.version)).rowcount
    if not changed:
        return False
    if state.renamed:
        connection.execute("INSERT INTO ledger_names (since, history) VALUES (?, ?)", (state.lines, state.history))
    connection.executemany(_ADD, (_line_row(line, news.time) for line in lines))
    connection.executemany("DELETE FROM emitted WHERE number = ?", ((number,) for number in news.dropped))
    connection.executemany(_KEEP, map(_emitted_row, news.kept))
    return True


def forget_increments(connection: Connection, actors: Sequence[int]) -> None:
    """Delete all lines about these actors in the open transaction; the numbers of the others stay."""
    if not actors:
        return
    rows = [(actor,) for actor in actors]
    connection.executemany("DELETE FROM increments WHERE actor = ?", rows)
    connection.executemany("DELETE FROM emitted WHERE actor = ?", rows)
    # Whoever read the actors before must not add anything about them now.
    connection.execute("UPDATE ledger SET version = version + 1")


def keep_as_told(connection: Connection, before: int) -> None:
    """Journeys that began before this time stay as feeds were told of them: their events are about to go."""
    connection.execute("UPDATE ledger SET version = version + 1, edge = ?1 WHERE edge < ?1", (before,))


def lines_after(
    connection: Connection, texts: Texts, state: LedgerState, after: int, limit: int
) -> tuple[list[IncrementLine], bool]:
    """At most so many lines after one, in their order, and whether there are more."""
    rows = connection.execute(_AFTER, (after, limit + 1)).fetchall()
    return list(_lines(rows[:limit], texts, state)), len(rows) > limit


def _lines(rows: Iterable[tuple[object, ...]], texts: Texts, state: LedgerState) -> Iterator[IncrementLine]:
    for number, time, journey, actor, kind, name, event_id, event_time, order, source, value, emitted, fit in rows:
        yield msgspec.convert(
            {
                "cursor": state.cursor(msgspec.convert(number, int)),
                "time": time,
                "journey": f"{journey}",
                "actor": texts.actor_of(msgspec.convert(actor, int)),
                "kind": kind,
                "event": None if name is None else texts.name_of(msgspec.convert(name, int)),
                "event_id": event_id,
                "event_time": event_time,
                "order": order,
                "source": source,
                "value": int(f"{value}"),
                "emitted": int(f"{emitted}"),
                "fit": fit,
            },
            IncrementLine,
        )


def _emitted(row: tuple[int, ...]) -> Emitted:
    number, actor, first, begin, until, members, depth, final, sold, source, emitted, entry = row
    return Emitted(
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
        emitted=int(emitted),
        entry=entry,
    )


def _emitted_row(one: Emitted) -> tuple[object, ...]:
    row = [getattr(one, name) for name in Emitted.__struct_fields__]
    return *row[:-2], _stored(one.emitted), one.entry


def _line_row(line: Line, time: int) -> tuple[object, ...]:
    return (
        *(
            line.number,
            time,
            line.journey,
            line.actor,
            line.kind,
            line.name,
            line.event_id,
            line.event_time,
            line.order,
        ),
        *(line.source, _stored(line.value), _stored(line.emitted), line.fit),
    )


def _stored(amount: int) -> int | str:
    """An amount as SQLite takes it, whose integers have 64 bits."""
    return amount if -_WIDE <= amount < _WIDE else f"{amount}"
