"""Recording how jobs ended."""

import time
import zlib
from base64 import b64encode
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import NamedTuple

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


class CompleteArguments(NamedTuple):
    """Then comes an `EndedEntry` for each job."""

    results_prefix: str
    worker_state: str
    result_ttl_s: int
    failure_ttl_s: int


class EndedEntry(NamedTuple):
    """One job that has ended."""

    job_id: str
    execution_id: str
    status: str
    failure: str | bytes
    """Compressed and encoded as RQ does it; "" if nothing went wrong."""
    started_s: float
    ended_s: float
    ended_at: str

    @classmethod
    def of(cls, job: EndedJob) -> "EndedEntry":
        """A job's entry."""
        started, status, failure, at_s = job
        return cls(
            job_id=started.job_id,
            execution_id=started.execution_id,
            status=status.value,
            failure=b64encode(zlib.compress(failure.encode(errors="replace"))) if failure else "",
            started_s=started.at_s,
            ended_s=at_s,
            ended_at=utcformat(datetime.fromtimestamp(at_s, UTC)),
        )


class JobCompleter:
    """Completes the jobs of one worker.

    Args:
        queue: where the jobs came from.
        worker_name: RQ's name of the worker.
    """

    def __init__(self, queue: Queue, *, worker_name: str) -> None:
        self._queue = queue
        self._script = RecordScript(
            "complete", queue.connection, queue=queue, worker_name=worker_name
        )

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
            arguments=CompleteArguments(
                results_prefix=Result.get_key(""),  # type: ignore[no-untyped-call]
                worker_state=WorkerStatus.IDLE.value if idle else "",
                result_ttl_s=DEFAULT_RESULT_TTL,
                failure_ttl_s=DEFAULT_FAILURE_TTL,
            ),
            entries=map(EndedEntry.of, batch),
        )


def ended(
    started: StartedJob, status: JobStatus = JobStatus.FINISHED, failure: str = ""
) -> EndedJob:
    """A job that ends at this moment."""
    return EndedJob(started, status, failure, time.time())
