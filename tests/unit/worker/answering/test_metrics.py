"""What is counted of answering messages."""

import asyncio
from collections.abc import Callable

import httpx
import pytest

from dingda.shared.ledger.states import Outcome
from dingda.skill import RefusalError
from dingda.worker.answering.metrics import AnsweringMetrics
from dingda.worker.delivery.outcome import (
    Delivered,
    DeliveryOutcome,
    OutOfTime,
    Rejected,
    Retry,
    Unknown,
)
from tests.support.worker_harness import Step, open_worker, well


class Recorder(AnsweringMetrics):
    """Keeps what it is told."""

    def __init__(self) -> None:
        self.skills: list[tuple[str, Outcome]] = []
        self.durations_s: list[float] = []
        self.deliveries: list[type[DeliveryOutcome | OutOfTime]] = []
        self.leases_lost = 0

    def skill_ended(self, skill: str, outcome: Outcome, duration_s: float) -> None:
        self.skills.append((skill, outcome))
        self.durations_s.append(duration_s)

    def delivery_ended(self, outcome: DeliveryOutcome | OutOfTime) -> None:
        self.deliveries.append(type(outcome))

    def lease_lost(self) -> None:
        self.leases_lost += 1


def silent() -> None:
    """A skill that wants to say nothing."""


def refuses() -> str:
    raise RefusalError("不行")


def fails() -> str:
    raise RuntimeError


@pytest.mark.parametrize(
    ("skill", "outcome"),
    [
        (well, Outcome.ANSWERED),
        (silent, Outcome.UNMATCHED),
        (refuses, Outcome.DECLINED),
        (fails, Outcome.DEAD),
    ],
)
async def test_a_skill_is_counted_by_what_its_message_ends_as(
    skill: Callable[[], object], outcome: Outcome
) -> None:
    metrics = Recorder()
    async with open_worker(skill, metrics=metrics) as worker:
        await worker.asked()
    assert metrics.skills == [("test", outcome)]


async def test_the_time_of_a_skill_is_counted_without_the_wait_for_a_place() -> None:
    async def slow() -> str:
        await asyncio.sleep(0.2)
        return "好"

    metrics = Recorder()
    async with open_worker(slow, places=1, metrics=metrics) as worker:
        messages = [await worker.accept(msgId=str(n), senderId=f"s{n}") for n in range(3)]
        await asyncio.gather(*map(worker.answer, messages))
    assert len(metrics.durations_s) == 3
    # The last one has waited for two others.
    assert max(metrics.durations_s) < sum(metrics.durations_s) / 2


@pytest.mark.parametrize(
    ("step", "kind"),
    [
        ({"errcode": 0}, Delivered),
        ({"errcode": -1}, Retry),
        ({"errcode": 300001}, Rejected),
        (httpx.ReadTimeout("none"), Unknown),
        (502, Unknown),
    ],
)
async def test_an_attempt_to_deliver_is_counted_by_its_outcome(
    step: Step, kind: type[DeliveryOutcome]
) -> None:
    metrics = Recorder()
    async with open_worker(well, metrics=metrics) as worker:
        worker.chat.script = [step]
        await worker.asked()
    assert metrics.deliveries == [kind]


async def test_a_lease_that_another_worker_has_is_counted() -> None:
    metrics = Recorder()
    begun, go_on = asyncio.Event(), asyncio.Event()

    async def slow() -> str:
        begun.set()
        await go_on.wait()
        return "好"

    async with open_worker(slow, metrics=metrics) as worker:
        message = await worker.accept()
        answering = asyncio.create_task(worker.answer(message))
        await begun.wait()
        await worker.taken_over(message)
        go_on.set()
        await answering
    assert metrics.leases_lost == 1
