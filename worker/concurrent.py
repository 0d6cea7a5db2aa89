"""An RQ worker that runs many jobs at once on one event loop.

Jobs that start together share a trip to Redis, and so do jobs that end together (`worker.books`).
RQ's keys say what RQ's own worker would say, so `rq info`, rq-dashboard, suspend and resume,
stop-job and the registries see a worker like any other. Calls to Redis block and so run in threads:
one takes jobs, one writes the books.
"""

import asyncio
import logging
import signal
import threading
import time
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import OutOfMemoryError, RedisError
from redis.exceptions import TimeoutError as RedisTimeoutError
from rq import Queue, worker_registration
from rq.command import parse_payload
from rq.exceptions import DequeueTimeout
from rq.job import JobStatus
from rq.suspension import is_suspended
from rq.worker import BaseWorker, WorkerStatus
from rq.worker_registration import WORKERS_BY_QUEUE_KEY

from dingda.shared.errors import DingdaError
from dingda.shared.failpoints import failpoint
from dingda.shared.logs import class_name, trace
from dingda.worker.books import Books, Ended, Started, ended
from dingda.worker.contained import STOPPED, contain_tasks, is_cancelled
from dingda.worker.repair import Kind, remove_other_kinds, remove_unreadable

logger = logging.getLogger(__name__)
T = TypeVar("T")

GRACE_S = 45.0
"""How long jobs may go on after SIGTERM; a supervisor must wait a little longer than this."""
_LAST_WORDS_S = 5.0
"""How long jobs may take to end when they are cancelled, or when the worker gives up."""
_CLOSE_S = 5.0
_WAIT_S = 1
_BEAT_S = 10.0
_WORKER_TTL_S = 60
_MAINTENANCE_S = 60
_REST_S = 1.0
_MAX_BATCH = 100
_OUTAGE = (RedisConnectionError, RedisTimeoutError, OSError)


class StuckError(DingdaError):
    """The worker can't work any more and has ended; the message says why."""


