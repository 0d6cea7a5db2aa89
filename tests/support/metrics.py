"""Every metric that our processes export, as the code has them."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from prometheus_client.core import Metric

from dingda.gateway.metrics import measures
from dingda.gateway.stream.counted_metrics import CountedStreamMetrics
from dingda.gateway.stream.counted_metrics import state_metrics as stream_state_metrics
from dingda.shared.dingtalk.robots import ANY_ROBOT
from dingda.shared.ledger.histograms import read_histograms
from dingda.shared.ledger.states import Counts, Outcome
from dingda.shared.ledger.worker_report import WorkerReport
from dingda.shared.runtime.counter_files import Measure
from dingda.shared.runtime.metrics_server import ClosedLabel, build_info, counted
from dingda.worker.operations.cluster_state import ClusterState
from dingda.worker.operations.exporter import cluster_metrics
from dingda.worker.operations.redis_health import redis_health
from dingda.worker.operations.worker_metrics import WorkerMetrics, WorkerState, state_metrics

INFO = {
    "used_memory": 1_000,
    "maxmemory": 4_000,
    "connected_slaves": 2,
    "slave0": {"ip": "10.0.0.8", "port": 6379, "state": "online", "offset": 10, "lag": 1},
    "slave1": {"ip": "10.0.0.9", "port": 6379, "state": "online", "offset": 9, "lag": 4},
    "aof_enabled": 1,
    "aof_last_write_status": "err",
    "used_cpu_sys_main_thread": 1.5,
    "used_cpu_user_main_thread": 2.5,
}
"""What INFO says of a primary with two replicas, as redis-py parses it."""


@dataclass(frozen=True)
class Described:
    """A metric as a page describes it."""

    kind: str
    labels: frozenset[str]
    exporters: frozenset[str]


def all_metrics() -> dict[str, Described]:
    """Every metric by the name that queries have for it, a histogram's without its suffix."""
    found: dict[str, Described] = {}
    for exporter, metrics in _by_exporter().items():
        for metric in metrics:
            name = f"{metric.name}_total" if metric.type == "counter" else metric.name
            labels = {label for s in metric.samples for label in s.labels} - {"le"}
            before = found[name].exporters if name in found else frozenset()
            found[name] = Described(metric.type, frozenset(labels), before | {exporter})
    return found


def _by_exporter() -> Mapping[str, Iterable[Metric]]:
    return {
        "exporter": _clusters(),
        "gateway": _gateways(),
        "stream": _streams(),
        "worker": _workers(),
    }


def _clusters() -> Iterable[Metric]:
    report = WorkerReport("w", "h", 1, "1", 1, 2, 100, 7, open_circuits=("weather",))
    state = ClusterState(
        at_ms=1,
        counts=Counts(1, 1, 0, 0, {}, {}),
        queued=0,
        oldest_s=0.0,
        due=0,
        resting=0,
        dead_letters=0,
        is_suspended=False,
        histograms=read_histograms({}),
        workers=(report,),
        redis=redis_health(INFO),
    )
    return cluster_metrics(state, ClosedLabel(), wanted_replicas=1, monthly_calls=5_000)


def _gateways() -> Iterable[Metric]:
    yield build_info("gateway")
    yield from counted({measure: _nothing(measure) for measure in measures(ANY_ROBOT)})


def _streams() -> Iterable[Metric]:
    yield from CountedStreamMetrics(ANY_ROBOT).registry.collect()
    yield from stream_state_metrics({"default": 1})


def _nothing(measure: Measure) -> dict[str, list[float]]:
    return {value: [0.0] * measure.size for value in measure.values}


def _workers() -> Iterable[Metric]:
    metrics = WorkerMetrics(by_robot=True)
    metrics.of_robot("小钉").skill_ended("demo", Outcome.ANSWERED, 0.1)
    yield from metrics.registry.collect()
    yield from state_metrics(WorkerState(100, 7, 12, {"weather": True}), ClosedLabel())
