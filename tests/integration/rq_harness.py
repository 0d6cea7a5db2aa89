"""A real server, RQ's own view of it, and a `ConcurrentWorker` whose jobs a test plays."""

import asyncio
import json
import signal
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, NamedTuple

import redis
from redis.asyncio import Redis as AsyncRedis
from rq import Queue
from rq.job import Job
from rq.registry import FailedJobRegistry, FinishedJobRegistry, StartedJobRegistry
from rq.serializers import JSONSerializer
from rq.worker import BaseWorker

from dingda.shared.ledger.worker_report import WorkerReport, read_worker_reports
from dingda.shared.queue import JobQueue, job_data, rq_now
from dingda.worker.engine.answer_job import AnswerJob, message_id_of
from dingda.worker.engine.concurrent_worker import ConcurrentWorker

NAME = "dingda"
WITHIN_S = 10.0


class Called(NamedTuple):
    """A job that runs; its message is named as the job is."""

    id: str


Perform = Callable[[Called], Awaitable[None]]


class RQHarness:
    """The records in Redis, written and read as RQ does."""

    def __init__(self, connection: redis.Redis, fetching: AsyncRedis) -> None:
        self.connection = connection
        self._fetching = fetching
        self.connection.flushall()
        self.queue = Queue(
            NAME, connection=connection, job_class=AnswerJob, serializer=JSONSerializer
        )
        self._job_queue = JobQueue.create(NAME, skill_timeout_s=30, result_ttl_s=60)
        self._common = self._job_queue.fields

    def put(self, job_id: str, *, call: list[Any] | None = None, **fields: Any) -> None:
        """Enqueue a job as the ledger does: for a message of the job's name, or another call."""
        data = zlib.compress(json.dumps(call).encode()) if call else job_data(job_id)
        common = dict(zip(self._common[::2], self._common[1::2], strict=True))
        times = {"created_at": rq_now(), "enqueued_at": rq_now()}
        mapping: Any = {**common, "data": data, **times, **fields}
        self.connection.hset(f"rq:job:{job_id}", mapping=mapping)
        self.connection.sadd("rq:queues", self.queue.key)
        self.push(job_id)

    def push(self, job_id: str) -> None:
        self.connection.rpush(self.queue.key, job_id)

    def worker(self, perform: Perform, **options: Any) -> ConcurrentWorker:
        async def run(data: bytes) -> None:
            await perform(Called(message_id_of(data)))

        return ConcurrentWorker(
            self.queue,
            self._fetching,
            perform=run,
            **{"concurrency": 10, "grace_s": 2.0} | options,
        )

    def execution_key(self) -> str:
        """The key of the one execution that there is."""
        (key,) = self.connection.scan_iter("rq:execution:*")
        return str(key.decode())

    def status(self, job_id: str) -> str:
        return Job.fetch(job_id, self.connection, JSONSerializer).get_status().value

    def registries(self) -> dict[str, int]:
        """How many jobs are in each of RQ's places."""
        kinds = {
            "started": StartedJobRegistry,
            "finished": FinishedJobRegistry,
            "failed": FailedJobRegistry,
        }
        found = {
            name: kind(queue=self.queue).get_job_count(cleanup=False)
            for name, kind in kinds.items()
        }
        taken = self.connection.llen(f"{self.queue.key}:intermediate")
        return found | {"queued": self.queue.count, "taken": taken}

    def workers(self) -> list[BaseWorker]:
        return BaseWorker.all(connection=self.connection)

    async def reports(
        self, wanted: Callable[[list[WorkerReport]], Any] = lambda _: True
    ) -> list[WorkerReport]:
        """What the workers report, as soon as it is what is wanted."""
        options = self.connection.connection_pool.connection_kwargs
        async with (
            asyncio.timeout(WITHIN_S),
            AsyncRedis(host=options["host"], port=options["port"], decode_responses=True) as redis,
        ):
            while not wanted(found := await read_worker_reports(redis, self._job_queue)):  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        return found


@asynccontextmanager
async def working(worker: ConcurrentWorker) -> AsyncIterator["asyncio.Task[None]"]:
    """Let a worker work, and end it as a supervisor does."""
    running = asyncio.create_task(worker.run())
    await until(lambda: worker.connection.exists(worker.key))
    try:
        yield running
    finally:
        if not running.done():
            signal.raise_signal(signal.SIGTERM)
        await running


async def until(condition: Callable[[], Any]) -> None:
    """Wait for a condition to come true."""
    async with asyncio.timeout(WITHIN_S):
        while not condition():  # noqa: ASYNC110 - Redis sends no notification
            await asyncio.sleep(0.01)
