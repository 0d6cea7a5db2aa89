"""What Redis knows of all processes together, as status, top, dashboard and metrics show it."""

from collections.abc import Mapping
from dataclasses import dataclass

from redis.asyncio import Redis
from rq.suspension import WORKERS_SUSPENDED

from dingda.shared.ledger.admin import LedgerAdmin
from dingda.shared.ledger.histograms import Histogram, Stage
from dingda.shared.ledger.keys import LedgerKeys
from dingda.shared.ledger.states import Counts
from dingda.shared.ledger.worker_report import WorkerReport, read_worker_reports
from dingda.shared.queue import JobQueue, message_of_job
from dingda.shared.runtime.clock import china_now
from dingda.worker.operations.redis_health import RedisHealth, read_redis_health
from dingda.worker.services.openapi_calls import month_of


@dataclass(frozen=True, slots=True)
class ClusterState:
    """All gateways and workers on one queue, at one moment."""

    at_ms: int
    """By Redis's clock."""
    counts: Counts
    histograms: Mapping[Stage, Histogram]
    queued: int
    oldest_s: float
    """Age of the message that is next on the queue; 0 if it is empty."""
    due: int
    """Messages that a sweeper will look at: leased, on their way, or waiting for their time."""
    resting: int
    """Accepted messages off the queue: they wait for another attempt, or for their turn."""
    dead_letters: int
    """Those on the list; `counts` has all that ever were."""
    is_suspended: bool
    workers: tuple[WorkerReport, ...]
    redis: RedisHealth
    openapi_calls: int = 0
    """Calls of DingTalk's OpenAPI in this month."""

    @property
    def slots(self) -> int:
        """How many messages all workers can answer at once."""
        return sum(worker.slots for worker in self.workers)

    @property
    def slots_used(self) -> int:
        """How many they are answering."""
        return sum(worker.slots_used for worker in self.workers)

    @property
    def open_circuits(self) -> dict[str, int]:
        """Backends that are not called, each with the number of workers that don't."""
        names = [name for worker in self.workers for name in worker.open_circuits]
        return {name: names.count(name) for name in sorted(set(names))}


async def read_cluster_state(redis: Redis, admin: LedgerAdmin, queue: JobQueue) -> ClusterState:
    """Read everything once.

    Args:
        redis: a client that decodes responses.
        admin: the operators' view of the ledger.
        queue: the RQ queue.

    Raises:
        RedisError: what the client raises.
    """
    keys, (_, queue_key) = LedgerKeys(queue.name), queue.keys
    async with redis.pipeline(transaction=False) as pipeline:
        pipeline.time()
        pipeline.llen(queue_key)
        pipeline.lindex(queue_key, 0)
        pipeline.zcard(keys.due)
        pipeline.scard(keys.resting)
        pipeline.zcard(keys.dead)
        pipeline.exists(WORKERS_SUSPENDED)
        pipeline.get(keys.openapi_calls(month_of(china_now())))
        clock, queued, head, due, resting, dead_letters, suspended, calls = await pipeline.execute()
    seconds, microseconds = clock
    return ClusterState(
        at_ms=seconds * 1000 + microseconds // 1000,
        counts=await admin.counts(),
        histograms=await admin.histograms(),
        queued=queued,
        oldest_s=await admin.age_s(message_of_job(head)) if head else 0.0,
        due=due,
        resting=resting,
        dead_letters=dead_letters,
        is_suspended=bool(suspended),
        workers=tuple(await read_worker_reports(redis, queue)),
        redis=await read_redis_health(redis),
        openapi_calls=int(calls or 0),
    )
