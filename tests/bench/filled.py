"""Data folders that hold a month of events, written by the store itself, without HTTP."""

from __future__ import annotations

import asyncio
import shutil
import time
from collections import deque
from collections.abc import Sequence
from pathlib import Path

import msgspec

from bench.month import Month
from kizashi_collector.store import ACCEPTED, Outcome, SqliteLog

__all__ = ["Filled", "filled"]

_FRESH_MS = 3_600_000
_AHEAD = 4
"""Blocks that wait to be written while the next one is made."""
_NOTE = "filled.json"
_SHAPE = 1
"""Changes with what a month holds, so that no folder of an earlier shape is used again."""


class Filled(msgspec.Struct, frozen=True, kw_only=True):
    """A data folder with its month. `seconds` is what filling it took; it is 0 where a kept folder was copied."""

    folder: Path
    month: Month
    seconds: float


class _Note(msgspec.Struct, frozen=True):
    shape: int
    events: int
    end: int


def filled(folder: Path, events: int, *, keep: Path | None = None) -> Filled:
    """Make `folder` with a month of so many events, up to now.

    With `keep`, what is filled stays there, and `folder` is a copy: whoever measures adds to it. A kept folder that is
    older than an hour is filled anew, since its month has ended too long ago.
    """
    if keep is None:
        month = Month(events, _now())
        return Filled(folder=folder, month=month, seconds=_fill(folder, month))
    kept, seconds = keep / f"{events}", 0.0
    note = _note(kept)
    if note is None or note.shape != _SHAPE or note.events != events or _now() - note.end > _FRESH_MS:
        print(f"{kept} is {'not there' if note is None else 'too old'}: it is filled", flush=True)
        shutil.rmtree(kept, ignore_errors=True)
        note = _Note(_SHAPE, events, _now())
        seconds = _fill(kept / "data", Month(events, note.end))
        (kept / _NOTE).write_bytes(msgspec.json.encode(note))
    shutil.copytree(kept / "data", folder)
    return Filled(folder=folder, month=Month(events, note.end), seconds=seconds)


def _note(kept: Path) -> _Note | None:
    try:
        return msgspec.json.decode((kept / _NOTE).read_bytes(), type=_Note)
    except (FileNotFoundError, msgspec.DecodeError):
        return None


def _now() -> int:
    return time.time_ns() // 1_000_000


def _fill(folder: Path, month: Month) -> float:
    folder.mkdir(parents=True)
    began = time.perf_counter()
    asyncio.run(_write(folder, month))
    return time.perf_counter() - began


async def _write(folder: Path, month: Month) -> None:
    log = SqliteLog(folder)
    waiting: deque[asyncio.Future[Sequence[Outcome]]] = deque()
    try:
        for block in month.blocks():
            waiting.append(log.submit([block.columns()]))
            await asyncio.sleep(0)  # what is submitted is handed over in the loop's next turn
            if len(waiting) > _AHEAD:
                _check(await waiting.popleft())
        while waiting:
            _check(await waiting.popleft())
    finally:
        await log.close()


def _check(outcomes: Sequence[Outcome]) -> None:
    if any(outcome is not ACCEPTED for outcome in outcomes):
        raise RuntimeError("the log did not take all events of the month")
