"""Where a kill is aimed: at what the collector is doing, told from outside by the files that it touches.

A new background job of the collector gets an aim of its own here: a function that returns when the job has begun, and
an entry in `AIMS`. The deletion of old events has a test of its own, since it changes what is to be there.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Sequence

from msgspec import Struct

from crash.clients import Client
from crash.process import Collector, wait_until

__all__ = ["AIMS", "AT_START", "Aim"]

_LOG, _IDS = "log.db", "ids"
_SEARCH_S = 20.0


class Aim(Struct, frozen=True):
    """`strike` waits for the instant, then kills; it returns whether that came. `loaded`: clients are sending."""

    strike: Callable[[Collector, Sequence[Client], random.Random], bool]
    loaded: bool


def _kill(collector: Collector, rng: random.Random, within: float) -> None:
    time.sleep(rng.uniform(0, within))
    collector.kill()


def _any_instant(collector: Collector, clients: Sequence[Client], rng: random.Random) -> bool:
    _kill(collector, rng, 0.25)
    return True


def _starting(collector: Collector, clients: Sequence[Client], rng: random.Random) -> bool:
    """Between taking the folder and listening: recovery of the log, migrations, the index of ids made again."""
    seen = wait_until(lambda: collector.has_open("lock") or collector.ended)
    _kill(collector, rng, 0.06)
    return seen


def _migrating(collector: Collector, clients: Sequence[Client], rng: random.Random) -> bool:
    """While a fresh folder gets its tables."""
    seen = wait_until(lambda: (collector.data / _LOG).exists() or collector.ended)
    _kill(collector, rng, 0.03)
    return seen


def _written(collector: Collector) -> tuple[int, int]:
    """What changes when the log's own file is written, which only a checkpoint does."""
    status = (collector.data / _LOG).stat()
    return status.st_mtime_ns, status.st_size


def _checkpoint(collector: Collector, clients: Sequence[Client], rng: random.Random) -> bool:
    """While SQLite carries the write-ahead log over, in the midst of the load."""
    for client in clients:
        client.wide = True
    before = _written(collector)
    seen = wait_until(lambda: _written(collector) != before, _SEARCH_S)
    _kill(collector, rng, 0.008)
    for client in clients:
        client.wide = False
    return seen


def _names(collector: Collector) -> set[str]:
    folder = collector.data / _IDS
    return {path.name for path in folder.iterdir()} if folder.exists() else set()


def _ids(collector: Collector, clients: Sequence[Client], rng: random.Random) -> bool:
    """While the index of ids writes or merges its files. With small loads it does so when the collector stops."""
    known, changes = [_names(collector)], rng.randint(1, 4)
    _any_time_of_load(rng)
    collector.terminate()

    def changed() -> bool:
        if (names := _names(collector)) != known[-1]:
            known.append(names)
        return len(known) > changes or collector.ended

    wait_until(changed, _SEARCH_S, pause=0)
    _kill(collector, rng, 0.002)
    return len(known) > 1


def _stopping(collector: Collector, clients: Sequence[Client], rng: random.Random) -> bool:
    """While the last connection closes: the checkpoint at the end, and the write-ahead log taken away."""
    _any_time_of_load(rng)
    before = _written(collector)
    collector.terminate()
    seen = wait_until(lambda: _written(collector) != before or collector.ended, _SEARCH_S)
    _kill(collector, rng, 0.003)
    return seen


def _any_time_of_load(rng: random.Random) -> None:
    time.sleep(rng.uniform(0.02, 0.15))


AT_START = ("migrating", "starting")
"""Those that strike before the collector listens."""

AIMS: dict[str, Aim] = {
    "any instant": Aim(_any_instant, loaded=True),
    "checkpoint": Aim(_checkpoint, loaded=True),
    "ids": Aim(_ids, loaded=True),
    "stopping": Aim(_stopping, loaded=True),
    "starting": Aim(_starting, loaded=False),
    "migrating": Aim(_migrating, loaded=False),
}