class ConcurrentWorker(BaseWorker):
    """Runs up to `concurrency` jobs of one queue at once.

    Exactly one queue, because RQ takes jobs from two with BLPOP, which loses the job if the worker
    dies before it has written that it has it (RQ 3.0, `Queue.dequeue_any`).

    Args:
        queue: where the jobs come from; its connection waits out outages of Redis.
        perform: runs a job, given its call as the job's hash carries it. It is cancelled when the
            job is stopped (with the message `STOPPED`), and when the worker ends before the job.
        alongside: functions whose coroutines run as long as the worker does.
        concurrency: how many jobs run at once.
        grace_s: how long, in seconds, they may go on once the worker is told to stop.
    """

    def __init__(
        self,
        queue: Queue,
        *,
        perform: Callable[[bytes], Awaitable[None]],
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
        self._books = Books(queue, worker_name=self.name, worker_key=self.key, beat_s=int(_BEAT_S))
        self._running: dict[Started, asyncio.Task[None]] = {}
        self._ended: list[Ended] = []
        self._is_queue_empty = True
        self._is_starting = False
        self._settling = threading.Lock()
        self._stuck = ""
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

        A signal lets running jobs end within the grace; a second one ends them at once. What one
        of `alongside` raises ends the worker in the same way, and is raised when it has ended.
        """
        self._loop = asyncio.get_running_loop()
        contain_tasks(self._loop)
        await self._in(self._bookkeeper, self._sign_on)
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
        for keeper in keepers:
            # Without one of them it would do harm in silence: it ends, to be started anew.
            keeper.add_done_callback(lambda _: self._stopping.set())
        try:
            await self._take_jobs(burst=burst)
            await self._drain()
        finally:
            for keeper in keepers:
                keeper.cancel()
            ends = await asyncio.gather(*keepers, return_exceptions=True)
            # An outage of Redis must not keep the process beyond its supervisor's patience.
            await asyncio.wait({self._in(self._bookkeeper, self._close)}, timeout=_CLOSE_S)
            self._bookkeeper.shutdown(wait=False)
        for end in ends:
            if isinstance(end, Exception):
                raise end
        if self._stuck:
            raise StuckError(self._stuck)

    def give_up(self, reason: str) -> None:
        """End soon: what runs may go on for a moment only. `run` raises a `StuckError` then."""
        if not self._stopping.is_set():
            logger.critical("the worker ends: %s", reason)
        self._stuck = reason
        self._grace_s = min(self._grace_s, _LAST_WORDS_S)
        self._stopping.set()

    def sign_off(self) -> None:
        """Tell RQ that the worker and its jobs are gone; from any thread, when the loop can't."""
        gone = [
            ended(started, JobStatus.FAILED, "the worker stopped working")
            for started in list(self._running)
        ]
        self._books.end([*self._ended, *gone], idle=True)
        self.register_death()  # type: ignore[no-untyped-call]

    def handle_payload(self, message: Any) -> None:
        """Obey RQ's commands (`rq.command`); called from RQ's own pubsub thread."""
        try:
            payload = parse_payload(message)
            command = payload["command"]
        except (ValueError, TypeError, LookupError):
            # RQ's thread would end, and hear no command any more.
            logger.warning("somebody sent a command that cannot be read")
            return
        if command != "stop-job":
            super().handle_payload(message)  # type: ignore[no-untyped-call]
            return
        # RQ's base class would kill a process instead.
        self._loop.call_soon_threadsafe(self._stop_job, payload.get("job_id"))

    def _sign_on(self) -> None:
        remove_other_kinds(self.connection, self._kinds)
        self.bootstrap("WARNING")
        self.set_state(WorkerStatus.IDLE)

    @property
    def _is_idle(self) -> bool:
        return not (self._running or self._is_starting)

    # Taking jobs ---------------------------------------------------------------------------

    async def _take_jobs(self, *, burst: bool) -> None:
        while not self._stopping.is_set():
            room = self._concurrency - len(self._running)
            if room <= 0:
                self._room.clear()
                await _first_of(self._room.wait(), self._stopping.wait())
                continue
            try:
                started = await self._in(self._taker, self._take, room)
            except (RedisError, OSError) as error:
                self._is_starting = False
                logger.warning("cannot take jobs (%s); trying on", type(error).__name__)
                await _first_of(asyncio.sleep(_REST_S), self._stopping.wait())
                continue
            for each in started:
                self._running[each] = asyncio.create_task(self._run(each))
            self._is_starting = False
            if burst and not started and not self._running:
                return

    def _take(self, room: int) -> list[Started]:
        """Wait a moment for jobs, and start as many as there is room for."""
        if is_suspended(self.connection, self):
            self.set_state(WorkerStatus.SUSPENDED)
            time.sleep(_REST_S)
            return []
        if self.get_state() == WorkerStatus.SUSPENDED:
            self._settle_state()
        waiting = None
        if self._is_queue_empty:
            try:
                _, found = Queue.lmove(self.connection, self._queue.key, _WAIT_S)
            except DequeueTimeout:
                return []
            except OutOfMemoryError:
                # A full Redis lets nothing be moved, but what is taken and ended makes room.
                time.sleep(_REST_S)
            else:
                waiting = found
                failpoint("after-pop")
        most = min(room, _MAX_BATCH)
        # Said before it is written, or who writes ends meanwhile would call the worker idle.
        self._is_starting = True
        started = self._books.start(most, waiting=waiting)
        self._is_queue_empty = len(started) < most
        if started:
            failpoint("after-start")
            return started
        self._is_starting = False
        # Ends that were written meanwhile have left the state to this.
        self._settle_state()
        return []

    # Running them --------------------------------------------------------------------------

    async def _run(self, started: Started) -> None:
        status, failure = JobStatus.FINISHED, ""
        try:
            await self._perform(started.data)
        except BaseException as error:  # noqa: BLE001 - recorded, for the registry of failed jobs
            if not is_cancelled(error):
                status, failure = JobStatus.FAILED, trace(error)
                logger.error("job %s failed: %s", started.job_id, failure)
            elif STOPPED.explains(error):
                status, failure = JobStatus.STOPPED, "stopped on request"
            else:
                status, failure = JobStatus.FAILED, "the worker ended before the job did"
        finally:
            self._ended.append(ended(started, status, failure))
            del self._running[started]
            self._room.set()
            self._books_due.set()

    def _stop_job(self, job_id: str | None) -> None:
        for started, task in list(self._running.items()):
            if started.job_id == job_id:
                STOPPED.cancel(task)

    def _on_signal(self) -> None:
        if self._stopping.is_set():
            self._hurrying.set()
        self._stopping.set()

    async def _drain(self) -> None:
        """Let what runs end within the grace, then cancel the rest."""
        if not self._running:
            return
        logger.info("stopping; %d job(s) may go on for %g s", len(self._running), self._grace_s)
        ending = asyncio.wait(self._running.values(), timeout=self._grace_s)
        await _first_of(ending, self._hurrying.wait())
        rest = list(self._running.values())
        for task in rest:
            task.cancel()
        if rest:
            await asyncio.wait(rest, timeout=_LAST_WORDS_S)

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

    def _write_ends(self, batch: Sequence[Ended]) -> None:
        idle = self._is_idle
        self._books.end(batch, idle=idle)
        if idle and not self._is_idle:
            self._settle_state()

    def _settle_state(self) -> None:
        """Write down whether the worker is idle, of two threads the one that looks last."""
        with self._settling:
            self.set_state(WorkerStatus.IDLE if self._is_idle else WorkerStatus.BUSY)

    async def _beat(self) -> None:
        """Show that the worker and what it runs are alive, and let RQ tidy its registries."""
        while True:
            try:
                await self._in(self._bookkeeper, self._write_beat)
                if self.should_run_maintenance_tasks:
                    await self._in(self._bookkeeper, self._tidy)
            except (RedisError, OSError) as error:
                logger.warning("cannot send a heartbeat (%s)", type(error).__name__)
            await asyncio.sleep(_BEAT_S)

    def _tidy(self) -> None:
        try:
            self.run_maintenance_tasks()  # type: ignore[no-untyped-call]
        except _OUTAGE:
            raise
        except Exception as error:  # noqa: BLE001 - whatever stands in Redis
            logger.error("RQ cannot tidy its registries (%s)", class_name(error))
            remove_unreadable(self.connection, self._kinds)

    def _write_beat(self) -> None:
        remove_other_kinds(self.connection, self._kinds)
        with self.connection.pipeline() as pipeline:
            self.heartbeat(pipeline=pipeline)
            for members in self._registries:
                pipeline.sismember(members, self.key)
            pipeline.hmget(self.key, "birth", "queues", "hostname", "state")
            *_, everywhere, here, facts = pipeline.execute()
        if not (everywhere and here and all(facts)):
            self._register_again()
        self._books.beat(list(self._running))

    def _register_again(self) -> None:
        """Write down what RQ knows of a worker: Redis has lost all of it, or a part.

        A heartbeat creates the worker's hash again with nothing else in it, and so do its counters.
        """
        logger.warning("Redis has forgotten worker %s; it registers again", self.name)
        state = WorkerStatus.IDLE if self._is_idle else WorkerStatus.BUSY
        with self.connection.pipeline() as pipeline:
            pipeline.hset(self.key, mapping=self.serialize())
            self.set_state(state, pipeline)
            worker_registration.register(self, pipeline)
            self.heartbeat(pipeline=pipeline)
            pipeline.execute()

    @property
    def _kinds(self) -> dict[str, Kind]:
        """The keys that every worker of the queue needs, and what RQ keeps in each."""
        queue = self._queue
        return {
            Queue.redis_queues_keys: "set",
            queue.key: "list",
            queue.intermediate_queue_key: "list",
            queue.started_job_registry.key: "zset",
            queue.finished_job_registry.key: "zset",
            queue.failed_job_registry.key: "zset",
            **dict.fromkeys(self._registries, "set"),
            self.key: "hash",
            self.executions_key: "set",
        }

    @property
    def _registries(self) -> tuple[str, str]:
        """RQ's sets of workers: all of them, and this queue's."""
        return self.redis_workers_keys, WORKERS_BY_QUEUE_KEY % self._queue.name

    def _close(self) -> None:
        try:
            self._write_ends(self._ended)
            self.teardown()  # type: ignore[no-untyped-call]
        except (RedisError, OSError) as error:
            logger.warning("could not sign off from Redis (%s)", type(error).__name__)
        self._taker.shutdown()

    def _in(
        self, thread: ThreadPoolExecutor, call: Callable[..., T], *arguments: Any
    ) -> "asyncio.Future[T]":
        return self._loop.run_in_executor(thread, call, *arguments)


async def _first_of(*awaitables: Coroutine[Any, Any, Any]) -> None:
    """Wait until one is done, and leave the others."""
    tasks = [asyncio.ensure_future(awaitable) for awaitable in awaitables]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
