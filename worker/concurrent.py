"""An RQ worker that runs many jobs at once on one event loop.

RQ's keys are written by RQ's own methods, which take a pipeline: jobs that start together share
one, and so do jobs that end together. So `rq info`, rq-dashboard, suspend and resume, stop-job and
the registries see a worker like any other. RQ's calls block and so run in threads: one takes jobs,
one writes the books.
"""

import asyncio
import logging
import signal
import time
import traceback
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, TypeVar

from redis.client import Pipeline
from redis.exceptions import RedisError
from rq import Queue, worker_registration
from rq.command import parse_payload
from rq.exceptions import DequeueTimeout
from rq.executions import Execution
from rq.job import Job, JobStatus
from rq.suspension import is_suspended
from rq.utils import as_text, now
from rq.worker import BaseWorker, WorkerStatus

from shared.failpoints import failpoint
from shared.logs import redact

logger = logging.getLogger(__name__)
T = TypeVar("T")

GRACE_S = 45.0
"""How long jobs may go on after SIGTERM; a supervisor must wait a little longer than this."""
STOPPED = "stopped"
"""What a job's cancellation says when it was stopped by command; otherwise the worker is ending."""
_WAIT_S = 1
_BEAT_S = 10.0
_WORKER_TTL_S = 60
_MAINTENANCE_S = 60
_REST_S = 1.0


@dataclass(frozen=True, slots=True)
class _Running:
    """A job in flight."""

    job: Job
    execution: Execution


@dataclass(frozen=True, slots=True)
class _Ended:
    """A job whose end is not in the books yet; `failure` is None or what to record."""

    running: _Running
    failure: str | None
    stopped: bool = False


