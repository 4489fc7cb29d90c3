"""Celery as it is run: a worker with a prefork pool, tasks from another process, and a warm shutdown by SIGTERM."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from celery import Celery

import kizashi
from kizashi.celery import connect
from kizashi.testing import TrackedEvents, recorded
from sdk.scripted_collector import Collector, collecting

HERE = Path(__file__).parent
SECONDS = 60.0


@pytest.fixture
def collector() -> Iterator[Collector]:
    with collecting() as collector:
        yield collector


def wait_until(holds: Callable[[], bool], worker: Worker) -> None:
    deadline = time.monotonic() + SECONDS
    while not holds():
        assert worker.process.poll() is None, worker.log.read_text()
        assert time.monotonic() < deadline, worker.log.read_text()
        time.sleep(0.01)


class Shop:
    """The processes of a site that work through one folder."""

    def __init__(self, folder: Path, endpoint: str) -> None:
        self.folder = folder
        for name in ("queue", "control", "done"):
            (folder / name).mkdir()
        clean = {key: value for key, value in os.environ.items() if not key.startswith(("KIZASHI_", "CELERY_"))}
        paths = [str(HERE), str(HERE.parent), *filter(None, [clean.get("PYTHONPATH")])]
        own = {"KIZASHI_ENDPOINT": endpoint, "SHOP_FOLDER": str(folder), "PYTHONPATH": os.pathsep.join(paths)}
        self.environment = clean | own

    def publish(self, program: str) -> None:
        """Run a program that publishes tasks, and ends."""
        program = f"import kizashi\nfrom celery_shop import tasks\n{program}"
        subprocess.run([sys.executable, "-c", program], env=self.environment, check=True, timeout=SECONDS)

    def done(self) -> dict[str, int]:
        """What the tasks say that they have done, and in which process."""
        return {path.name: int(path.read_text()) for path in (self.folder / "done").iterdir()}


class Worker:
    """A worker of the shop, with two processes in its pool."""

    def __init__(self, shop: Shop, *options: str) -> None:
        self.log = shop.folder / "worker.log"
        quiet = ["--without-gossip", "--without-mingle", "--without-heartbeat", "--loglevel", "WARNING"]
        command = [sys.executable, "-m", "celery", "-A", "celery_shop:app", "worker", "--pool", "prefork", *quiet]
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [*command, "--concurrency", "2", *options],
                env=shop.environment,
                cwd=shop.folder,
                stdout=log,
                stderr=subprocess.STDOUT,
            )

    def stop(self) -> None:
        """Shut it down warmly: what runs is finished."""
        self.process.send_signal(signal.SIGTERM)
        assert self.process.wait(SECONDS) == 0, self.log.read_text()


@contextmanager
def working(shop: Shop, *options: str) -> Iterator[Worker]:
    worker = Worker(shop, *options)
    try:
        yield worker
    finally:
        worker.process.kill()
        worker.process.wait()


def test_whatever_tasks_track_arrives_with_the_context_of_who_published_them(
    collector: Collector, tmp_path: Path
) -> None:
    shop = Shop(tmp_path, collector.url)
    shop.publish(
        """
known = dict(source={"campaign": "brand"}, consent={"ads": False})
for number in range(1, 31):
    with kizashi.context(actor=f"v-{number}", session=f"s-{number}", **known):
        tasks["buy"].delay(number)
tasks["buy"].delay(31, actor="v-31")
tasks["buy"].apply_async((32, "v-32"), headers={"kizashi": ["what", "is", "this"]})
with kizashi.context(actor="v-h"):
    tasks["hesitate"].delay()
with kizashi.context(actor="v-p", session="s-p"):
    tasks["publish"].delay()
with kizashi.context(actor="v-f"):
    tasks["fail"].delay()
