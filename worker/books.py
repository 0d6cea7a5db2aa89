"""RQ's records of the jobs that one worker runs: what RQ writes at a job's start and end.

RQ's own methods take some thirty commands a job, and most of a worker's time. Here a whole batch is
one script call; `tests/integration/test_books.py` compares every key with what RQ itself leaves.
"""

import time
import zlib
from base64 import b64encode
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib import resources
from typing import Any, NamedTuple
from uuid import uuid4

from redis.commands.core import Script
from rq import Queue
from rq.defaults import DEFAULT_FAILURE_TTL, DEFAULT_RESULT_TTL
from rq.executions import Execution, ExecutionRegistry
from rq.job import Job, JobStatus
from rq.results import Result
from rq.utils import as_text, now, utcformat
from rq.worker import WorkerStatus

from dingda.worker.repair import report


class Started(NamedTuple):
    """A job that has started."""

    job_id: str
    execution_id: str
    data: bytes
    """The call, as the job carries it."""
    at_s: float


class Ended(NamedTuple):
    """A job that has ended."""

    started: Started
    status: JobStatus
    """FINISHED, FAILED or STOPPED."""
    failure: str
    """What went wrong; "" if nothing did."""
    at_s: float


class Books:
    """The records of one worker. Its calls block.

    Args:
        queue: where the jobs come from.
        worker_name: RQ's name of the worker.
        worker_key: the key of its hash.
        beat_s: seconds between two heartbeats of the worker.
    """

    def __init__(self, queue: Queue, *, worker_name: str, worker_key: str, beat_s: int) -> None:
        self._queue = queue
        self._connection = queue.connection
        self._worker_name = worker_name
        self._beat_s = beat_s
        self._start = self._script("start")
        self._end = self._script("end")
        nothing = Execution("", "", self._connection, worker_name)
        self._worker_keys = (worker_key, nothing.worker_executions_key)
        self._prefixes = (
            Job.redis_job_namespace_prefix,
            nothing.key.removesuffix(":"),
            ExecutionRegistry("", self._connection).key,
        )

    def start(self, most: int, *, waiting: bytes | None = None) -> list[Started]:
        """Take jobs off the queue, and write down that they started.

        An id that RQ can't have written is taken off as well, and named in the log.

        Args:
            most: how many at the most.
            waiting: a job that stands in the intermediate queue already, to be taken first.
        """
        at = now()
        at_s = at.timestamp()
        found = self._start(
            keys=(
                self._queue.key,
                self._queue.intermediate_queue_key,
                self._queue.started_job_registry.key,
                *self._worker_keys,
            ),
            args=(
                *self._prefixes,
                self._worker_name,
                utcformat(at),
                at_s,
                self._beat_s,
                b"" if waiting is None else b"=" + waiting,
                *(uuid4().hex for _ in range(most)),
            ),
        )
        started = []
        for job_id, execution_id, data in zip(found[::3], found[1::3], found[2::3], strict=True):
            if execution_id:
                started.append(Started(as_text(job_id), as_text(execution_id), data, at_s))
            else:
                report(self._queue.key, job_id)
        return started

    def end(self, batch: Sequence[Ended], *, idle: bool) -> None:
        """Write down that jobs ended; `idle` if the worker has no more of them."""
        entries: list[Any] = []
        for (job_id, execution_id, _, began_s), status, failure, ended_s in batch:
            encoded = b64encode(zlib.compress(failure.encode(errors="replace"))) if failure else ""
            ended_at = utcformat(datetime.fromtimestamp(ended_s, UTC))
            entries += (job_id, execution_id, status.value, encoded, began_s, ended_s, ended_at)
        self._end(
            keys=(
                self._queue.finished_job_registry.key,
                self._queue.failed_job_registry.key,
                self._queue.started_job_registry.key,
                *self._worker_keys,
            ),
            args=(
                *self._prefixes,
                Result.get_key(""),  # type: ignore[no-untyped-call]
                self._worker_name,
                WorkerStatus.IDLE.value if idle else "",
                DEFAULT_RESULT_TTL,
                DEFAULT_FAILURE_TTL,
                *entries,
            ),
        )

    def beat(self, running: Sequence[Started]) -> None:
        """Show that jobs are still being worked on."""
        registry = self._queue.started_job_registry
        ttl = self._beat_s + 60
        with self._connection.pipeline() as pipeline:
            for job_id, execution_id, _, _ in running:
                execution = Execution(execution_id, job_id, self._connection, self._worker_name)
                execution.heartbeat(registry, ttl, pipeline)
                Job(job_id, self._connection, self._queue.serializer).heartbeat(
                    now(), ttl, pipeline
                )
            # One that is refused, for a planted key of another kind, must not keep the others back.
            pipeline.execute(raise_on_error=False)

    def _script(self, name: str) -> Script:
        folder = resources.files("dingda.worker") / "lua"
        source = [(folder / f"{part}.lua").read_text("utf-8") for part in ("common", name)]
        return self._connection.register_script("\n".join(source))


def ended(started: Started, status: JobStatus = JobStatus.FINISHED, failure: str = "") -> Ended:
    """A job that ends at this moment."""
    return Ended(started, status, failure, time.time())
