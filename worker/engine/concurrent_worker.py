"""An RQ worker that runs many jobs at once on one event loop.

Jobs that start together share a round trip to Redis, and so do jobs that end together. RQ's keys
hold what RQ's own worker would write, so `rq info`, rq-dashboard, suspend and resume, stop-job and
the registries see a worker like any other. Jobs are fetched on the loop, since messages wait for
that. RQ's own methods block and so run in a thread; how jobs ended is recorded there as well.
"""

import asyncio
import logging
import signal
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, TypeVar

from redis.asyncio import Redis
from redis.exceptions import OutOfMemoryError, RedisError
from rq import Queue
from rq.command import parse_payload
from rq.job import JobStatus
from rq.worker import BaseWorker, WorkerStatus

from dingda import __version__
from dingda.shared.errors import DingdaError
from dingda.shared.ledger.worker_report import HeldMessage, WorkerReport
from dingda.shared.runtime.failpoints import failpoint
from dingda.shared.runtime.health import Readiness
from dingda.shared.runtime.logs import trace
from dingda.shared.runtime.notify import READY, STOPPING, notify
from dingda.worker.contained import STOPPED, contain_tasks, is_cancelled
from dingda.worker.engine.completer import EndedJob, JobCompleter, ended
from dingda.worker.engine.fetcher import JobFetcher
from dingda.worker.engine.records import StartedJob
from dingda.worker.engine.registration import WorkerRegistration

logger = logging.getLogger(__name__)
T = TypeVar("T")

GRACE_S = 45.0
"""How long jobs may go on after SIGTERM; a supervisor must wait a little longer than this."""
_CANCEL_TIMEOUT_S = 5.0
"""How long jobs may take to end when they are cancelled, or when the worker gives up."""
_CLOSE_TIMEOUT_S = 5.0
_FETCH_WAIT_S = 1
_HEARTBEAT_S = 10.0
_WORKER_TTL_S = 60
_MAINTENANCE_S = 60
_RETRY_DELAY_S = 1.0
_SUSPENSION_CHECK_S = 0.5
_LINGER_S = 0.01
"""How long a busy worker waits for more to do before a call to Redis that nobody waits for."""
_MAX_BATCH = 100


class StuckError(DingdaError):
    """The worker could not go on, and has ended; the message says why."""


@dataclass(frozen=True, slots=True)
class Activity:
    """What a worker is doing, and what it can't do: see `WorkerReport`."""

    doing: tuple[HeldMessage, ...] = ()
    open_circuits: tuple[str, ...] = ()
    missing_skills: tuple[str, ...] = ()


