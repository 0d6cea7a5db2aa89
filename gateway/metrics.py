"""What a gateway process counts of its own work, where metrics are on.

All processes of a gateway count into files of one folder; the first process adds them up and serves
the sums (`shared.runtime.counter_files`, `shared.runtime.metrics_server`).
"""

import logging
import socket
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING

from dingda.shared.dingtalk.robots import Robot, Robots
from dingda.shared.errors import SettingsError
from dingda.shared.runtime.counter_files import CounterFile, Measure, read_counter_files
from dingda.shared.runtime.logs import trace
from dingda.shared.runtime.loop_lag import LAG_BOUNDS_S
from dingda.shared.runtime.server import listen_for_metrics
from dingda.shared.runtime.settings import Settings

if TYPE_CHECKING:
    from prometheus_client.core import Metric

logger = logging.getLogger(__name__)


class CallbackOutcome(StrEnum):
    """What became of one request to the message-receiving address."""

    STORED = "stored"
    DUPLICATE = "duplicate"
    IGNORED = "ignored"
    """It was genuine, and there is nothing to answer to."""
    BUSY = "busy"
    """It was not stored, and its sender was told that the bot is busy."""
    REFUSED = "refused"
    """A status from 400 to 499: no signature that is right, or no message."""
    MISDIRECTED = "misdirected"
    """Status 403: signed with one robot's secret, and it names another robot."""
    PROBE = "probe"
    """A console or a person tried the address."""
    DISCONNECTED = "disconnected"
    """The client went away before its request had arrived."""
    FAILED = "failed"
    """An error of ours, status 500."""


CALLBACKS = Measure(
    "dingda_callback_duration_seconds",
    "Time from a callback's headers to its response, by outcome.",
    label="outcome",
    values=tuple(CallbackOutcome),
    bounds=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5),
)
BATCHES = Measure(
    "dingda_intake_batch_size",
    "Messages that were to be stored in one round trip to Redis.",
    bounds=(1, 2, 4, 8, 16, 32, 64, 128, 256),
)
ROUND_TRIPS = Measure(
    "dingda_redis_trip_duration_seconds",
    "Time of a round trip to Redis that stores a batch of messages, whether it succeeds or not.",
    bounds=(0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5),
)
LOOP_LAG = Measure(
    "dingda_loop_lag_seconds",
    "How late the event loop runs what is due, measured twice a second.",
    bounds=LAG_BOUNDS_S,
)


def robot_messages(robots: Robots) -> Measure:
    """The counter of messages by robot; labels come from the settings, none from a message."""
    return Measure(
        "dingda_robot_messages",
        "Messages that were stored, by the robot that they were said to.",
        label="robot",
        values=tuple(robot.label for robot in robots),
        bounds=(),
    )


def measures(robots: Robots) -> tuple[Measure, ...]:
    """All that a gateway process counts."""
    return (CALLBACKS, BATCHES, ROUND_TRIPS, LOOP_LAG, robot_messages(robots))


class GatewayMetrics:
    """Counts nothing: the form that is used where metrics are off."""

    def callback_ended(self, outcome: CallbackOutcome, duration_s: float) -> None:
        """Count a request to the message-receiving address."""

    def message_stored(self, robot: Robot) -> None:
        """Count a message to a robot that was stored."""

    def batch_ended(self, size: int, duration_s: float) -> None:
        """Count a round trip that was to store `size` messages."""

    def loop_lagged(self, lag_s: float) -> None:
        """Count how late the event loop was."""


class CountedGatewayMetrics(GatewayMetrics):
    """Counts in a file of this process.

    Args:
        folder: where the files of all processes are.
        robots: those whose messages are counted.
    """

    def __init__(self, folder: Path, robots: Robots) -> None:
        file = CounterFile(folder, measures(robots))
        self._callbacks = {
            outcome: file.histogram(CALLBACKS.name, outcome) for outcome in CallbackOutcome
        }
        self._messages = {
            robot.label: file.histogram(robot_messages(robots).name, robot.label)
            for robot in robots
        }
        self._batches = file.histogram(BATCHES.name)
        self._round_trips = file.histogram(ROUND_TRIPS.name)
        self._loop_lag = file.histogram(LOOP_LAG.name)

    def callback_ended(self, outcome: CallbackOutcome, duration_s: float) -> None:
        """Count a request to the message-receiving address."""
        self._callbacks[outcome].observe(duration_s)

    def message_stored(self, robot: Robot) -> None:
        """Count a message to a robot that was stored."""
        self._messages[robot.label].observe(0)

    def batch_ended(self, size: int, duration_s: float) -> None:
        """Count a round trip that was to store `size` messages."""
        self._batches.observe(size)
        self._round_trips.observe(duration_s)

    def loop_lagged(self, lag_s: float) -> None:
        """Count how late the event loop was."""
        self._loop_lag.observe(lag_s)


def count_in(folder: Path, robots: Robots) -> GatewayMetrics:
    """Count in a file of this process; nothing, where there is no room for it."""
    try:
        return CountedGatewayMetrics(folder, robots)
    except OSError as error:
        logger.error("this process counts nothing: %s", trace(error))
        return GatewayMetrics()


@contextmanager
def served_metrics(settings: Settings, *, is_reload: bool = False) -> Iterator[Path | None]:
    """Serve what the gateway's processes count, as long as the context lasts.

    Args:
        settings: where to listen.
        is_reload: whether the gateway has served before. It then goes on without metrics if it
            can't have the port: what was reloaded must not end it.

    Returns:
        The folder where they count; None where metrics are off.

    Raises:
        SettingsError: if the port is taken.
    """
    listener = _listen(settings, is_reload=is_reload) if settings.metrics_port else None
    if listener is None:
        yield None
        return
    from dingda.shared.runtime.metrics_server import (  # noqa: PLC0415 - loads prometheus_client
        Collected,
        build_info,
        counted,
        serve_metrics,
    )

    try:
        temporary = tempfile.TemporaryDirectory(prefix="dingda-metrics-")
    except OSError as error:
        logger.error("there are no metrics from here on: %s", trace(error))
        listener.close()
        yield None
        return
    with temporary as name:
        folder = Path(name)

        def read() -> "Iterator[Metric]":
            yield build_info("gateway")
            yield from counted(read_counter_files(folder))

        with serve_metrics(listener, Collected(read)):
            yield folder


def _listen(settings: Settings, *, is_reload: bool) -> socket.socket | None:
    try:
        return listen_for_metrics(settings)
    except SettingsError as error:
        if not is_reload:
            raise
        logger.error("there are no metrics from here on: %s", error)
        return None
