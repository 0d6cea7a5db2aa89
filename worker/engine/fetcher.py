"""Fetching jobs from the queue."""

from typing import NamedTuple
from uuid import uuid4

from redis.asyncio import Redis
from rq import Queue
from rq.suspension import WORKERS_SUSPENDED
from rq.utils import as_text, now, utcformat

from dingda.worker.engine.records import RecordScript, StartedJob
from dingda.worker.engine.repair import report

_PREFIX_DIGITS = 28
"""Of an execution's id, which has 32 hex digits in RQ: the others number it."""


class FetchArguments(NamedTuple):
    """What to take, and what to write of it."""

    started_at: str
    started_s: float
    heartbeat_s: int
    reserved: bytes
    limit: int
    execution_prefix: str


class JobFetcher:
    """Fetches jobs for one worker.

    Args:
        queue: where the jobs come from.
        redis: a client that does not decode responses.
        worker_name: RQ's name of the worker.
        heartbeat_s: seconds between two heartbeats of the worker.
    """

    def __init__(self, queue: Queue, redis: Redis, *, worker_name: str, heartbeat_s: int) -> None:
        self._queue = queue
        self._redis = redis
        self._heartbeat_s = heartbeat_s
        self._script = RecordScript("fetch", redis, queue=queue, worker_name=worker_name)

    async def are_workers_suspended(self) -> bool:
        """Whether no worker may take jobs at present (`rq suspend`)."""
        return bool(await self._redis.exists(WORKERS_SUSPENDED))

    async def reserve(self, wait_s: float) -> bytes | None:
        """Move the next job to RQ's intermediate queue, as RQ does (RQ 3.0, `Queue.lmove`).

        Args:
            wait_s: how long to wait for one, in seconds.

        Returns:
            The job's id, to be fetched next; None if none came.
        """
        queue, taken = self._queue, self._queue.intermediate_queue_key
        # Redis takes fractions of a second.
        return await self._redis.blmove(queue.key, taken, wait_s)  # type: ignore[arg-type, return-value]

    async def fetch(self, limit: int, *, reserved: bytes | None = None) -> list[StartedJob]:
        """Dequeue up to `limit` jobs and mark them started, in one script call.

        An id that RQ can't have written is dequeued as well, and logged.

        Args:
            limit: the maximum number of jobs.
            reserved: the id of a job that is in RQ's intermediate queue already; it comes first.
        """
        at = now()
        at_s = at.timestamp()
        found = await self._script(
            keys=(
                self._queue.key,
                self._queue.intermediate_queue_key,
                self._queue.started_job_registry.key,
            ),
            arguments=FetchArguments(
                started_at=utcformat(at),
                started_s=at_s,
                heartbeat_s=self._heartbeat_s,
                reserved=b"" if reserved is None else b"=" + reserved,
                limit=limit,
                # One UUID, not one for each job: a hundred would delay the first job.
                execution_prefix=uuid4().hex[:_PREFIX_DIGITS],
            ),
        )
        started = []
        for job_id, execution_id, data in zip(found[::3], found[1::3], found[2::3], strict=True):
            if execution_id:
                started.append(StartedJob(as_text(job_id), as_text(execution_id), data, at_s))
            else:
                report(self._queue.key, job_id)
        return started
