"""Kill a collector under load, start it again on the same folder, compare; many times for each folder."""

from __future__ import annotations

import asyncio
import http.client
import json
import random
import shutil
import threading
import tomllib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from msgspec import Struct

from crash.aims import AIMS, AT_START
from crash.answers import wrong_answers
from crash.clients import Client, ask, post
from crash.load import PLAN
from crash.process import Collector
from crash.record import Damage, Record
from kizashi_collector.analysis import LoggedEvent
from kizashi_collector.store import NameSeen, RejectedRow, SqliteLog

__all__ = ["PLAN_DOCUMENT", "STOPPED", "Kill", "Trial", "plan_of_kills", "read_log"]

STOPPED = "stopped in peace"
"""The last entry of each trial, which is no kill."""

_CLIENTS = 3
_BATCH = 250  # of the widest events, within what one body may hold
_ALL = 10**9
PLAN_DOCUMENT = json.dumps(tomllib.loads(PLAN))


class Kill(Struct, frozen=True):
    """One kill and what it did. `hit`: what was aimed at was going on.

    `start`: the seconds until the collector was ready before it, and the processor time in them.
    """

    aim: str
    hit: bool
    start: tuple[float, float] | None
    damage: Damage


def plan_of_kills(count: int, rng: random.Random) -> list[str]:
    """The aims of one folder's kills: the first while it is made, then every kind in turn, shuffled."""
    kinds = ["any instant", "any instant", "any instant", "checkpoint", "ids", "ids", "starting", "stopping"]
    aims: list[str] = []
    while len(aims) < count - 1:
        aims += rng.sample(kinds, len(kinds))
    return ["migrating", *aims[: count - 1]]


def read_log(folder: Path) -> tuple[list[LoggedEvent], list[RejectedRow], list[NameSeen]]:
    """Open a folder's log as its owner, in this process, and read all of it, oldest first."""

    async def read() -> tuple[list[LoggedEvent], list[RejectedRow], list[NameSeen]]:
        log = SqliteLog(folder)
        try:
            rejected, _ = await log.rejected(_ALL)
            return (await log.newest(_ALL))[::-1], rejected, await log.names()
        finally:
            await log.close()

    return asyncio.run(read())


class Trial:
    """One data folder through many lives. `now` is in milliseconds since 1970; the load's times lie before it."""

    def __init__(self, folder: Path, rng: random.Random, now: int) -> None:
        self._folder, self._rng, self._now = folder, rng, now
        self.data = folder / "data"
        self.record = Record()
        self._planned = False
        # Python's own random.Random is not shared between threads.
        self._clients = [Client(f"c{n}", self.record, random.Random(rng.random()), now) for n in range(_CLIENTS)]
        self._log: list[LoggedEvent] = []

    def run(self, aims: Sequence[str]) -> Iterator[Kill]:
        """Yield each kill after what it left was compared; the last life ends in peace."""
        for aim in aims:
            yield self._life(aim)
        damage, start = self._last_life()
        yield Kill(STOPPED, True, start, damage)

    def _life(self, aim: str) -> Kill:
        collector = Collector(self.data)
        start, damage = None, Damage()
        try:
            if aim not in AT_START:
                start = collector.ready(), collector.processor_seconds
                damage = self._answers(collector)
            with self._load(collector, loaded=AIMS[aim].loaded):
                hit = AIMS[aim].strike(collector, self._clients, self._rng)
        finally:
            collector.kill()
        return Kill(aim, hit, start, damage + self._compare())

    def _last_life(self) -> tuple[Damage, tuple[float, float]]:
        collector = Collector(self.data)
        try:
            start = collector.ready(), collector.processor_seconds
            damage = self._answers(collector)
            with self._load(collector, loaded=True, batches=2):
                pass
            if not all(client.finished() for client in self._clients):
                damage += Damage(other=(f"the collector left batches unanswered: {collector.log}",))
            collector.stop()
        finally:
            collector.kill()
        return damage + self._compare(), start

    @contextmanager
    def _load(self, collector: Collector, *, loaded: bool, batches: int | None = None) -> Iterator[None]:
        address = collector.listening() if loaded else ""
        threads = [threading.Thread(target=client.run, args=(address, batches)) for client in self._clients if loaded]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            if batches is None:
                for client in self._clients:
                    client.stop()
            for thread in threads:
                thread.join()

    def _answers(self, collector: Collector) -> Damage:
        """Everything acknowledged is sent again, and what the collector answers is compared with what is known."""
        connection = http.client.HTTPConnection(collector.listening(), timeout=60)
        wrong: list[str] = []
        if not self._planned:
            ask(connection, "POST", "/v1/plan", PLAN_DOCUMENT, key="a-secret")
            self._planned = True
        if ask(connection, "GET", "/v1/plan")["plan"] is None:
            wrong.append("the plan that was acknowledged is not in force")
        again = self.record.again()
        twice: list[str] = []
        for begin in range(0, len(again), _BATCH):
            batch = again[begin : begin + _BATCH]
            answer = post(connection, [one.sent for one in batch])
            verdicts = {one["index"]: (one["verdict"], one.get("code")) for one in answer["verdicts"]}
            for index, one in enumerate(batch):
                got = verdicts.get(index, ("accepted", None))
                if got != (one.verdict, one.code):
                    text = f"sent again, {one.sent['id']} is {got}, not {(one.verdict, one.code)}"
                    (twice if got[0] == "accepted" else wrong).append(text)
        wrong += wrong_answers(connection, self._log, self._now, self._rng)
        connection.close()
        return Damage(twice=tuple(twice), other=tuple(wrong))

    def _compare(self) -> Damage:
        """Read what is there: of a copy, or of the folder itself, which gets one more start and end by that."""
        if not self.data.exists():
            return Damage()
        folder = self.data
        if self._rng.random() < 0.5:
            folder = self._folder / "copy"
            shutil.copytree(self.data, folder)
        try:
            self._log, rejected, names = read_log(folder)
        finally:
            if folder != self.data:
                shutil.rmtree(folder)
        told_twice, self.record.damage = self.record.damage, Damage()
        return told_twice + self.record.compare(self._log, rejected, names)
