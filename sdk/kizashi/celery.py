"""Who acts travels with Celery's tasks, and what tasks track leaves before a pool's process ends.

from kizashi.celery import connect

app = Celery("shop")
connect(app)
"""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Any

from celery import Celery, signals

from kizashi._baggage import KEY, carried, carry
from kizashi._processes import flush_all
from kizashi._swallow import swallowing

__all__ = ["connect"]

# An attribute of the request, which lives for one run of a task: eager and nested runs have requests of their own.
_ENTERED = "_kizashi_entered"


def connect(app: Celery | None = None) -> None:
    """Carry the context of `kizashi.context` into tasks, and flush when a process of the prefork pool ends.

    Call it once where the app is made, in the process that publishes as in the worker; calling it again is harmless.
    Celery's signals belong to the process: every app in it is served, whether `app` is given or not.

    At publishing, the present actor, session, source and consent go into the task's headers, at most 8 KiB; the worker
    enters them for the run of the task, so that retries, callbacks and what the task publishes itself carry them on. A
    task that runs eagerly has the caller's context anyway.

    A process of the prefork pool ends by os._exit, which runs no exit handlers: it flushes before, each client within
    its exit timeout. What a process has not sent yet when it is killed (hard time limit, cold shutdown) is lost, unless
    there is a spool.
    """
    if app is not None and not isinstance(app, Celery):
        raise TypeError(f"app is of type {type(app).__name__}; pass a Celery app, or nothing")
    for signal, receiver in (
        (signals.before_task_publish, _publishing),
        (signals.task_prerun, _starting),
        (signals.task_postrun, _ending),
        (signals.worker_process_shutdown, _leaving),
    ):
        signal.connect(receiver, weak=False, dispatch_uid=f"kizashi{receiver.__name__}")


def _publishing(headers: dict[str, Any] | None = None, **_: object) -> None:
    with swallowing("carry the context into a task"):
        data = carry()
        if data is not None and headers is not None:
            headers[KEY] = data


def _starting(task: Any = None, **_: object) -> None:
    with swallowing("enter the context of a task"):
        data = (task.request.headers or {}).get(KEY)
        if data is not None:
            around = carried(data)
            around.__enter__()
            setattr(task.request, _ENTERED, around)


def _ending(task: Any = None, **_: object) -> None:
    with swallowing("leave the context of a task"):
        around: AbstractContextManager[None] | None = vars(task.request).pop(_ENTERED, None)
        if around is not None:
            around.__exit__(None, None, None)


def _leaving(**_: object) -> None:
    with swallowing("flush at the end of a process"):
        flush_all()
