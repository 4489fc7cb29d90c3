"""Record what a collector under load writes and syncs, then open its store on disks as a power loss may leave them."""

from __future__ import annotations

import asyncio
import http.client
import json
import random
import shutil
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from msgspec import Struct
from msgspec.structs import replace

from crash.clients import Client, ask, post
from crash.disk import Disk, write_image
from crash.kills import PLAN_DOCUMENT, read_log
from crash.process import Collector
from crash.record import Damage, Record, Told
from crash.trace import Call, Reply, read_trace, tracer
from kizashi_collector.analysis import LoggedEvent
from kizashi_collector.store import Candidate, SqliteLog, StoreError

__all__ = ["Loss", "Recording", "losses", "record_lives"]

_CLIENTS = 3
_ALL = 10**9
_BATCH = 250  # of the widest events, within what one body may hold


class Recording(Struct, frozen=True):
    """Several lives of a collector on one folder: what it did, what it said when, and the log in the end."""

    calls: list[Call]
    replies: list[tuple[Reply, tuple[Told, ...]]]
    plan_told: int
    end: int
    record: Record
    log: list[LoggedEvent]
    fresh: bool

    def told(self, instant: int) -> list[Told]:
        """The verdicts that were on their way to clients at this instant of the trace."""
        return [one for reply, told in self.replies if reply.begin < instant for one in told]

    def without_syncs_of(self, suffix: str) -> Recording:
        """The same, had the collector not synced these files: to see that their loss would be noticed."""
        calls = [call for call in self.calls if call.kind != "sync" or not call.paths[0].endswith(suffix)]
        return replace(self, calls=calls)


class Loss(Struct, frozen=True):
    """One power loss: its instant, how many events had been acknowledged, the damage, and the seconds of opening."""

    instant: int
    acknowledged: int
    damage: Damage
    seconds: float
    by_collector: bool


def record_lives(
    folder: Path, rng: random.Random, now: int, lives: Sequence[str], batches: int, *, fresh: bool = False
) -> Recording:
    """Run a collector under strace, once for each of `lives`, which end by "stop" or by "kill"; in an empty folder.

    Each client sends so many batches in a life, most of them wide in the lives marked with `+`. The data folder
    is there before, as a mounted volume is; with `fresh`, the collector has to make it in a folder that is.
    """
    volume = folder / "volume"
    volume.mkdir()
    data = volume / "data" if fresh else volume
    record = Record()
    clients = [Client(f"c{n}", record, random.Random(rng.random()), now, vanishing=0) for n in range(_CLIENTS)]
    calls: list[Call] = []
    replies: list[tuple[Reply, tuple[Told, ...]]] = []
    end = plan_told = 0
    for number, life in enumerate(lives):
        output = folder / f"trace-{number}"
        collector = Collector(data, under=tracer(output), outputs=folder)
        try:
            address = collector.listening()
            if number == 0:
                _set_plan(address)
            for client in clients:
                client.wide = life.endswith("+")
            _load(clients, address, batches)
            if life.startswith("stop"):
                collector.stop()
        finally:
            collector.kill()
        more, spoken, end = read_trace(output, volume, end)
        output.unlink()
        calls += more
        answers = {(one.port, one.number): one.told for client in clients for one in client.answers}
        told = [(reply, answers.get((reply.port, reply.number), ())) for reply in spoken]
        if number == 0:
            plan_told = told[0][0].begin
        replies += told
        for client in clients:
            client.answers.clear()
    if (issued := Disk(calls).issued()) != (found := _files(volume)):
        wrong = sorted(path for path in {*issued, *found} if issued.get(path) != found.get(path))
        raise RuntimeError(f"the trace does not explain what is in {wrong}: the model of the disk must be mended")
    log, _, _ = read_log(data)
    return Recording(calls, replies, plan_told, end, record, log, fresh)


def _set_plan(address: str) -> None:
    connection = http.client.HTTPConnection(address, timeout=60)
    ask(connection, "POST", "/v1/plan", PLAN_DOCUMENT, key="a-secret")
    connection.close()


def _load(clients: Sequence[Client], address: str, batches: int) -> None:
    threads = [threading.Thread(target=client.run, args=(address, batches)) for client in clients]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def _files(folder: Path) -> dict[str, bytes | None]:
    paths = [path for path in folder.rglob("*") if not path.name.endswith("-shm")]
    return {str(path.relative_to(folder)): None if path.is_dir() else path.read_bytes() for path in paths}


