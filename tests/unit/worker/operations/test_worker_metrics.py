"""A worker counts what it does, where metrics are on."""

from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from dingda.shared.ledger.states import Outcome
from dingda.worker.delivery.outcome import (
    Delivered,
    FailureKind,
    OutOfTime,
    Rejected,
    Retry,
    Unknown,
)
from dingda.worker.operations.worker_metrics import WorkerMetrics


def sample(registry: CollectorRegistry, name: str, **labels: str) -> float:
    return registry.get_sample_value(name, labels) or 0.0


@pytest.mark.parametrize(
    ("outcome", "label"),
    [
        (Delivered(), "delivered"),
        (Retry(FailureKind.BUSY, "busy"), "retry"),
        (Rejected("no"), "rejected"),
        (Unknown("?"), "unknown"),
        (OutOfTime(), "out_of_time"),
    ],
)
def test_every_delivery_is_counted_by_its_outcome(outcome: Any, label: str) -> None:
    metrics = WorkerMetrics()
    metrics.of_robot("小钉").delivery_ended(outcome)
    assert sample(metrics.registry, "dingda_delivery_attempts_total", outcome=label) == 1


def test_no_more_than_a_hundred_skills_are_told_apart() -> None:
    metrics = WorkerMetrics()
    robot = metrics.of_robot("小钉")
    for number in range(150):
        robot.skill_ended(f"skill {number}", Outcome.ANSWERED, 0.1)
    labels = {"skill": "other", "outcome": "answered"}
    assert sample(metrics.registry, "dingda_skill_duration_seconds_count", **labels) == 50


def test_several_robots_are_counted_apart_by_their_labels() -> None:
    metrics = WorkerMetrics(by_robot=True)
    for robot in map(metrics.of_robot, ("小钉", "小灰", "小灰")):
        robot.skill_ended("demo", Outcome.ANSWERED, 0.1)
        robot.delivery_ended(Delivered())
    for label, count in (("小钉", 1), ("小灰", 2)):
        labels = {"outcome": "answered", "robot": label, "skill": "demo"}
        assert sample(metrics.registry, "dingda_skill_duration_seconds_count", **labels) == count
        labels = {"outcome": "delivered", "robot": label}
        assert sample(metrics.registry, "dingda_delivery_attempts_total", **labels) == count


def test_messages_of_unknown_robots_are_counted_without_a_name_of_theirs() -> None:
    metrics = WorkerMetrics(by_robot=True)
    metrics.robot_unknown()
    assert sample(metrics.registry, "dingda_unknown_robot_total") == 1