tasks["buy"].delay(33, actor="v-33")
"""
    )
    bought = {f"buy-{number}" for number in [*range(1, 34), 901, 902, 903]}
    with working(shop) as worker:
        wait_until(lambda: shop.done().keys() == bought | {"hesitate", "publish", "fail"}, worker)
        assert collector.events == [], "flush_interval should keep everything until the processes end"
        worker.stop()

    purchases = {int(event["order"]): event for event in collector.events if event["name"] == "purchase"}
    assert sorted(purchases) == sorted(int(name.removeprefix("buy-")) for name in bought)
    for number in range(1, 31):
        event = purchases[number]
        assert (event["actor"], event["session"]) == (f"v-{number}", f"s-{number}")
        assert (event["source"], event["consent"]) == ({"campaign": "brand"}, {"ads": False})
    for number in (31, 32, 33):  # without a context, or after one that was left
        assert purchases[number]["actor"] == f"v-{number}"
        assert not {"session", "source", "consent"} & purchases[number].keys()
    nested = [(purchases[number]["actor"], purchases[number]["session"]) for number in (901, 902, 903)]
    assert nested == [("v-p", "s-changed"), ("v-p", "s-changed"), ("v-p", "s-p")]
    rest = [event for event in collector.events if event["name"] != "purchase"]
    assert sorted((event["name"], event["actor"]) for event in rest) == [
        ("mv_after_nested", "v-p"),
        ("mv_failed", "v-f"),
        ("mv_try", "v-h"),
        ("mv_try", "v-h"),
        ("mv_try", "v-h"),
    ]
    assert len({event["id"] for request in collector.requests for event in request.events}) == len(collector.events)


def test_a_process_that_is_replaced_flushes_before_it_ends(collector: Collector, tmp_path: Path) -> None:
    shop = Shop(tmp_path, collector.url)
    shop.publish('for number in range(1, 5): tasks["buy"].delay(number, actor=f"v-{number}")')
    with working(shop, "--max-tasks-per-child", "1") as worker:
        wait_until(lambda: len(collector.events) == 4, worker)


def test_a_process_that_is_told_to_end_flushes_before(collector: Collector, tmp_path: Path) -> None:
    shop = Shop(tmp_path, collector.url)
    shop.publish('tasks["buy"].delay(1, actor="v-1")')
    with working(shop) as worker:
        wait_until(lambda: "buy-1" in shop.done(), worker)
        os.kill(shop.done()["buy-1"], signal.SIGTERM)
        wait_until(lambda: len(collector.events) == 1, worker)


@pytest.fixture
def events() -> Iterator[TrackedEvents]:
    with recorded() as events:
        yield events


@pytest.fixture
def eager() -> Celery:
    app = Celery("eager", set_as_current=False)
    app.conf.update(task_always_eager=True, task_eager_propagates=True)
    for _ in range(2):
        connect(app)
    return app


def test_eager_tasks_have_the_callers_context_and_leave_it(eager: Celery, events: TrackedEvents) -> None:
    def inner() -> None:
        kizashi.track("mv_inner")

    def outer() -> None:
        with kizashi.context(session="s-inner"):
            inner_task.delay()
            inner_task.apply_async(headers={"kizashi": {"actor": "v-2"}})
        kizashi.track("mv_outer")

    inner_task, outer_task = eager.task(inner), eager.task(outer)
    with kizashi.context(actor="v-1"):
        outer_task.delay()
        kizashi.track("mv_after")
    assert [(event.name, event.actor, event.session) for event in events] == [
        ("mv_inner", "v-1", "s-inner"),
        ("mv_inner", "v-2", "s-inner"),
        ("mv_outer", "v-1", None),
        ("mv_after", "v-1", None),
    ]


def test_the_tasks_own_exceptions_pass(eager: Celery, events: TrackedEvents) -> None:
    def fail() -> None:
        kizashi.track("mv_failed", actor="v-1")
        raise ValueError("the site's own")

    with pytest.raises(ValueError, match="the site's own"):
        eager.task(fail).apply(headers={"kizashi": 7})
    events.one("mv_failed")


def test_what_is_no_app_is_refused() -> None:
    with pytest.raises(TypeError, match="app is of type str"):
        connect("shop")


def test_the_example_of_the_documentation_works() -> None:
    blocks = re.findall(r"```python\n(.*?)```", (HERE.parents[1] / "docs" / "jobs.md").read_text("utf-8"), re.DOTALL)
    (example,) = (block for block in blocks if "kizashi.celery" in block)
    check = "from celery.signals import before_task_publish\nassert before_task_publish.receivers"
    subprocess.run([sys.executable, "-c", f"{example}\n{check}"], check=True, timeout=SECONDS)
