"""A SQLite log into a ClickHouse store: what is there already changes nothing, so that it may be begun again."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Sequence
from functools import partial
from pathlib import Path

from msgspec import Struct

from kizashi_collector.analysis import LoggedEvent
from kizashi_collector.store._clickhouse._address import Address
from kizashi_collector.store._clickhouse._copying._beside import Beside, slices
from kizashi_collector.store._clickhouse._copying._source import Source
from kizashi_collector.store._clickhouse._log import ClickHouseLog
from kizashi_collector.store._clickhouse._settled import read_settled
from kizashi_collector.store._event_columns import EventColumns
from kizashi_collector.store._ids import erased_digest
from kizashi_collector.store._protocol import Outcome, StoreError

__all__ = ["CopyReport", "Kinds", "NameCheck", "copy_log"]

_BATCH = 10_000
_BATCHES_READ = 16
_SEAL_S = 20.0
_HARMLESS = frozenset({"order", "erased"})
_Kind = tuple[str, bool]
"""A name, and whether its adjustments are meant."""


class NameCheck(Struct, frozen=True, kw_only=True):
    """How many events of a name, or adjustments of them, there are in the log, and in the store afterwards.

    `other` are those of the log that the store does not take, since by its rules another one counts, or none.
    """

    name: str
    adjustments: bool
    log: int
    other: int
    store: int

    @property
    def whole(self) -> bool:
        """Whether the store has as many as it must."""
        return self.store >= self.log - self.other


class Kinds(Struct, frozen=True, kw_only=True):
    """What was taken over beside events in this run; what was there already is not counted."""

    erased: int
    plans: int
    fits: int
    keys: int
    rejected: int


class CopyReport(Struct, frozen=True, kw_only=True):
    """What became of a log's events and adjustments: `new` ones were added, `known` ones were there with the same
    content, `too_old` ones are beyond the store's retention; `other` counts by code those of
    which another one counts, or none.
    """

    new: int
    known: int
    too_old: int
    other: dict[str, int]
    beside: Kinds
    names: list[NameCheck]

    @property
    def whole(self) -> bool:
        """Whether all of the log counts in the store."""
        return all(name.whole for name in self.names) and self.other.keys() <= _HARMLESS


async def copy_log(
    folder: Path, address: Address, *, progress: Callable[[int, int], None] = lambda _done, _all: None
) -> CopyReport:
    """Copy what the data folder holds into the store, and compare. `progress` is told of events that are done with.

    What was copied before, also by a run that was killed, is found there. Raises StoreError.
    """
    source = await asyncio.to_thread(Source, folder)
    try:
        # A new store hashes as the log does: what it knows of erased ids stays true.
        log = await asyncio.to_thread(ClickHouseLog, address, salt=source.salt)
        try:
            return await _Copy(source, log, progress).run()
        finally:
            await log.close()
    finally:
        await asyncio.to_thread(source.close)


class _Copy:
    def __init__(self, source: Source, log: ClickHouseLog, progress: Callable[[int, int], None]) -> None:
        self._source, self._log, self._progress = source, log, progress
        self._beside = Beside(log.engine)
        self._codes: Counter[str] = Counter()
        self._in_log: Counter[_Kind] = Counter()
        self._other: Counter[_Kind] = Counter()
        self._too_old = 0

    async def run(self) -> CopyReport:
        run = self._log.run
        erased = await run(self._source.erased)
        await run(partial(self._check_salt, bool(erased)))
        edge = (await run(partial(read_settled, self._log.engine))).edge
        # What was erased comes first: what went since the last run must not come back with this one.
        buried = await self._bury(erased)
        plans = await run(lambda: self._beside.take_plans(self._source.plans()))
        keys = await run(lambda: self._beside.take_keys(self._source.keys()))
        await self._take_events(edge)
        fits = await run(lambda: self._beside.take_fits(self._source.fits()))
        recent = (row for row in self._source.rejected() if row.received_at >= edge)
        rejected, difference = await run(lambda: self._beside.take_rejected(recent))
        if difference.gone or difference.changed:
            await self._log.settle_rejected(difference.gone, difference.changed)
        return CopyReport(
            new=self._codes.pop("new", 0),
            known=self._codes.pop("known", 0),
            too_old=self._too_old,
            other=dict(self._codes),
            beside=Kinds(erased=buried, plans=plans, fits=fits, keys=keys, rejected=rejected),
            names=await run(self._compare),
        )

    def _check_salt(self, any_erased: bool) -> None:
        """See that the store can hold what this log has. Raises StoreError."""
        own, *others = self._beside.salts()
        salt, address = self._source.salt, self._log.engine.address
        remedy = "copy into a new database, before a collector starts on it; the copy makes it"
        if salt != own and any_erased:
            raise StoreError(
                f"events of the log were erased, and what is left of their ids means nothing to {address}, which a "
                f"collector made: {remedy}"
            )
        if salt not in (own, *others):
            if self._beside.any_taken_over():
                raise StoreError(f"another log was copied into {address}: {remedy}")
            self._beside.note_copied(salt)

    # -- erased events ------------------------------------------------------------------------------------------------

    async def _bury(self, erased: Collection[bytes]) -> int:
        """Take over what is left of erased ids; who was erased since an earlier run is erased here."""
        new = set(erased) - await self._log.run(lambda: self._beside.erased_among(erased))
        if not new:
            return 0
        for actor in sorted(await self._log.run(lambda: set(self._actors_of(new)))):
            await self._log.erase(actor)
        left = new - await self._log.run(lambda: self._beside.erased_among(new))
        await self._log.run(lambda: self._beside.bury(left, time.time_ns() // 1_000_000))
        return len(new)

    def _actors_of(self, digests: Collection[bytes]) -> Iterator[str]:
        """Whose events in the store have an id with one of these digests."""
        engine, salt = self._log.engine, self._source.salt
        (batches,) = engine.ask("SELECT DISTINCT batch FROM events ORDER BY batch")
        for some in slices(batches, _BATCHES_READ):
            found = engine.ask(
                "SELECT id, actor FROM events WHERE batch IN {batches:Array(UInt64)} AND actor != ''",
                {"batches": some},
            )
            for event_id, actor in zip(*found, strict=True):
                if erased_digest(event_id, salt) in digests:
                    yield actor

    # -- events -------------------------------------------------------------------------------------------------------

    async def _take_events(self, edge: int) -> None:
        total, done = await asyncio.to_thread(self._source.count), 0
        batches = self._source.batches(_BATCH)
        sealed = time.monotonic()
        events: list[LoggedEvent] = await asyncio.to_thread(next, batches, [])
        while events:
            wanted = [event for event in events if event.adjust is not None or event.time >= edge]
            self._too_old += len(events) - len(wanted)
            # The next ones are read while these are written.
            outcomes, following = await asyncio.gather(
                self._log.append([EventColumns.of(wanted)]) if wanted else _nothing(),
                asyncio.to_thread(next, batches, []),
            )
            self._count(wanted, outcomes)
            done += len(events)
            self._progress(done, total)
            events = following
            if time.monotonic() - sealed > _SEAL_S:
                # Batches that nobody settles for good make every look longer.
                await self._log.seal()
                sealed = time.monotonic()

    def _count(self, events: Sequence[LoggedEvent], outcomes: Sequence[Outcome]) -> None:
        for event, outcome in zip(events, outcomes, strict=True):
            kind = (event.name, event.adjust is not None)
            self._in_log[kind] += 1
            code = outcome.code or ("new" if outcome.verdict == "accepted" else "known")
            self._codes[code] += 1
            if outcome.code is not None:
                self._other[kind] += 1

    def _compare(self) -> list[NameCheck]:
        view = read_settled(self._log.engine).view()
        found = self._log.engine.ask(
            f"SELECT name, adjust != 0, count() FROM {view.table} WHERE {view.where} GROUP BY 1, 2"
        )
        there = {(name, bool(adjusts)): count for name, adjusts, count in zip(*found, strict=True)}
        return [
            NameCheck(
                name=kind[0],
                adjustments=kind[1],
                log=self._in_log[kind],
                other=self._other[kind],
                store=there.get(kind, 0),
            )
            for kind in sorted({*self._in_log, *there})
        ]


async def _nothing() -> Sequence[Outcome]:
    return ()
