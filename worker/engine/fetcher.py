"""Fetching jobs from the queue."""

from typing import NamedTuple
from uuid import uuid4

from rq import Queue
from rq.utils import as_text, now, utcformat

from dingda.worker.engine.records import RecordScript, StartedJob
from dingda.worker.engine.repair import report


class FetchArguments(NamedTuple):
    """Then comes a `FetchEntry` for each job wanted."""

    started_at: str
    started_s: float
    heartbeat_s: int
    reserved: bytes


class FetchEntry(NamedTuple):
    """One job wanted."""

    execution_id: str


class JobFetcher:
    """Fetches jobs for one worker.

    Args:
        queue: where the jobs come from.
        worker_name: RQ's name of the worker.
        heartbeat_s: seconds between two heartbeats of the worker.
    """

    def __init__(self, queue: Queue, *, worker_name: str, heartbeat_s: int) -> None:
        self._queue = queue
        self._heartbeat_s = heartbeat_s
        self._script = RecordScript("fetch", queue, worker_name)

    def fetch(self, limit: int, *, reserved: bytes | None = None) -> list[StartedJob]:
        """Dequeue up to `limit` jobs and mark them started, in one script call. Blocks.

        An id that RQ can't have written is dequeued as well, and logged.

        Args:
            limit: the maximum number of jobs.
            reserved: the id of a job that is in RQ's intermediate queue already; it comes first.
        """
        at = now()
        at_s = at.timestamp()
        found = self._script(
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
            ),
            entries=[FetchEntry(uuid4().hex) for _ in range(limit)],
        )
        started = []
        for job_id, execution_id, data in zip(found[::3], found[1::3], found[2::3], strict=True):
            if execution_id:
                started.append(StartedJob(as_text(job_id), as_text(execution_id), data, at_s))
            else:
                report(self._queue.key, job_id)
        return started
