"""A shop whose work is done by Celery, for test_celery.py: its worker and those who publish import this module."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from celery import Celery

import kizashi
from frameworks.whole_messages import BROKER
from kizashi.celery import connect

FOLDER = Path(os.environ["SHOP_FOLDER"])
DONE = FOLDER / "done"

app = Celery("shop", broker=BROKER, set_as_current=False)
app.conf.update(
    broker_transport_options={
        "data_folder_in": str(FOLDER / "queue"),
        "data_folder_out": str(FOLDER / "queue"),
        "control_folder": str(FOLDER / "control"),
        "polling_interval": 0.02,
    },
    broker_connection_retry_on_startup=True,
    task_ignore_result=True,
    worker_prefetch_multiplier=1,
    worker_send_task_events=False,
)
connect(app)
# So long that only a flush at the end of a process sends anything.
kizashi.configure(flush_interval=3_600)


def _done(what: str) -> None:
    """Leave a file that says who did it, whole from the first moment."""
    unfinished = FOLDER / f"{what}.{os.getpid()}"
    unfinished.write_text(str(os.getpid()))
    unfinished.rename(DONE / what)


def buy(number: int, actor: str | None = None) -> None:
    """Track what was bought, by whoever the context says unless somebody is named."""
    kizashi.track("purchase", actor=actor, order=number, value=number, currency="JPY")
    _done(f"buy-{number}")


def hesitate(task: Any) -> None:
    """Fail twice, then succeed; who acts stays the same all along."""
    kizashi.track("mv_try", properties={"retries": task.request.retries})
    if task.request.retries < 2:
        raise task.retry(countdown=0)
    _done("hesitate")


def publish() -> None:
    """Publish another task from within this one, for somebody else; then run one at once, in place."""
    with kizashi.context(session="s-changed"):
        tasks["buy"].apply_async((901,), link=tasks["buy"].si(902))
    tasks["buy"].apply((903,))
    kizashi.track("mv_after_nested")
    _done("publish")


def fail() -> None:
    """Track, and fail."""
    kizashi.track("mv_failed")
    _done("fail")
    raise ValueError("the site's own")


tasks: dict[str, Any] = {
    "buy": app.task(buy, name="buy"),
    "hesitate": app.task(hesitate, name="hesitate", bind=True, max_retries=5),
    "publish": app.task(publish, name="publish"),
    "fail": app.task(fail, name="fail"),
}
