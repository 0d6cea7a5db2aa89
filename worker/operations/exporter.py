"""`dingda metrics`: what Prometheus is told of all processes together, as Redis knows it just then.

One exporter for a queue is enough; several tell the same, so don't add them up. What only a process
knows it tells on a port of its own (`DINGDA_METRICS_PORT`).
"""

import logging
from collections.abc import Callable, Coroutine, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, get_args

from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from redis.asyncio import Redis
from redis.exceptions import RedisError, ResponseError
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from dingda.shared.dingtalk.message import IgnoredReason
from dingda.shared.ledger.admin import LedgerAdmin
from dingda.shared.ledger.histograms import BUCKETS_S, Histogram, Stage
from dingda.shared.ledger.keys import LedgerKeys
from dingda.shared.ledger.states import Counts, DeadReason
from dingda.shared.ledger.worker_report import WorkerReport, read_worker_reports
from dingda.shared.queue import JobQueue, message_of_job
from dingda.shared.runtime.deadline import within
from dingda.shared.runtime.metrics_server import (
    CONTENT_TYPE,
    ClosedLabel,
    build_info,
    expose,
)

logger = logging.getLogger(__name__)

READ_WITHIN_S = 0.9
"""How long Redis may take to tell everything: a scrape is answered within a second."""


@dataclass(frozen=True, slots=True)
class ClusterState:
    """What Redis knows of all processes at one moment."""

    counts: Counts
    queued: int
    oldest_s: float
    due: int
    dead_letters: int
    histograms: Mapping[Stage, Histogram]
    workers: list[WorkerReport]
    redis_info: Mapping[str, Any] = field(default_factory=dict)
    """What INFO says; empty where it may not be asked."""


async def read_cluster_state(redis: Redis, admin: LedgerAdmin, queue: JobQueue) -> ClusterState:
    """Read it all.

    Args:
        redis: a client that decodes responses.
        admin: the operators' view of the ledger.
        queue: the RQ queue.

    Raises:
        RedisError: what the client raises.
    """
    keys, (_, queue_key) = LedgerKeys(queue.name), queue.keys
    async with redis.pipeline(transaction=False) as pipeline:
        pipeline.llen(queue_key)
        pipeline.lindex(queue_key, 0)
        pipeline.zcard(keys.due)
        pipeline.zcard(keys.dead)
        queued, head, due, dead_letters = await pipeline.execute()
    return ClusterState(
        counts=await admin.counts(),
        queued=queued,
        oldest_s=await admin.age_s(message_of_job(head)) if head else 0.0,
        due=due,
        dead_letters=dead_letters,
        histograms=await admin.histograms(),
        workers=await read_worker_reports(redis, queue),
        redis_info=await _info(redis),
    )


async def _info(redis: Redis) -> Mapping[str, Any]:
    try:
        return dict(await redis.info())
    except ResponseError:  # our user may not ask
        return {}


def create_exporter(
    read: Callable[[], Coroutine[Any, Any, ClusterState]], *, wanted_replicas: int = 0
) -> Starlette:
    """Build the application that serves `/metrics` and `/healthz`.

    Args:
        read: reads the state; what it raises of Redis's is told as `dingda_up 0`.
        wanted_replicas: how many replicas are to hold what is acknowledged.
    """
    services = ClosedLabel()

    async def read_or_none() -> ClusterState | None:
        try:
            return await within(READ_WITHIN_S, read())
        except (RedisError, OSError, TimeoutError) as error:
            logger.warning("cannot read Redis (%s)", type(error).__name__)
            return None

    async def metrics(_: Request) -> Response:
        state = await read_or_none()
        found = cluster_metrics(state, services, wanted_replicas=wanted_replicas)
        return Response(expose(found), media_type=CONTENT_TYPE)

    async def alive(_: Request) -> JSONResponse:
        return JSONResponse({"alive": True})

    return Starlette(routes=[Route("/metrics", metrics), Route("/healthz", alive)])


def cluster_metrics(
    state: ClusterState | None, services: ClosedLabel, *, wanted_replicas: int
) -> Iterator[Metric]:
    """The metrics of a state; without one only that there is none."""
    yield build_info("exporter")
    yield GaugeMetricFamily(
        "dingda_up", "Whether the ledger in Redis can be read.", value=state is not None
    )
    if state is None:
        return
    yield from _totals(state.counts)
    yield GaugeMetricFamily(
        "dingda_messages_open", "Messages that have no end yet.", value=state.counts.open
    )
    yield GaugeMetricFamily(
        "dingda_queue_messages", "Messages on the queue, waiting for a worker.", value=state.queued
    )
    yield GaugeMetricFamily(
        "dingda_queue_oldest_age_seconds",
        "Age of the message that is next on the queue; 0 if it is empty.",
        value=state.oldest_s,
    )
    yield GaugeMetricFamily(
        "dingda_due_messages",
        "Messages that a sweeper will look at: leased, on their way, or waiting for their time.",
        value=state.due,
    )
    yield GaugeMetricFamily(
        "dingda_dead_letters",
        "Dead letters that nobody has retried or dropped.",
        value=state.dead_letters,
    )
    yield _durations(state.histograms)
    yield from _workers(state.workers, services)
    yield from _redis(state.redis_info, wanted_replicas)


