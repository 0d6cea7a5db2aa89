"""RQ's record of a worker: created at the start, kept alive, repaired, and closed at the end.

`rq info`, rq-dashboard and RQ's own tidying know a worker by this record alone.
"""

import logging
import threading
from collections.abc import Callable, Sequence

from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError
from rq import Queue, worker_registration
from rq.executions import Execution
from rq.job import Job
from rq.utils import now
from rq.worker import BaseWorker, WorkerStatus
from rq.worker_registration import WORKERS_BY_QUEUE_KEY

from dingda.shared.ledger.keys import LedgerKeys
from dingda.shared.ledger.worker_report import REPORT_TTL_MS, WorkerReport
from dingda.shared.runtime.logs import class_name
from dingda.worker.engine.records import StartedJob
from dingda.worker.engine.repair import Kind, remove_other_kinds, remove_unreadable

logger = logging.getLogger(__name__)

_OUTAGE = (RedisConnectionError, RedisTimeoutError, OSError)


class WorkerRegistration:
    """The record of one worker. Its calls block, and may come from several threads.

    Args:
        worker: RQ's view of the worker.
        queue: the one queue that it takes jobs from.
        is_idle: whether the worker has no jobs at this moment.
        job_ttl_s: how long after a heartbeat a job counts as being worked on.
    """

    def __init__(
        self, worker: BaseWorker, queue: Queue, *, is_idle: Callable[[], bool], job_ttl_s: int
    ) -> None:
        self._worker = worker
        self._queue = queue
        self._connection = queue.connection
        self._is_idle = is_idle
        self._job_ttl_s = job_ttl_s
        self._state_lock = threading.Lock()

    def open(self) -> None:
        """Register the worker, and subscribe to RQ's commands."""
        remove_other_kinds(self._connection, self._kinds)
        self._worker.bootstrap("WARNING")
        self._worker.set_state(WorkerStatus.IDLE)
        # Not beside the first job: RQ would note it as one that a dead worker left in between.
        self.tidy()

    def close(self) -> None:
        """Register the worker's end, and unsubscribe."""
        self.remove_report()
        self._worker.teardown()  # type: ignore[no-untyped-call]

    def remove_report(self) -> None:
        """Let the worker count as gone at once."""
        self._connection.delete(self._report_key)

    def update_state(self) -> None:
        """Record whether the worker is idle; of two threads, the one that reads last decides."""
        with self._state_lock:
            self._worker.set_state(self._state)

    def now_ms(self) -> int:
        """The present by Redis's clock, in ms since 1970."""
        seconds, microseconds = self._connection.time()
        return int(seconds) * 1000 + int(microseconds) // 1000

    def send_heartbeat(self, report: WorkerReport) -> None:
        """Show that the worker is alive, and register again if Redis has forgotten it."""
        remove_other_kinds(self._connection, self._kinds)
        worker = self._worker
        with self._connection.pipeline() as pipeline:
            worker.heartbeat(pipeline=pipeline)
            pipeline.set(self._report_key, report.to_json(), px=REPORT_TTL_MS)
            for members in self._registries:
                pipeline.sismember(members, worker.key)
            pipeline.hmget(worker.key, "birth", "queues", "hostname", "state")
            *_, everywhere, here, facts = pipeline.execute()
        if not (everywhere and here and all(facts)):
            self._register_again()

    def send_job_heartbeats(self, running: Sequence[StartedJob]) -> None:
        """Show that jobs are still being worked on."""
        registry = self._queue.started_job_registry
        ttl = self._job_ttl_s
        with self._connection.pipeline() as pipeline:
            for job_id, execution_id, _, _ in running:
                execution = Execution(execution_id, job_id, self._connection, self._worker.name)
                execution.heartbeat(registry, ttl, pipeline)
                job = Job(job_id, self._connection, self._queue.serializer)
                job.heartbeat(now(), ttl, pipeline)
            # One that fails, because of a planted key of another kind, must not hold up the others.
            pipeline.execute(raise_on_error=False)

    def tidy(self) -> None:
        """Let RQ tidy its registries if that is due; remove what it can't read there."""
        if not self._worker.should_run_maintenance_tasks:
            return
        try:
            self._worker.run_maintenance_tasks()  # type: ignore[no-untyped-call]
        except _OUTAGE:
            raise
        except Exception as error:  # noqa: BLE001 - whatever is in Redis
            logger.error("RQ cannot tidy its registries (%s)", class_name(error))
            remove_unreadable(self._connection, self._kinds)

    def _register_again(self) -> None:
        """Write RQ's whole record of the worker again: Redis has lost all of it, or a part.

        A heartbeat creates the worker's hash again with nothing else in it, and so do its counters.
        """
        worker = self._worker
        logger.warning("Redis has forgotten worker %s; it registers again", worker.name)
        with self._connection.pipeline() as pipeline:
            pipeline.hset(worker.key, mapping=worker.serialize())
            worker.set_state(self._state, pipeline)
            worker_registration.register(worker, pipeline)
            worker.heartbeat(pipeline=pipeline)
            pipeline.execute()

    @property
    def _state(self) -> WorkerStatus:
        return WorkerStatus.IDLE if self._is_idle() else WorkerStatus.BUSY

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
            self._worker.key: "hash",
            self._worker.executions_key: "set",
        }

    @property
    def _report_key(self) -> str:
        return LedgerKeys(self._queue.name).worker(self._worker.name)

    @property
    def _registries(self) -> tuple[str, str]:
        """RQ's sets of workers: all of them, and this queue's."""
        return self._worker.redis_workers_keys, WORKERS_BY_QUEUE_KEY % self._queue.name