def losses(
    recording: Recording, rng: random.Random, points: int, *, by_collector: int = 0, place: Path | None = None
) -> Iterator[Loss]:
    """Yield what is found after `points` power losses; for so many of them the real collector is started, too.

    Half of them strike when an answer has just been sent, the others anywhere. The disks are rebuilt in `place`, by
    default in memory where the machine has a folder for that.
    """
    disk = Disk(recording.calls)
    instants = [reply.begin + 1 for reply, _ in recording.replies]
    calls = [call.begin + rng.randint(0, 1) for call in recording.calls]
    chosen = set(rng.sample(range(points), min(points, by_collector)))
    # In their order, for the disk's sake.
    for number, instant in enumerate(
        sorted(rng.choice(instants if rng.random() < 0.5 else calls) for _ in range(points))
    ):
        with _folder(place) as folder:
            write_image(disk.after_failure(instant, rng), folder, rng)
            data = folder / "data" if recording.fresh else folder
            yield _look(recording, instant, data, by_collector=number in chosen)


@contextmanager
def _folder(place: Path | None) -> Iterator[Path]:
    memory = Path("/dev/shm")
    if place is None and memory.is_dir():
        place = memory
    folder = Path(tempfile.mkdtemp(prefix="kizashi-", dir=place))
    try:
        (folder / "volume").mkdir()
        yield folder / "volume"
    finally:
        shutil.rmtree(folder)


def _look(recording: Recording, instant: int, folder: Path, *, by_collector: bool) -> Loss:
    told = recording.told(instant)
    began = time.monotonic()
    try:
        if by_collector:
            damage, seconds = _by_collector(told, folder)
        else:
            planned = recording.plan_told < instant
            damage = asyncio.run(_in_process(recording, told, folder, planned=planned))
            seconds = time.monotonic() - began
    except (StoreError, RuntimeError) as error:
        return Loss(instant, len(told), Damage(other=(f"it does not start: {error}",)), 0.0, by_collector)
    return Loss(instant, len(told), damage, seconds, by_collector)


async def _in_process(recording: Recording, told: list[Told], folder: Path, *, planned: bool) -> Damage:
    """Open, compare with what was told, send every event that was ever stored again, and compare once more."""
    log = SqliteLog(folder)
    try:
        found = (await log.newest(_ALL))[::-1]
        rejected, _ = await log.rejected(_ALL)
        damage = recording.record.compare(found, rejected, await log.names(), told)
        if planned and await log.last_plan() is None:
            damage += Damage(lost=("the plan",))
        there = {event.id for event in found}
        twice = []
        outcomes = await log.append([_candidate(event) for event in recording.log])
        for event, outcome in zip(recording.log, outcomes, strict=True):
            if (outcome.verdict == "duplicate" and outcome.code is None) != (event.id in there):
                twice.append(f"{event.id} sent again is {outcome}, and was {event.id in there}")
        found = (await log.newest(_ALL))[::-1]
        if sorted(event.id for event in found) != sorted(event.id for event in recording.log):
            damage += Damage(other=("after everything was sent again, not every event is there once",))
        return damage + Damage(twice=tuple(twice))
    finally:
        await log.close()


def _candidate(event: LoggedEvent) -> Candidate:
    return Candidate(event=event, refusal=None, id=event.id, body=b"", received_at=event.received_at)


def _by_collector(told: list[Told], folder: Path) -> tuple[Damage, float]:
    """Start the collector and send what was acknowledged again."""
    collector = Collector(folder)
    try:
        seconds = collector.ready()
        connection = http.client.HTTPConnection(collector.listening(), timeout=60)
        wrong = []
        accepted = [one.sent for one in told if one.verdict == "accepted"]
        for begin in range(0, len(accepted), _BATCH):
            answer = post(connection, accepted[begin : begin + _BATCH])
            if answer["accepted"] or answer["rejected"] or any(one.get("code") for one in answer["verdicts"]):
                wrong.append(f"sent again: {json.dumps(answer)[:500]}")
        connection.close()
    finally:
        collector.kill()
    return Damage(lost=tuple(wrong)), seconds
