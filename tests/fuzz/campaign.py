"""Real collectors under fuzz, one after another, and what is in their logs at the end."""

from __future__ import annotations

import asyncio
import itertools
import signal
import threading
from collections import Counter
from pathlib import Path
from random import Random
from typing import Any
from urllib.parse import urlsplit

import msgspec

from collector_process import CollectorProcess
from fuzz.bodies import Bodies
from fuzz.judging import same_as_stored
from fuzz.pipelined import send_all
from fuzz.questions import PLAN
from fuzz.surface import Asked, Surface
from fuzz.taking import PLANS
from fuzz.wire import BodyRequest, Judge, QuestionRequest, now_ms
from kizashi_collector.analysis import LoggedEvent
from kizashi_collector.store import SqliteLog

__all__ = ["Campaign"]

CONNECTIONS = 16
DEPTH = 16


class _Log(threading.Thread):
    """Reads what a collector logs, so that its pipe never fills, and keeps what tells of errors nobody expected."""

    def __init__(self, collector: CollectorProcess) -> None:
        super().__init__(daemon=True)
        assert collector.process.stderr is not None
        self._lines = collector.process.stderr
        self.traces: list[str] = []
        self.start()

    def run(self) -> None:
        """Read to the end."""
        for line in self._lines:
            if "Traceback" in line or '"level":"error"' in line or " ERROR " in line:
                self.traces.append(line[:4_000])


class Campaign:
    """Counts what was sent, what was told, and keeps what was untrue with the request that it was said to."""

    def __init__(self, seed: int) -> None:
        self.random = Random(seed)
        self.told: Counter[str] = Counter()
        self.events: Counter[str] = Counter()
        self.untrue: list[tuple[str, bytes]] = []
        self.bodies = self.questions = self.stored = 0

    def fuzz_bodies(self, folder: Path, plan: str, count: int) -> None:
        """Send so many bodies to a collector of its own, stop it, and compare its log with what it had answered."""
        text, plain, retention = PLANS[plan]
        options = ["--query-timeout", "60s"]
        if text is not None:
            folder.mkdir(parents=True, exist_ok=True)
            (folder / "plan.toml").write_text(text)
            options += ["--plan", str(folder / "plan.toml")]
        judge = Judge(plain, retention)
        bodies = Bodies(self.random, now_ms)
        requests = (BodyRequest(bodies.sent(), self.random) for _ in range(count))
        with CollectorProcess(folder / "data", *options) as collector:
            log = _Log(collector)
            asyncio.run(send_all(_address(collector), [requests] * CONNECTIONS, judge.body, DEPTH))
            listed = asyncio.run(self._listed(collector, judge))
            self._stopped(collector, log)
        self.bodies += count
        self._compare(asyncio.run(_whole_log(folder / "data")), judge, listed)
        self._close(judge)

    def fuzz_questions(self, folder: Path, count: int) -> None:
        """Ask a collector with a few events anything, and put plans in force the while."""
        judge = Judge()
        surface = Surface(self.random)
        bodies = Bodies(self.random, now_ms, "q")
        few = (BodyRequest(bodies.sent(), self.random) for _ in range(60))
        key = (b"Authorization", b"Bearer a-secret")
        first = [QuestionRequest(Asked(b"POST", b"/v1/plan", (key, (b"Content-Type", b"text/toml")), PLAN.encode()))]
        asked = itertools.chain(first, (QuestionRequest(surface.asked()) for _ in range(count)))
        with CollectorProcess(folder / "data", "--query-timeout", "60s") as collector:
            log = _Log(collector)
            asyncio.run(send_all(_address(collector), [few], judge.body))
            asyncio.run(send_all(_address(collector), [asked] * CONNECTIONS, judge.question))
            self._stopped(collector, log)
        self.questions += count
        self._close(judge)
        # Whatever plan was put in force last, a new process starts with it.
        with CollectorProcess(folder / "data") as collector:
            self._stopped(collector, _Log(collector))

    async def _listed(self, collector: CollectorProcess, judge: Judge) -> list[dict[str, Any]]:
        """What GET /v1/events and /v1/rejected list at the end."""
        listed: list[dict[str, Any]] = []

        async def told(request: QuestionRequest, answer: Any) -> None:
            await judge.question(request, answer)
            if answer is not None and answer.status == 200 and b"events" in request.asked.target:
                listed.extend(msgspec.json.decode(answer.body)["events"])

        key = (b"Authorization", b"Bearer r-secret")
        targets = (
            b"/v1/events?limit=1000",
            b"/v1/rejected?limit=1000",
            b"/v1/summary?window=3660d&by=campaign",
            b"/metrics",
        )
        asked = iter([QuestionRequest(Asked(b"GET", target, (key,))) for target in targets])
        await send_all(_address(collector), [asked], told)
        return listed

    def _stopped(self, collector: CollectorProcess, log: _Log) -> None:
        if collector.process.poll() is not None:
            self.untrue.append(("the collector's process ended by itself", b""))
        collector.send(signal.SIGTERM)
        code = collector.process.wait(timeout=30)
        log.join()
        if code != 0 or log.traces:
            self.untrue.append((f"the collector ended with {code}: {log.traces[:3]}", b""))

    def _compare(self, stored: list[LoggedEvent], judge: Judge, listed: list[dict[str, Any]]) -> None:
        found = Counter(event.id for event in stored)
        self.stored += len(stored)
        twice = [key for key, times in found.items() if times > 1]
        lost = [key for key in judge.must if key not in found]
        for what, keys in (("is stored twice", twice), ("was accepted, and is not stored", lost)):
            self.untrue += [(f"the id {key!r} {what}", b"") for key in keys[:5]]
        if judge.events["accepted"] > len(found):
            self.untrue.append((f"{judge.events['accepted']} were accepted, and {len(found)} are stored", b""))
        for event in stored:
            expected = judge.must.get(event.id)
            if expected is not None and not same_as_stored(event, expected, times=False):
                self.untrue.append((f"stored {event}, and sent was {expected}", b""))
        newest = [event.id for event in stored[:1000]]
        if [event["id"] for event in listed] != newest:
            self.untrue.append((f"the listing has {len(listed)} events, and they are not the newest of the log", b""))

    def _close(self, judge: Judge) -> None:
        self.told += judge.told
        self.events += judge.events
        self.untrue += judge.untrue


def _address(collector: CollectorProcess) -> tuple[str, int]:
    parts = urlsplit(collector.url)
    assert parts.hostname is not None
    assert parts.port is not None
    return parts.hostname, parts.port


async def _whole_log(folder: Path) -> list[LoggedEvent]:
    log = SqliteLog(folder)
    try:
        return await log.newest(10**9)
    finally:
        await log.close()
