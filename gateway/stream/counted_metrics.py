"""What a Stream process tells Prometheus of itself; imported only where metrics are on."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager

from prometheus_client import CollectorRegistry, Counter, Histogram, disable_created_metrics
from prometheus_client.core import GaugeMetricFamily, Metric

from dingda.gateway.metrics import BATCHES, LOOP_LAG, ROUND_TRIPS, robot_messages
from dingda.gateway.stream.metrics import (
    ConnectResult,
    DisconnectReason,
    FrameOutcome,
    StreamMetrics,
    Topic,
)
from dingda.shared.dingtalk.robots import Robot, Robots
from dingda.shared.runtime.counter_files import Measure
from dingda.shared.runtime.metrics_server import Details, build_info, serve_process
from dingda.shared.runtime.settings import Settings

_ACK_BOUNDS_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5)


class CountedStreamMetrics(StreamMetrics):
    """Counts what one Stream process does.

    Args:
        robots: those whose messages are counted.
    """

    def __init__(self, robots: Robots) -> None:
        disable_created_metrics()  # type: ignore[no-untyped-call]
        self.registry = CollectorRegistry()
        frames = Counter(
            "dingda_stream_frames",
            "Frames that came, by what they are about and what became of them.",
            ["topic", "outcome"],
            registry=self.registry,
        )
        self._frames = {
            (topic, outcome): frames.labels(topic, outcome)
            for topic in Topic
            for outcome in FrameOutcome
        }
        self._acknowledged = Histogram(
            "dingda_stream_ack_duration_seconds",
            "Time from a frame's arrival to its acknowledgement.",
            buckets=_ACK_BOUNDS_S,
            registry=self.registry,
        )
        connects = Counter(
            "dingda_stream_connects",
            "Attempts to open a connection, by result.",
            ["result"],
            registry=self.registry,
        )
        self._connects = {result: connects.labels(result) for result in ConnectResult}
        disconnects = Counter(
            "dingda_stream_disconnects",
            "Connections that have ended, by why.",
            ["reason"],
            registry=self.registry,
        )
        self._disconnects = {reason: disconnects.labels(reason) for reason in DisconnectReason}
        of_robots = robot_messages(robots)
        messages = Counter(
            of_robots.name, of_robots.help, [of_robots.label], registry=self.registry
        )
        self._messages = {label: messages.labels(label) for label in of_robots.values}
        self._batches = self._histogram(BATCHES)
        self._round_trips = self._histogram(ROUND_TRIPS)
        self._loop_lag = self._histogram(LOOP_LAG)

    def frame_ended(self, topic: Topic, outcome: FrameOutcome) -> None:
        """Count a frame."""
        self._frames[topic, outcome].inc()

    def acknowledged(self, duration_s: float) -> None:
        """Count an acknowledgement, written so long after its frame came."""
        self._acknowledged.observe(duration_s)

    def connect_ended(self, result: ConnectResult) -> None:
        """Count an attempt to open a connection."""
        self._connects[result].inc()

    def disconnected(self, reason: DisconnectReason) -> None:
        """Count a connection that has ended."""
        self._disconnects[reason].inc()

    def message_stored(self, robot: Robot) -> None:
        """Count a message to a robot that was stored."""
        self._messages[robot.label].inc()

    def batch_ended(self, size: int, duration_s: float) -> None:
        """Count a round trip that was to store `size` messages."""
        self._batches.observe(size)
        self._round_trips.observe(duration_s)

    def loop_lagged(self, lag_s: float) -> None:
        """Count how late the event loop was."""
        self._loop_lag.observe(lag_s)

    def served(
        self,
        settings: Settings,
        connections: Callable[[], Mapping[str, int]],
        *,
        is_alive: Callable[[], bool],
        why_not_ready: Callable[[], str],
        details: Details,
    ) -> AbstractContextManager[None]:
        """Serve the metrics, and the process's health, as long as the context lasts.

        Args:
            settings: where to listen.
            connections: how many are open for each robot, by its label; called from a thread.
            is_alive: whether the process is well; called from a thread.
            why_not_ready: why it hears nothing; "" if it does. Called from a thread.
            details: what operators are told while it does. Called from a thread.

        Raises:
            SettingsError: if the port is taken.
        """
        return serve_process(
            settings,
            self.registry,
            lambda: state_metrics(connections()),
            is_alive=is_alive,
            why_not_ready=why_not_ready,
            details=details,
        )

    def _histogram(self, measure: Measure) -> Histogram:
        return Histogram(measure.name, measure.help, buckets=measure.bounds, registry=self.registry)


def state_metrics(connections: Mapping[str, int]) -> Iterator[Metric]:
    """Make metrics of what a Stream process is like at this moment.

    Args:
        connections: how many are open for each robot, by its label.
    """
    yield build_info("stream")
    family = GaugeMetricFamily(
        "dingda_stream_connections",
        "Connections that are open: one for each robot, two while one is replaced.",
        labels=["robot"],
    )
    for robot, number in connections.items():
        family.add_metric([robot], number)
    yield family
