"""Recording how jobs ended."""

import time
import zlib
from base64 import b64encode
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple

from rq import Queue
from rq.defaults import DEFAULT_FAILURE_TTL, DEFAULT_RESULT_TTL
from rq.job import JobStatus
from rq.results import Result
from rq.utils import utcformat
from rq.worker import WorkerStatus

from dingda.worker.engine.records import RecordScript, StartedJob


class EndedJob(NamedTuple):
    """A job that has ended."""

    started: StartedJob
    status: JobStatus
    """FINISHED, FAILED or STOPPED."""
    failure: str
    """What went wrong; "" if nothing did."""
    at_s: float
    """When it ended, by our clock."""


class JobCompleter:
    """Completes the jobs of one worker.

    Args:
        queue: where the jobs came from.
        worker_name: RQ's name of the worker.
    """

    def __init__(self, queue: Queue, *, worker_name: str) -> None:
        self._queue = queue
        self._script = RecordScript("complete", queue, worker_name)

    def complete(self, batch: Sequence[EndedJob], *, idle: bool) -> None:
        """Record that jobs ended, in one script call, idempotently. Blocks.

        Args:
            batch: the jobs.
            idle: whether the worker has no other jobs.
        """
        self._script(
            keys=(
                self._queue.finished_job_registry.key,
                self._queue.failed_job_registry.key,
                self._queue.started_job_registry.key,
            ),
            arguments=(
                Result.get_key(""),  # type: ignore[no-untyped-call]
                WorkerStatus.IDLE.value if idle else "",
                DEFAULT_RESULT_TTL,
                DEFAULT_FAILURE_TTL,
                *(argument for job in batch for argument in _arguments(job)),
            ),
        )


def ended(
    started: StartedJob, status: JobStatus = JobStatus.FINISHED, failure: str = ""
) -> EndedJob:
    """A job that ends at this moment."""
    return EndedJob(started, status, failure, time.time())


def _arguments(job: EndedJob) -> tuple[Any, ...]:
    """The script's arguments for one job."""
    started, status, failure, at_s = job
    return (
        started.job_id,
        started.execution_id,
        status.value,
        b64encode(zlib.compress(failure.encode(errors="replace"))) if failure else "",
        started.at_s,
        at_s,
        utcformat(datetime.fromtimestamp(at_s, UTC)),
    )
