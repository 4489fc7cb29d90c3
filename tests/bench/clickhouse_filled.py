"""Stores that ClickHouse filled with a month of events, in a process that ends: a path is one process's at a time."""

from __future__ import annotations

import asyncio
import multiprocessing
import shutil
import time
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, Concatenate, ParamSpec, TypeVar

import msgspec

from bench.clickhouse_month import fill
from kizashi_collector.store.clickhouse import Address, ClickHouseLog

__all__ = ["Filled", "Table", "filled", "weighed"]

_FRESH_MS = 3_600_000
_NOTE = "filled.json"
_SHAPE = 1
"""Changes with what a month holds, so that no store of an earlier shape is used again."""
_MERGED_WITHIN_S, _STILL_S, _CLOSED_WITHIN_S = 900.0, 3.0, 60.0
_LEARNED = ("fits", "journeys", "walks")
"""Tables of what collectors learn from events."""
_TABLES = """
    SELECT table, sum(bytes_on_disk), sum(rows), count() FROM system.parts
    WHERE active AND database = {database:String} GROUP BY table
"""
P = ParamSpec("P")
T = TypeVar("T")


class Table(msgspec.Struct, frozen=True, kw_only=True):
    """What a table takes on the disk."""

    bytes: int
    rows: int
    parts: int


class Filled(msgspec.Struct, frozen=True, kw_only=True):
    """A store with its month. `seconds` and `cpu` is what filling it took, `merging` how long merges went on then.

    `store` is its address, `end` when its month ends, in milliseconds since 1970; `parts` are those of the events.
    """

    shape: int
    store: str
    events: int
    actors: int
    end: int
    seconds: float
    cpu: float
    merging: float
    parts: int


def filled(folder: Path, events: int, actors: int) -> Filled:
    """The store in `folder` with a month of so many events, that ended an hour ago at most; nothing was learned yet."""
    note = _note(folder)
    wanted = (_SHAPE, events, actors)
    if note is None or (note.shape, note.events, note.actors) != wanted or _now() - note.end > _FRESH_MS:
        print(f"{events:,} events are filled into {folder}", flush=True)
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        store = f"chdb://{folder.absolute() / 'store'}?database=bench"
        note = _in_a_process(store, _fill, store, events, actors)
        (folder / _NOTE).write_bytes(msgspec.json.encode(note))
    else:
        _in_a_process(note.store, _forget)
    return note


def weighed(full: Filled) -> dict[str, Table]:
    """What the tables of a store take by now, once no more is merged."""
    return _in_a_process(full.store, _weigh)


def _note(folder: Path) -> Filled | None:
    try:
        return msgspec.json.decode((folder / _NOTE).read_bytes(), type=Filled)
    except (FileNotFoundError, msgspec.DecodeError):
        return None


def _now() -> int:
    return time.time_ns() // 1_000_000


# -- in a process of their own ----------------------------------------------------------------------------------------


def _in_a_process(store: str, do: Callable[Concatenate[ClickHouseLog, P], T], *given: P.args, **_: P.kwargs) -> T:
    """What `do` returns of the store, in a process that is over then, whatever happens here."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe(duplex=False)
    process = context.Process(target=_send, args=(theirs, store, do, given), daemon=True)
    process.start()
    theirs.close()
    try:
        found: T = ours.recv()
        process.join(_CLOSED_WITHIN_S)
    except EOFError:
        raise RuntimeError(f"the process that opened {store} has failed") from None
    finally:
        process.kill()
        process.join()
        ours.close()
    return found


def _send(pipe: Connection, store: str, do: Callable[..., Any], given: tuple[object, ...]) -> None:
    log = ClickHouseLog(Address.of(store))
    try:
        found = do(log, *given)
    finally:
        asyncio.run(log.close())
    pipe.send(found)


def _fill(log: ClickHouseLog, store: str, events: int, actors: int) -> Filled:
    end, began, used = _now(), time.perf_counter(), time.process_time()
    fill(log, events, actors, end)
    seconds, cpu = time.perf_counter() - began, time.process_time() - used
    merging = _merged(log)
    return Filled(
        shape=_SHAPE,
        store=store,
        events=events,
        actors=actors,
        end=end,
        seconds=seconds,
        cpu=cpu,
        merging=merging,
        parts=_weigh(log)["events"].parts,
    )


def _forget(log: ClickHouseLog) -> None:
    """Forget what was learned, as in a store that was just filled."""
    for table in _LEARNED:
        log.engine.run(f"TRUNCATE TABLE IF EXISTS {table}")


def _weigh(log: ClickHouseLog) -> dict[str, Table]:
    _merged(log)
    found = zip(*log.engine.ask(_TABLES, {"database": log.engine.address.database}), strict=True)
    return {name: Table(bytes=size, rows=rows, parts=parts) for name, size, rows, parts in found}


def _merged(log: ClickHouseLog) -> float:
    """Wait until nothing was merged for some seconds, or a quarter of an hour; return how long merges went on."""
    began = last = time.monotonic()
    while (now := time.monotonic()) - last < _STILL_S and now - began < _MERGED_WITHIN_S:
        time.sleep(0.25)
        ((running,),) = log.engine.ask("SELECT count() FROM system.merges")
        if running:
            last = time.monotonic()
    return last - began