def _totals(counts: Counts) -> Iterator[Metric]:
    yield CounterMetricFamily(
        "dingda_messages_accepted", "Messages that were stored.", value=counts.accepted
    )
    yield CounterMetricFamily(
        "dingda_messages_revived",
        "Dead letters that an operator had answered again.",
        value=counts.revived,
    )
    yield CounterMetricFamily(
        "dingda_redis_unreplicated",
        "Steps of messages that too few replicas had in time.",
        value=counts.unreplicated,
    )
    ended = CounterMetricFamily(
        "dingda_messages_ended",
        "Messages that came to an end; a revived one ends again.",
        labels=["end", "reason"],
    )
    ended.add_metric(["answered", ""], counts.answered)
    ended.add_metric(["unmatched", ""], counts.unmatched)
    ended.add_metric(["declined", ""], counts.declined)
    for reason, total in _closed(counts.dead, tuple(DeadReason)).items():
        ended.add_metric(["dead", reason], total)
    yield ended
    ignored = CounterMetricFamily(
        "dingda_messages_ignored",
        "Genuine callbacks that there was nothing to answer to.",
        labels=["kind"],
    )
    for kind, total in _closed(counts.ignored, get_args(IgnoredReason)).items():
        ignored.add_metric([kind], total)
    yield ignored


def _closed(found: Mapping[str, int], known: tuple[str, ...]) -> dict[str, int]:
    """The totals of the names that are known, and the others' together as `other`."""
    others = sum(total for name, total in found.items() if name not in known)
    return {name: found.get(name, 0) for name in known} | {"other": others}


def _durations(histograms: Mapping[Stage, Histogram]) -> Metric:
    family = HistogramMetricFamily(
        "dingda_message_duration_seconds",
        "Time that messages which have ended spent in each stage.",
        labels=["stage"],
    )
    bounds = (*map(str, map(float, BUCKETS_S)), "+Inf")
    for stage, histogram in histograms.items():
        buckets = list(zip(bounds, map(float, histogram.cumulative), strict=True))
        family.add_metric([stage], buckets, histogram.sum_s)
    return family


def _workers(workers: list[WorkerReport], services: ClosedLabel) -> Iterator[Metric]:
    yield GaugeMetricFamily(
        "dingda_workers", "Workers that have reported in the last 30 s.", value=len(workers)
    )
    yield GaugeMetricFamily(
        "dingda_cluster_slots",
        "Messages that all workers together answer at once.",
        value=sum(worker.slots for worker in workers),
    )
    yield GaugeMetricFamily(
        "dingda_cluster_slots_used",
        "Messages that all workers together were answering at their last reports.",
        value=sum(worker.slots_used for worker in workers),
    )
    circuits = GaugeMetricFamily(
        "dingda_cluster_open_circuits",
        "Workers that did not call a backend at their last report, because it failed too often.",
        labels=["service"],
    )
    found: dict[str, int] = {}
    for worker in workers:
        for service in worker.open_circuits:
            name = services.value(service)
            found[name] = found.get(name, 0) + 1
    for name, number in found.items():
        circuits.add_metric([name], number)
    yield circuits


_INFO: tuple[tuple[str, str, str], ...] = (
    ("used_memory", "dingda_redis_memory_bytes", "Memory that Redis uses."),
    ("maxmemory", "dingda_redis_max_memory_bytes", "Memory that Redis may use; 0: no limit."),
    ("connected_slaves", "dingda_redis_replicas", "Replicas that are connected to the primary."),
    ("aof_enabled", "dingda_redis_aof_enabled", "Whether the append-only file is on."),
)
"""A field of INFO with a number, and its metric's name and meaning."""


def _redis(info: Mapping[str, Any], wanted_replicas: int) -> Iterator[Metric]:
    """What INFO says; a managed service may leave out some of it."""
    yield GaugeMetricFamily(
        "dingda_redis_replicas_wanted",
        "Replicas that are to hold what is acknowledged (DINGDA_REDIS_REPLICAS).",
        value=wanted_replicas,
    )
    for name, metric, meaning in _INFO:
        if isinstance(value := info.get(name), int):
            yield GaugeMetricFamily(metric, meaning, value=value)
    if status := info.get("aof_last_write_status"):
        yield GaugeMetricFamily(
            "dingda_redis_aof_write_ok",
            "Whether the last write to the append-only file succeeded.",
            value=status == "ok",
        )
    lags = [replica["lag"] for replica in _replicas(info) if isinstance(replica.get("lag"), int)]
    if lags:
        yield GaugeMetricFamily(
            "dingda_redis_replica_lag_seconds",
            "How long ago the slowest replica was last heard of.",
            value=max(lags),
        )
    cpu = [info.get(f"used_cpu_{kind}_main_thread") for kind in ("sys", "user")]
    if all(isinstance(each, int | float) for each in cpu):
        yield CounterMetricFamily(
            "dingda_redis_cpu_seconds",
            "CPU time of Redis's main thread, which has one core.",
            value=sum(cpu),  # type: ignore[arg-type]
        )


def _replicas(info: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    for name, value in info.items():
        if name.startswith("slave") and isinstance(value, Mapping):
            yield value