class ConcurrentWorker(BaseWorker):
    """Runs up to `concurrency` jobs of one queue at once.

    Exactly one queue, because RQ takes jobs from two with BLPOP, which loses the job if the worker
    dies before it has written that it has it (RQ 3.0, `Queue.dequeue_any`).

    Args:
        queue: where the jobs come from; its connection waits out outages of Redis.
        perform: runs a job. It is cancelled when the job is stopped (with the message `STOPPED`)
            and when the worker ends before the job does.
        alongside: functions whose coroutines run as long as the worker does.
        concurrency: how many jobs run at once.
        grace_s: how long, in seconds, they may go on once the worker is told to stop.
    """

    def __init__(
        self,
        queue: Queue,
        *,
        perform: Callable[[Any], Awaitable[None]],
        alongside: Sequence[Callable[[], Coroutine[Any, Any, None]]] = (),
        concurrency: int,
        grace_s: float = GRACE_S,
    ) -> None:
        super().__init__(
            [queue],
            connection=queue.connection,
            job_class=queue.job_class,
            serializer=queue.serializer,
            worker_ttl=_WORKER_TTL_S,
            maintenance_interval=_MAINTENANCE_S,
            job_monitoring_interval=int(_BEAT_S),
            log_job_description=False,
        )
        self._queue = queue
        self._perform = perform
        self._alongside = alongside
        self._concurrency = concurrency
        self._grace_s = grace_s
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._ended: list[_Ended] = []
        self._room = asyncio.Event()
        self._books_due = asyncio.Event()
        self._stopping = asyncio.Event()
        self._hurrying = asyncio.Event()
        self._taker = ThreadPoolExecutor(1, thread_name_prefix="rq-take")
        self._bookkeeper = ThreadPoolExecutor(1, thread_name_prefix="rq-books")

    @property
    def connection_timeout(self) -> int:
        """Seconds before a silent Redis counts as gone; RQ's own would be minutes."""
        return _WAIT_S + 4

    async def run(self, *, burst: bool = False) -> None:
        """Take and run jobs until SIGTERM or SIGINT, or with `burst` until the queue is empty.

        A signal lets running jobs end within the grace; a second one ends them at once.
        """
        self._loop = asyncio.get_running_loop()
        await self._in(self._bookkeeper, self.bootstrap, "WARNING")
        logger.info(
            "worker %s takes up to %d jobs at once from %s",
            self.name,
            self._concurrency,
            self._queue.name,
        )
        for number in (signal.SIGTERM, signal.SIGINT):
            self._loop.add_signal_handler(number, self._on_signal)
        keepers = [
            asyncio.create_task(each()) for each in (self._keep_books, self._beat, *self._alongside)
        ]
        try:
            await self._take_jobs(burst=burst)
            await self._drain()
        finally:
            for keeper in keepers:
                keeper.cancel()
            await asyncio.gather(*keepers, return_exceptions=True)
            await self._in(self._bookkeeper, self._close)
            self._taker.shutdown()
            self._bookkeeper.shutdown()

    def handle_payload(self, message: Any) -> None:
        """Obey RQ's commands (`rq.command`); called from RQ's own pubsub thread."""
        payload = parse_payload(message)
        if payload["command"] != "stop-job":
            super().handle_payload(message)  # type: ignore[no-untyped-call]
            return
        for execution in list(self.executions.values()):
            if execution.job_id == payload.get("job_id"):
                self.request_stop_execution(execution.id)

    def request_stop_execution(self, execution_id: str) -> None:
        """Stop one running job; RQ's base class would kill a process instead."""
        self._loop.call_soon_threadsafe(self._stop_one, execution_id)

    # Taking jobs ---------------------------------------------------------------------------

    async def _take_jobs(self, *, burst: bool) -> None:
        while not self._stopping.is_set():
            room = self._concurrency - len(self._tasks)
            if room <= 0:
                self._room.clear()
                await _first_of(self._room.wait(), self._stopping.wait())
                continue
            try:
                started = await self._in(self._taker, self._take, room)
            except (RedisError, OSError) as error:
                logger.warning("cannot take jobs (%s); trying on", type(error).__name__)
                await _first_of(asyncio.sleep(_REST_S), self._stopping.wait())
                continue
            for running in started:
                task = asyncio.create_task(self._run(running))
                self._tasks[running.execution.id] = task
            if burst and not started and not self._tasks:
                return

    def _take(self, room: int) -> list[_Running]:
        """Wait a moment for jobs, take as many as there is room for, write that they started."""
        if is_suspended(self.connection, self):
            self.set_state(WorkerStatus.SUSPENDED)
            time.sleep(_REST_S)
            return []
        if self.get_state() == WorkerStatus.SUSPENDED:
            self.set_state(WorkerStatus.IDLE)
        job_ids = self._pop(room)
        if not job_ids:
            return []
        failpoint("after-pop")
        jobs = self._fetch(job_ids)
        return self._begin(jobs) if jobs else []

    def _pop(self, room: int) -> list[str]:
        key = self._queue.key
        try:
            _, first = Queue.lmove(self.connection, key, _WAIT_S)
        except DequeueTimeout:
            return []
        more = min(room - 1, self.connection.llen(key))
        with self.connection.pipeline(transaction=False) as pipeline:
            for _ in range(more):
                pipeline.lmove(key, self._queue.intermediate_queue_key)
            rest = pipeline.execute() if more else []
        return [as_text(job_id) for job_id in (first, *rest) if job_id]

    def _fetch(self, job_ids: list[str]) -> list[Job]:
        """Read jobs in one trip; if one of them can't be read, each in its own."""
        try:
            jobs = self.job_class.fetch_many(job_ids, self.connection, self.serializer)
        except (RedisError, OSError):
            raise
        except Exception:  # noqa: BLE001 - whatever stands in Redis
            jobs = [None]
        if None in jobs:
            jobs = [self._fetch_one(job_id) for job_id in job_ids]
        return [job for job in jobs if job]

    def _fetch_one(self, job_id: str) -> Job | None:
        """Read a job; one that can't be read must not keep the others from running."""
        try:
            return self.job_class.fetch(job_id, self.connection, self.serializer)
        except (RedisError, OSError):
            raise
        except Exception as error:  # noqa: BLE001 - whatever stands in Redis
            logger.error("job %s is unreadable (%s) and put aside", job_id, type(error).__name__)
            self._queue.intermediate_queue.remove(job_id)
            return None

    def _begin(self, jobs: list[Job]) -> list[_Running]:
        started = []
        with self.connection.pipeline() as pipeline:
            for job in jobs:
                ttl = self.get_heartbeat_ttl(job)
                execution = Execution.create(job, ttl, pipeline, worker_name=self.name)
                job.prepare_for_execution(self.name, pipeline)
                pipeline.persist(job.key)
                pipeline.lrem(self._queue.intermediate_queue_key, 1, job.id)
                started.append(_Running(job, execution))
            self.set_state(WorkerStatus.BUSY, pipeline)
            pipeline.execute()
        failpoint("after-start")
        self.executions.update({running.execution.id: running.execution for running in started})
        return started

    # Running them --------------------------------------------------------------------------

    async def _run(self, running: _Running) -> None:
        failure, stopped = None, False
        try:
            await self._perform(running.job)
        except asyncio.CancelledError as cancelled:
            stopped = cancelled.args == (STOPPED,)
            failure = "stopped on request" if stopped else "the worker ended before the job did"
        except Exception:  # noqa: BLE001 - recorded, for the registry of failed jobs
            failure = redact(traceback.format_exc())
            logger.error("job %s failed\n%s", running.job.id, failure)
        self._ended.append(_Ended(running, failure, stopped=stopped))
        del self._tasks[running.execution.id]
        self._room.set()
        self._books_due.set()

    def _stop_one(self, execution_id: str) -> None:
        task = self._tasks.get(execution_id)
        if task:
            task.cancel(STOPPED)

    def _on_signal(self) -> None:
        if self._stopping.is_set():
            self._hurrying.set()
        self._stopping.set()

    async def _drain(self) -> None:
        """Let what runs end within the grace, then cancel the rest."""
        if not self._tasks:
            return
        logger.info("stopping; %d job(s) may go on for %g s", len(self._tasks), self._grace_s)
        ending = asyncio.wait(self._tasks.values(), timeout=self._grace_s)
        await _first_of(ending, self._hurrying.wait())
        rest = list(self._tasks.values())
        for task in rest:
            task.cancel()
        await asyncio.gather(*rest, return_exceptions=True)

    # Keeping the books ---------------------------------------------------------------------

    async def _keep_books(self) -> None:
        """Write down jobs that ended; who ends during a trip to Redis goes with the next one."""
        while True:
            await self._books_due.wait()
            self._books_due.clear()
            while batch := self._ended[:]:
                try:
                    await self._in(self._bookkeeper, self._write_ends, batch)
                except (RedisError, OSError) as error:
                    logger.warning("cannot write the books (%s); trying on", type(error).__name__)
                    await asyncio.sleep(_REST_S)
                else:
                    del self._ended[: len(batch)]

    def _write_ends(self, batch: Sequence[_Ended]) -> None:
        with self.connection.pipeline() as pipeline:
            for ended in batch:
                self._write_end(ended, pipeline)
            if not self.executions:
                self.set_state(WorkerStatus.IDLE, pipeline)
            pipeline.execute()

    def _write_end(self, ended: _Ended, pipeline: Pipeline) -> None:
        """What RQ's `handle_job_success` and `handle_job_failure` write, less what we never use."""
        job, execution = ended.running.job, ended.running.execution
        job.ended_at = now()
        facts: dict[str, Any] = {
            "pipeline": pipeline,
            "worker_name": self.name,
            "execution_id": execution.id,
            "execution_started_at": execution.created_at,
            "execution_ended_at": job.ended_at,
        }
        if ended.failure is None:
            result_ttl = job.get_result_ttl(self.default_result_ttl)
            self.increment_successful_job_count(pipeline)
            job._handle_success(result_ttl, **facts)  # noqa: SLF001 - RQ offers nothing public
            job.cleanup(result_ttl, pipeline, remove_from_queue=False)
        else:
            job.set_status(JobStatus.STOPPED if ended.stopped else JobStatus.FAILED, pipeline)
            self.increment_failed_job_count(pipeline)
            job._handle_failure(ended.failure, **facts)  # noqa: SLF001
        if job.started_at:
            self.increment_total_working_time(job.ended_at - job.started_at, pipeline)
        self.cleanup_execution(job, pipeline, execution)

    async def _beat(self) -> None:
        """Show that the worker and what it runs are alive, and let RQ tidy its registries."""
        while True:
            try:
                await self._in(self._bookkeeper, self._write_beat)
                if self.should_run_maintenance_tasks:
                    await self._in(self._bookkeeper, self.run_maintenance_tasks)
            except (RedisError, OSError) as error:
                logger.warning("cannot send a heartbeat (%s)", type(error).__name__)
            await asyncio.sleep(_BEAT_S)

    def _write_beat(self) -> None:
        with self.connection.pipeline() as pipeline:
            self.heartbeat(pipeline=pipeline)
            for execution in list(self.executions.values()):
                job = execution.job
                ttl = self.get_heartbeat_ttl(job)
                execution.heartbeat(job.started_job_registry, ttl, pipeline)
                job.heartbeat(now(), ttl, pipeline, xx=True)
            forgotten = pipeline.execute()[0] == 1
            if forgotten:
                # The heartbeat made the worker's hash anew: Redis has lost it, so register again.
                pipeline.hset(self.key, mapping=self.serialize())
                worker_registration.register(self, pipeline)
                pipeline.execute()

    def _close(self) -> None:
        try:
            self._write_ends(self._ended)
            self.teardown()  # type: ignore[no-untyped-call]
        except (RedisError, OSError) as error:
            logger.warning("could not sign off from Redis (%s)", type(error).__name__)

    async def _in(self, thread: ThreadPoolExecutor, call: Callable[..., T], *arguments: Any) -> T:
        return await self._loop.run_in_executor(thread, call, *arguments)


async def _first_of(*awaitables: Coroutine[Any, Any, Any]) -> None:
    """Wait until one is done, and leave the others."""
    tasks = [asyncio.ensure_future(awaitable) for awaitable in awaitables]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