class ConcurrentWorker(BaseWorker):
    """Runs up to `concurrency` jobs of one queue at once.

    Exactly one queue, because RQ takes jobs from two with BLPOP, which loses the job if the worker
    dies before it has recorded it (RQ 3.0, `Queue.dequeue_any`).

    Args:
        queue: where the jobs come from; its connection waits out outages of Redis.
        redis: a client that does not decode responses, and waits as long.
        perform: runs a job, given its call as the job's hash carries it. It is cancelled when the
            job is stopped (for the reason `STOPPED`), and when the worker ends before the job.
        activity: what the worker is doing, given the present in ms since 1970; for its report.
        background_tasks: functions whose coroutines run as long as the worker does.
        concurrency: how many jobs run at once.
        grace_s: how long, in seconds, they may go on once the worker is told to stop.
    """

    def __init__(
        self,
        queue: Queue,
        redis: Redis,
        *,
        perform: Callable[[bytes], Awaitable[None]],
        activity: Callable[[int], Activity] = lambda _: Activity(),
        background_tasks: Sequence[Callable[[], Coroutine[Any, Any, None]]] = (),
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
            job_monitoring_interval=int(_HEARTBEAT_S),
            log_job_description=False,
        )
        self._queue = queue
        self._perform = perform
        self._activity = activity
        self._background_tasks = background_tasks
        self._concurrency = concurrency
        self._grace_s = grace_s
        self.readiness = Readiness()
        """It is ready while it is registered with RQ and takes jobs."""
        self._fetcher = JobFetcher(
            queue, redis, worker_name=self.name, heartbeat_s=int(_HEARTBEAT_S)
        )
        self._completer = JobCompleter(queue, worker_name=self.name)
        self._registration = WorkerRegistration(
            self, queue, is_idle=lambda: self._is_idle, job_ttl_s=int(_HEARTBEAT_S) + 60
        )
        self._running: dict[StartedJob, asyncio.Task[None]] = {}
        self._ended: list[EndedJob] = []
        self._started_ms = 0
        self._is_queue_empty = True
        self._is_starting = False
        self._is_suspended = False
        self._suspension_check_at_s = 0.0
        self._stuck = ""
        self._job_has_ended = asyncio.Event()
        self._completion_is_due = asyncio.Event()
        self._stopping = asyncio.Event()
        self._second_signal = asyncio.Event()
        self._records_thread = ThreadPoolExecutor(1, thread_name_prefix="rq-records")

    @property
    def connection_timeout(self) -> int:
        """Seconds without a response until Redis counts as gone; RQ's default is minutes."""
        return _FETCH_WAIT_S + 4

    async def run(self, *, burst: bool = False) -> None:
        """Fetch and run jobs until SIGTERM or SIGINT, or with `burst` until the queue is empty.

        A signal lets running jobs end within the grace; a second one ends them at once. An
        exception in a background task ends the worker in the same way, and is raised at the end.
        """
        self._loop = asyncio.get_running_loop()
        contain_tasks(self._loop)
        # Before RQ lists it: whoever sees a worker there may tell it to end.
        for number in (signal.SIGTERM, signal.SIGINT):
            self._loop.add_signal_handler(number, self.stop)
        await self._in_records_thread(self._registration.open)
        logger.info(
            "worker %s takes up to %d jobs at once from %s",
            self.name,
            self._concurrency,
            self._queue.name,
        )
        self.readiness.begin()
        notify(READY)
        background = [
            asyncio.create_task(each())
            for each in (self._complete_jobs, self._send_heartbeats, *self._background_tasks)
        ]
        for task in background:
            # A dead background task would go unnoticed: stop, and let the supervisor restart us.
            task.add_done_callback(lambda _: self._stopping.set())
        try:
            await self._run_jobs(burst=burst)
            self.readiness.stop()
            notify(STOPPING)
            await self._drain()
        finally:
            for task in background:
                task.cancel()
            results = await asyncio.gather(*background, return_exceptions=True)
            # An outage of Redis must not keep the process until its supervisor kills it.
            await asyncio.wait({self._in_records_thread(self._close)}, timeout=_CLOSE_TIMEOUT_S)
            self._records_thread.shutdown(wait=False)
        for result in results:
            if isinstance(result, Exception):
                raise result
        if self._stuck:
            raise StuckError(self._stuck)

    def stop(self) -> None:
        """Take no more jobs, and end; called again: at once. Call it on the loop."""
        if self._stopping.is_set():
            self._second_signal.set()
        self._stopping.set()

    def give_up(self, reason: str) -> None:
        """End soon: running jobs get a few seconds only. `run` then raises a `StuckError`."""
        if not self._stopping.is_set():
            logger.critical("the worker ends: %s", reason)
        self._stuck = reason
        self._grace_s = min(self._grace_s, _CANCEL_TIMEOUT_S)
        self._stopping.set()

    def sign_off(self) -> None:
        """Tell RQ that the worker and its jobs are gone; from any thread when the loop is stuck."""
        gone = [
            ended(started, JobStatus.FAILED, "the worker stopped working")
            for started in list(self._running)
        ]
        self._completer.complete([*self._ended, *gone], idle=True)
        self._registration.remove_report()
        self.register_death()  # type: ignore[no-untyped-call]

    def handle_payload(self, message: Any) -> None:
        """Obey RQ's commands (`rq.command`); called from RQ's own pubsub thread."""
        try:
            payload = parse_payload(message)
            command = payload["command"]
        except (ValueError, TypeError, LookupError):
            # An exception would end RQ's thread, and no later command would be read.
            logger.warning("ignored a command that cannot be read")
            return
        if command != "stop-job":
            super().handle_payload(message)  # type: ignore[no-untyped-call]
            return
        # RQ's base class would kill a process instead.
        self._loop.call_soon_threadsafe(self._stop_job, payload.get("job_id"))

    @property
    def slots_used(self) -> int:
        """How many jobs it runs at this moment."""
        return len(self._running)

    @property
    def _is_idle(self) -> bool:
        return not (self._running or self._is_starting)

    # Fetching jobs -------------------------------------------------------------------------

    async def _run_jobs(self, *, burst: bool) -> None:
        while not self._stopping.is_set():
            free = self._concurrency - len(self._running)
            if free <= 0:
                self._job_has_ended.clear()
                await _first_of(self._job_has_ended.wait(), self._stopping.wait())
                await asyncio.sleep(_LINGER_S)
                continue
            try:
                started = await self._fetch(free)
            except (RedisError, OSError) as error:
                self._is_starting = False
                logger.warning("cannot fetch jobs (%s); retrying", type(error).__name__)
                await _first_of(asyncio.sleep(_RETRY_DELAY_S), self._stopping.wait())
                continue
            for each in started:
                self._running[each] = asyncio.create_task(self._run(each))
            self._is_starting = False
            # They take their first steps before the loop turns to the next fetch.
            await asyncio.sleep(0)
            if burst and not started and not self._running:
                return

    async def _fetch(self, limit: int) -> list[StartedJob]:
        """Wait a moment for jobs, and start up to `limit` of them."""
        if await self._is_told_to_pause():
            await asyncio.sleep(_RETRY_DELAY_S)
            return []
        reserved = None
        if self._is_queue_empty:
            try:
                reserved = await self._fetcher.reserve(_FETCH_WAIT_S)
            except OutOfMemoryError:
                # A full Redis refuses to move it, but fetching and completing jobs makes room.
                await asyncio.sleep(_RETRY_DELAY_S)
            else:
                if reserved is None:
                    return []
                failpoint("after-pop")
        limit = min(limit, _MAX_BATCH)
        # Set before the script runs, or a completion meanwhile would call the worker idle.
        self._is_starting = True
        started = await self._fetcher.fetch(limit, reserved=reserved)
        self._is_queue_empty = len(started) < limit
        if started:
            failpoint("after-start")
            return started
        self._is_starting = False
        # Completions recorded meanwhile have left the state to us.
        await self._in_records_thread(self._registration.update_state)
        return []

    async def _is_told_to_pause(self) -> bool:
        """Whether an operator has suspended the workers; RQ's record of it is read now and then."""
        now_s = self._loop.time()
        if now_s >= self._suspension_check_at_s:
            self._suspension_check_at_s = now_s + _SUSPENSION_CHECK_S
            suspended = await self._fetcher.are_workers_suspended()
            if suspended:
                await self._in_records_thread(self.set_state, WorkerStatus.SUSPENDED)
            elif self._is_suspended:
                await self._in_records_thread(self._registration.update_state)
            self._is_suspended = suspended
        return self._is_suspended

    # Running them --------------------------------------------------------------------------

    async def _run(self, started: StartedJob) -> None:
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
            self._job_has_ended.set()
            self._completion_is_due.set()

    def _stop_job(self, job_id: str | None) -> None:
        for started, task in list(self._running.items()):
            if started.job_id == job_id:
                STOPPED.cancel(task)

    async def _drain(self) -> None:
        """Let running jobs end within the grace, then cancel the rest."""
        if not self._running:
            return
        logger.info("stopping; %d job(s) may go on for %g s", len(self._running), self._grace_s)
        completion = asyncio.wait(self._running.values(), timeout=self._grace_s)
        await _first_of(completion, self._second_signal.wait())
        rest = list(self._running.values())
        for task in rest:
            task.cancel()
        if rest:
            await asyncio.wait(rest, timeout=_CANCEL_TIMEOUT_S)

    # Recording -------------------------------------------------------------------

    async def _complete_jobs(self) -> None:
        """Complete ended jobs; those that end during a round trip to Redis join the next one."""
        while True:
            await self._completion_is_due.wait()
            if self._running:
                await asyncio.sleep(_LINGER_S)
            self._completion_is_due.clear()
            while batch := self._ended[:]:
                try:
                    await self._in_records_thread(self._complete, batch)
                except (RedisError, OSError) as error:
                    logger.warning("cannot complete jobs (%s); retrying", type(error).__name__)
                    await asyncio.sleep(_RETRY_DELAY_S)
                else:
                    del self._ended[: len(batch)]

    def _complete(self, batch: Sequence[EndedJob]) -> None:
        idle = self._is_idle
        self._completer.complete(batch, idle=idle)
        if idle and not self._is_idle:
            self._registration.update_state()

    async def _send_heartbeats(self) -> None:
        """Show that the worker and its jobs are alive, and let RQ tidy its registries.

        On the loop, so that a worker whose loop is blocked does not count as alive.
        """
        while True:
            try:
                now_ms = await self._in_records_thread(self._registration.now_ms)
                await self._in_records_thread(self._send_heartbeat, self._report(now_ms))
                await self._in_records_thread(self._registration.tidy)
            except (RedisError, OSError) as error:
                logger.warning("cannot send a heartbeat (%s)", type(error).__name__)
            await asyncio.sleep(_HEARTBEAT_S)

    def _report(self, now_ms: int) -> WorkerReport:
        activity = self._activity(now_ms)
        self._started_ms = self._started_ms or now_ms
        return WorkerReport(
            name=self.name,
            host=self.hostname or "",
            pid=self.pid or 0,
            version=__version__,
            started_ms=self._started_ms,
            seen_ms=now_ms,
            slots=self._concurrency,
            slots_used=self.slots_used,
            doing=activity.doing,
            open_circuits=activity.open_circuits,
            missing_skills=activity.missing_skills,
            takes_ticks=True,
        )

    def _send_heartbeat(self, report: WorkerReport) -> None:
        self._registration.send_heartbeat(report)
        self._registration.send_job_heartbeats(list(self._running))

    def _close(self) -> None:
        try:
            self._complete(self._ended)
            self._registration.close()
        except (RedisError, OSError) as error:
            logger.warning("could not sign off from Redis (%s)", type(error).__name__)

    def _in_records_thread(self, call: Callable[..., T], *arguments: Any) -> "asyncio.Future[T]":
        return self._loop.run_in_executor(self._records_thread, call, *arguments)


async def _first_of(*awaitables: Coroutine[Any, Any, Any]) -> None:
    """Wait until one is done, and cancel the others."""
    tasks = [asyncio.ensure_future(awaitable) for awaitable in awaitables]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
