"""RQ as it is run: `rq worker` in a process of its own, which forks a work-horse for each job."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fakeredis import FakeStrictRedis, TcpFakeServer
from redis import Redis
from redis.exceptions import ResponseError
from rq import Callback, Queue, Retry
from rq.job import Job

import kizashi
from kizashi.rq import KizashiJob, KizashiSimpleWorker
from kizashi.testing import TrackedEvents, recorded
from sdk.scripted_collector import Collector, collecting

HERE = Path(__file__).parent
SECONDS = 60.0
TUPLE = re.compile(rb"\('([^']*)', (\d+)\)")


@pytest.fixture
def collector() -> Iterator[Collector]:
    with collecting() as collector:
        yield collector


def outspoken(handler: Any) -> type[Any]:
    """Let fakeredis answer errors and go on, as Redis does: it hangs up after one, and RQ asks for what it has not. And
    let it tell addresses as Redis does, which are no tuples of Python."""

    class Outspoken(handler):  # type: ignore[misc]  # a class that is known at run time only
        def setup(self) -> None:
            super().setup()
            read = self.current_client.read_response

            def read_response() -> object:
                try:
                    answer = read()
                except ResponseError as error:
                    return error
                return type(answer)(TUPLE.sub(rb"\1:\2", answer)) if isinstance(answer, bytes) else answer

            self.current_client.read_response = read_response

    return Outspoken


@pytest.fixture
def redis_url() -> Iterator[str]:
    server = TcpFakeServer(("127.0.0.1", 0), server_type="redis")
    server.RequestHandlerClass = outspoken(server.RequestHandlerClass)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    yield f"redis://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    thread.join()
    server.server_close()


def work_off(redis_url: str, endpoint: str, *options: str) -> str:
    """Run a worker until the queue is empty, as a user would start it; return what it printed."""
    clean = {key: value for key, value in os.environ.items() if not key.startswith(("KIZASHI_", "RQ_"))}
    paths = [str(HERE), *filter(None, [clean.get("PYTHONPATH")])]
    own = {"KIZASHI_ENDPOINT": endpoint, "PYTHONPATH": os.pathsep.join(paths)}
    rq = [sys.executable, "-c", "from rq.cli import main; main()"]
    command = [*rq, "worker", "--burst", "--url", redis_url, "--worker-class", "kizashi.rq.KizashiWorker", *options]
    result = subprocess.run(command, env=clean | own, capture_output=True, text=True, timeout=SECONDS, check=False)
    assert result.returncode == 0, result.stderr
    return result.stdout + result.stderr


def test_whatever_jobs_track_arrives_with_the_context_of_who_enqueued_them(
    collector: Collector, redis_url: str
) -> None:
    with Redis.from_url(redis_url) as redis:
        queue = Queue("default", connection=redis, job_class=KizashiJob)
        for number in range(1, 6):
            with kizashi.context(
                actor=f"v-{number}", session="s-1", source={"campaign": "brand"}, consent={"ads": False}
            ):
                queue.enqueue("rq_shop.buy", number, on_success=Callback("rq_shop.on_success"))
        queue.enqueue("rq_shop.buy", 6, actor="v-6")
        queue.enqueue("rq_shop.buy", 7, actor="v-7", meta={"kizashi": ["what", "is", "this"]})
        with kizashi.context(actor="v-f"):
            queue.enqueue("rq_shop.fail", retry=Retry(max=1), on_failure=Callback("rq_shop.on_failure"))
        Queue("default", connection=redis).enqueue("rq_shop.buy", 8, actor="v-8")
        log = work_off(redis_url, collector.url)

    assert "the site's own" in log
    purchases = {int(event["order"]): event for event in collector.events if event["name"] == "purchase"}
    assert sorted(purchases) == [1, 2, 3, 4, 5, 6, 7, 8]
    for number in range(1, 6):
        event = purchases[number]
        assert (event["actor"], event["session"]) == (f"v-{number}", "s-1")
        assert (event["source"], event["consent"]) == ({"campaign": "brand"}, {"ads": False})
    for number in (6, 7, 8):
        assert purchases[number]["actor"] == f"v-{number}"
        assert not {"session", "source", "consent"} & purchases[number].keys()
    rest = sorted((event["name"], event["actor"]) for event in collector.events if event["name"] != "purchase")
    assert rest == [
        *(("mv_callback", f"v-{number}") for number in range(1, 6)),
        *[("mv_failed", "v-f")] * 2,  # it was retried once
        *[("mv_regret", "v-f")] * 2,
    ]


@pytest.fixture
def redis() -> Iterator[FakeStrictRedis]:
    with FakeStrictRedis() as redis:
        yield redis


@pytest.fixture
def events() -> Iterator[TrackedEvents]:
    with recorded() as events:
        yield events


def work() -> None:
    kizashi.track("mv_worked")


def test_a_worker_without_work_horses_enters_the_context_and_leaves_it(
    redis: FakeStrictRedis, events: TrackedEvents
) -> None:
    queue = Queue("default", connection=redis, job_class=KizashiJob)
    for number in range(3):
        with kizashi.context(actor=f"v-{number}"):
            queue.enqueue(work)
    with kizashi.context(actor="v-worker"):
        queue.enqueue(work)
        KizashiSimpleWorker([queue], connection=redis).work(burst=True)
        kizashi.track("mv_after")
    assert [(event.name, event.actor) for event in events] == [
        ("mv_worked", "v-0"),
        ("mv_worked", "v-1"),
        ("mv_worked", "v-2"),
        ("mv_worked", "v-worker"),
        ("mv_after", "v-worker"),
    ]


def test_the_callers_own_meta_is_kept_and_not_changed(redis: FakeStrictRedis) -> None:
    queue = Queue("default", connection=redis, job_class=KizashiJob)
    meta: dict[str, Any] = {"trace": 7}
    with kizashi.context(actor="v-1"):
        job = queue.enqueue(work, meta=meta)
    assert meta == {"trace": 7}
    assert KizashiJob.fetch(job.id, connection=redis).meta == {"trace": 7, "kizashi": {"actor": "v-1"}}


def test_without_a_context_a_job_is_as_rq_makes_it(redis: FakeStrictRedis) -> None:
    job = Queue("default", connection=redis, job_class=KizashiJob).enqueue(work)
    assert Job.fetch(job.id, connection=redis).meta == {}


def test_the_example_of_the_documentation_works() -> None:
    page = (HERE.parents[1] / "docs" / "jobs.md").read_text("utf-8")
    (example,) = (block for block in re.findall(r"```python\n(.*?)```", page, re.DOTALL) if "kizashi.rq" in block)
    said: dict[str, Any] = {}
    exec(example, said)
    assert said["queue"].job_class is KizashiJob
    (command,) = re.findall(r"\$ rq worker (.*)", page)
    assert command == "--worker-class kizashi.rq.KizashiWorker default"
