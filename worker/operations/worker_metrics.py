"""What a worker tells Prometheus of itself; imported only where metrics are on."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass

from prometheus_client import CollectorRegistry, Counter, Histogram, disable_created_metrics
from prometheus_client.core import GaugeMetricFamily, Metric

from dingda.shared.ledger.states import Outcome
from dingda.shared.runtime.loop_lag import LAG_BOUNDS_S
from dingda.shared.runtime.metrics_server import (
    ClosedLabel,
    Details,
    build_info,
    serve_process,
)
from dingda.shared.runtime.settings import Settings
from dingda.worker.answering.metrics import AnsweringMetrics
from dingda.worker.delivery.outcome import (
    Delivered,
    DeliveryOutcome,
    OutOfTime,
    Rejected,
    Retry,
    Unknown,
)

_SKILL_BOUNDS_S = (0.01, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300)
_DELIVERIES: dict[type[DeliveryOutcome | OutOfTime], str] = {
    Delivered: "delivered",
    Retry: "retry",
    Rejected: "rejected",
    Unknown: "unknown",
    OutOfTime: "out_of_time",
}


@dataclass(frozen=True, slots=True)
class WorkerState:
    """What a worker is like at this moment."""

    slots: int
    slots_used: int
    tasks: int
    """What runs on its event loop, its own background tasks included."""
    circuits: dict[str, bool]
    """Whether each backend's circuit is open, by its name; of those that were ever called."""


class WorkerMetrics(AnsweringMetrics):
    """Counts what one worker does.

    Args:
        by_robot: whether skills and deliveries are counted for each robot apart: `of_robot` then
            says which, by a label that there is only where there are several.
    """

    def __init__(self, *, by_robot: bool = False) -> None:
        self._by_robot = by_robot
        robot = ["robot"] if by_robot else []
        disable_created_metrics()  # type: ignore[no-untyped-call]
        self.registry = CollectorRegistry()
        self._skills = Histogram(
            "dingda_skill_duration_seconds",
            "Time that a skill took, by what its message is to end as.",
            ["skill", "outcome", *robot],
            buckets=_SKILL_BOUNDS_S,
            registry=self.registry,
        )
        self._deliveries = Counter(
            "dingda_delivery_attempts",
            "Attempts to deliver a reply, by outcome.",
            ["outcome", *robot],
            registry=self.registry,
        )
        self._robots_unknown = Counter(
            "dingda_unknown_robot",
            "Messages put back because this worker does not know their robot.",
            registry=self.registry,
        )
        self._leases_lost = Counter(
            "dingda_leases_lost",
            "Messages that another worker had taken over.",
            registry=self.registry,
        )
        self._requeued = Counter(
            "dingda_sweeper_requeued",
            "Overdue messages that this worker's sweeper has enqueued again.",
            registry=self.registry,
        )
        self._loop_lag = Histogram(
            "dingda_loop_lag_seconds",
            "How late the event loop runs what is due, measured twice a second.",
            buckets=LAG_BOUNDS_S,
            registry=self.registry,
        )
        self._skill_names = ClosedLabel()

    def of_robot(self, label: str) -> AnsweringMetrics:
        """The same for one robot; see `AnsweringMetrics.of_robot`."""
        labels = (label,) if self._by_robot else ()
        return _RobotMetrics(self._skills, self._deliveries, self._skill_names, labels)

    def robot_unknown(self) -> None:
        """Count a message that was put back, because this worker does not know its robot."""
        self._robots_unknown.inc()

    def lease_lost(self) -> None:
        """Count a message that another worker had taken over."""
        self._leases_lost.inc()

    def requeued(self, count: int) -> None:
        """Count messages that the sweeper has enqueued again."""
        self._requeued.inc(count)

    def loop_lagged(self, lag_s: float) -> None:
        """Count how late the event loop was."""
        self._loop_lag.observe(lag_s)

    def served(
        self,
        settings: Settings,
        state: Callable[[], WorkerState],
        *,
        is_alive: Callable[[], bool],
        why_not_ready: Callable[[], str],
        details: Details,
    ) -> AbstractContextManager[None]:
        """Serve the metrics, and the worker's health, as long as the context lasts.

        Args:
            settings: where to listen.
            state: reads what the worker is like now; called from a thread.
            is_alive: whether the worker is well; called from a thread.
            why_not_ready: why it takes no jobs; "" if it does. Called from a thread.
            details: what operators are told while it does. Called from a thread.

        Raises:
            SettingsError: if the port is taken.
        """
        services = ClosedLabel()
        return serve_process(
            settings,
            self.registry,
            lambda: state_metrics(state(), services),
            is_alive=is_alive,
            why_not_ready=why_not_ready,
            details=details,
        )


class _RobotMetrics(AnsweringMetrics):
    """Counts what a worker does for one robot."""

    def __init__(
        self,
        skills: Histogram,
        deliveries: Counter,
        skill_names: ClosedLabel,
        labels: tuple[str, ...],
    ) -> None:
        self._skills = skills
        self._skill_names = skill_names
        self._labels = labels
        self._deliveries = {
            kind: deliveries.labels(outcome, *labels) for kind, outcome in _DELIVERIES.items()
        }

    def skill_ended(self, skill: str, outcome: Outcome, duration_s: float) -> None:
        """Count a call of a skill."""
        name = self._skill_names.value(skill)
        self._skills.labels(name, outcome.name.lower(), *self._labels).observe(duration_s)

    def delivery_ended(self, outcome: DeliveryOutcome | OutOfTime) -> None:
        """Count an attempt to deliver a reply, or a part of one."""
        self._deliveries[type(outcome)].inc()


def state_metrics(state: WorkerState, services: ClosedLabel) -> Iterator[Metric]:
    """The metrics of what a worker is like."""
    yield build_info("worker")
    yield GaugeMetricFamily(
        "dingda_worker_slots", "Messages that this worker answers at once.", value=state.slots
    )
    yield GaugeMetricFamily(
        "dingda_worker_slots_used",
        "Messages that this worker is answering.",
        value=state.slots_used,
    )
    yield GaugeMetricFamily(
        "dingda_loop_tasks", "Tasks on this worker's event loop.", value=state.tasks
    )
    circuits = GaugeMetricFamily(
        "dingda_backend_circuit_open",
        "Whether this worker does not call a backend for a while, because it failed too often.",
        labels=["service"],
    )
    shown: dict[str, bool] = {}
    for service, is_open in state.circuits.items():
        name = services.value(service)
        shown[name] = shown.get(name, False) or is_open
    for name, is_open in shown.items():
        circuits.add_metric([name], is_open)
    yield circuits
