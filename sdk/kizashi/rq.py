"""Who acts travels with RQ's jobs, and what jobs track leaves before the work-horse ends.

    from kizashi.rq import KizashiJob

    queue = Queue("default", connection=redis, job_class=KizashiJob)

and `rq worker --worker-class kizashi.rq.KizashiWorker` in place of `rq worker`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rq.job import Job
from rq.worker import BaseWorker, SimpleWorker, Worker

from kizashi._baggage import KEY, carried, carry
from kizashi._processes import flush_all
from kizashi._swallow import swallowing

if TYPE_CHECKING:
    from rq.queue import Queue

__all__ = ["KizashiJob", "KizashiSimpleWorker", "KizashiWorker"]


class KizashiJob(Job):
    """A job that takes along what `kizashi.context` says where it is enqueued: actor, session, source and consent.

    They lie in the job's meta under `kizashi`, at most 8 KiB, and stay there for retries. Scheduled jobs and jobs with
    dependencies take along what is said when they are made.
    """

    @classmethod
    def create(cls, *args: Any, **options: Any) -> Job:
        """Make a job as RQ does, with the present context in its meta."""
        job = super().create(*args, **options)
        with swallowing("carry the context into a job"):
            data = carry()
            if data is not None:
                # Not into the mapping that was passed: it belongs to the caller, who may pass it again.
                job.meta = {**job.meta, KEY: data}
        return job


class _Carrying(BaseWorker):
    # RQ 2 names the execution nowhere, RQ 3 as a third argument.
    def perform_job(self, job: Job, queue: Queue, *execution: Any, **options: Any) -> bool:
        """Run a job and its callbacks inside the context that it brought along."""
        try:
            with carried(_brought(job)):
                return super().perform_job(job, queue, *execution, **options)
        finally:
            if self.is_horse:  # it ends by os._exit, which runs no exit handlers
                with swallowing("flush at the end of a work-horse"):
                    flush_all()


class KizashiWorker(_Carrying, Worker):
    """A worker whose jobs run in the context that they brought along, and whose work-horse flushes before it ends.

    The flush takes each client's exit timeout at most, and no time where the job tracked nothing. To have it with
    another of RQ's forking workers, name both: `class MyWorker(KizashiWorker, RoundRobinWorker)`. A SpawnWorker's
    work-horse is a plain Worker, whatever class was asked for: it knows nothing of this.
    """


class KizashiSimpleWorker(_Carrying, SimpleWorker):
    """The same without work-horses: the worker's own process runs the jobs, and delivers in the background."""


def _brought(job: Job) -> object:
    with swallowing("read the context of a job"):
        return job.meta.get(KEY)
    return None
