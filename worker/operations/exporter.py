"""`dingda metrics`: what Prometheus is told of all processes together, as Redis knows it just then.

One exporter for a queue is enough; several tell the same, so don't add them up. What only a process
knows it tells on a port of its own (`DINGDA_METRICS_PORT`).
"""

import logging
from collections.abc import Callable, Coroutine, Iterator, Mapping
from typing import Any, get_args

from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from redis.exceptions import RedisError
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from dingda.shared.dingtalk.message import IgnoredReason
from dingda.shared.ledger.histograms import BUCKETS_S, Histogram, Stage
from dingda.shared.ledger.states import Counts, DeadReason
from dingda.shared.runtime.deadline import within
from dingda.shared.runtime.metrics_server import (
    CONTENT_TYPE,
    ClosedLabel,
    build_info,
    expose,
)
from dingda.worker.operations.cluster_state import ClusterState
from dingda.worker.operations.redis_health import RedisHealth

logger = logging.getLogger(__name__)

READ_WITHIN_S = 0.9
"""How long Redis may take to tell everything: a scrape is answered within a second."""


def create_exporter(
    read: Callable[[], Coroutine[Any, Any, ClusterState]],
    *,
    wanted_replicas: int = 0,
    monthly_calls: int = 0,
) -> Starlette:
    """Build the application that serves `/metrics` and `/healthz`.

    Args:
        read: reads the state; what it raises of Redis's is told as `dingda_up 0`.
        wanted_replicas: how many replicas are to hold what is acknowledged.
        monthly_calls: how many calls of the OpenAPI there are in a month.
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
        found = cluster_metrics(
            state, services, wanted_replicas=wanted_replicas, monthly_calls=monthly_calls
        )
        return Response(expose(found), media_type=CONTENT_TYPE)

    async def alive(_: Request) -> JSONResponse:
        return JSONResponse({"alive": True})

    return Starlette(routes=[Route("/metrics", metrics), Route("/healthz", alive)])


def cluster_metrics(
    state: ClusterState | None,
    services: ClosedLabel,
    *,
    wanted_replicas: int,
    monthly_calls: int,
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
    yield GaugeMetricFamily(
        "dingda_openapi_calls_this_month",
        "Calls of DingTalk's OpenAPI in this month.",
        value=state.openapi_calls,
    )
    yield GaugeMetricFamily(
        "dingda_openapi_calls_a_month",
        "Calls of it that DingTalk allows in a month (DINGDA_OPENAPI_MONTHLY_CALLS).",
        value=monthly_calls,
    )
    yield _durations(state.histograms)
    yield from _workers(state, services)
    yield from _redis(state.redis, wanted_replicas)


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
    yield CounterMetricFamily(
        "dingda_ticks_missed",
        "Ticks of schedules that came too late to be run.",
        value=counts.missed_ticks,
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


def _workers(state: ClusterState, services: ClosedLabel) -> Iterator[Metric]:
    yield GaugeMetricFamily(
        "dingda_workers", "Workers that have reported in the last 30 s.", value=len(state.workers)
    )
    yield GaugeMetricFamily(
        "dingda_cluster_slots",
        "Messages that all workers together answer at once.",
        value=state.slots,
    )
    yield GaugeMetricFamily(
        "dingda_cluster_slots_used",
        "Messages that all workers together were answering at their last reports.",
        value=state.slots_used,
    )
    circuits = GaugeMetricFamily(
        "dingda_cluster_open_circuits",
        "Workers that did not call a backend at their last report, because it failed too often.",
        labels=["service"],
    )
    found: dict[str, int] = {}
    for service, number in state.open_circuits.items():
        name = services.value(service)
        found[name] = found.get(name, 0) + number
    for name, number in found.items():
        circuits.add_metric([name], number)
    yield circuits


def _redis(health: RedisHealth, wanted_replicas: int) -> Iterator[Metric]:
    """What Redis says of itself; what it does not say is left out."""
    yield GaugeMetricFamily(
        "dingda_redis_replicas_wanted",
        "Replicas that are to hold what is acknowledged (DINGDA_REDIS_REPLICAS).",
        value=wanted_replicas,
    )
    replicas = health.replicas
    lags = [each.lag_s for each in replicas or () if each.lag_s is not None]
    gauges: tuple[tuple[str, str, float | None], ...] = (
        ("memory_bytes", "Memory that Redis uses.", health.memory_bytes),
        ("max_memory_bytes", "Memory that Redis may use; 0: no limit.", health.max_memory_bytes),
        (
            "replicas",
            "Replicas that are connected to the primary.",
            None if replicas is None else len(replicas),
        ),
        (
            "replica_lag_seconds",
            "How long ago the slowest replica was last heard of.",
            max(lags, default=None),
        ),
        ("aof_enabled", "Whether the append-only file is on.", health.append_only),
        (
            "aof_write_ok",
            "Whether the last write to the append-only file succeeded.",
            health.append_only_works,
        ),
    )
    for name, meaning, value in gauges:
        if value is not None:
            yield GaugeMetricFamily(f"dingda_redis_{name}", meaning, value=value)
    if health.cpu_s is not None:
        yield CounterMetricFamily(
            "dingda_redis_cpu_seconds",
            "CPU time of Redis's main thread, which has one core.",
            value=health.cpu_s,
        )
