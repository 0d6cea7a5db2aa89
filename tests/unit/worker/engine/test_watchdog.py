"""The watchdog ends a worker that has stopped working, and no other."""

import asyncio
import logging
import threading
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest

from dingda.shared.runtime.task_owner import TaskOwner
from dingda.worker import contained
from dingda.worker.contained import contain_tasks, set_task_owner
from dingda.worker.engine import watchdog
from dingda.worker.engine.watchdog import Watchdog

pytestmark = pytest.mark.heavy

CHECK_INTERVAL_S, BLOCKED_TIMEOUT_S = 0.02, 0.4


class FakeWorker:
    """A worker that records the calls of the watchdog."""

    def __init__(self) -> None:
        self.are_threads_stuck = False
        self.calls: list[str] = []
        self.ended = threading.Event()

    def give_up(self, reason: str) -> None:
        self.calls.append(f"give up: {reason}")

    def release_others(self, culprit_id: str) -> None:
        self.calls.append(f"release all but {culprit_id}")

    def sign_off(self) -> None:
        self.calls.append("sign off")

    def end_process(self, status: int) -> None:
        self.calls.append(f"exit with {status}")
        self.ended.set()


@asynccontextmanager
async def watched(worker: FakeWorker) -> AsyncIterator[None]:
    loop = asyncio.get_running_loop()
    before = loop.get_task_factory()
    contain_tasks(loop)
    watching = Watchdog(
        worker,
        check_interval_s=CHECK_INTERVAL_S,
        blocked_timeout_s=BLOCKED_TIMEOUT_S,
        end_process=worker.end_process,
    )
    try:
        yield
    finally:
        watching.close()
        loop.set_task_factory(before)
        loop.set_exception_handler(None)


async def block_loop(until: Callable[[], object], skill: str = "bad") -> None:
    """Block the loop as a skill would."""

    async def block() -> None:
        set_task_owner(TaskOwner("a" * 64, skill))
        give_up_at = time.monotonic() + 20
        while not until() and time.monotonic() < give_up_at:
            time.sleep(0.005)  # noqa: ASYNC251 - the fault to detect

    await asyncio.create_task(block())


async def test_a_loop_that_runs_is_left_alone() -> None:
    worker = FakeWorker()
    async with watched(worker):
        await asyncio.sleep(3 * BLOCKED_TIMEOUT_S)
    assert worker.calls == []


async def test_a_blocked_loop_has_the_other_messages_released_and_then_ends(
    caplog: pytest.LogCaptureFixture,
) -> None:
    worker = FakeWorker()
    async with watched(worker):
        await block_loop(worker.ended.is_set)
    others = f"release all but {'a' * 64}"
    assert worker.calls == [others, others, "sign off", "exit with 1"]
    (end,) = [each.getMessage() for each in caplog.records if each.levelno == logging.CRITICAL]
    assert "its loop is blocked at message aaaaaaaa in the skill bad" in end
    assert f"{__file__}:" in end


async def test_a_loop_that_is_blocked_for_a_while_only_has_the_other_messages_released() -> None:
    worker = FakeWorker()
    async with watched(worker):
        await block_loop(lambda: worker.calls)
        await asyncio.sleep(2 * BLOCKED_TIMEOUT_S)
    assert worker.calls == [f"release all but {'a' * 64}"]


async def test_without_a_culprit_nothing_is_released() -> None:
    worker = FakeWorker()
    loop = asyncio.get_running_loop()
    async with watched(worker):
        loop.call_soon(worker.ended.wait, 20)
        await asyncio.sleep(0.05)
    assert worker.calls == ["sign off", "exit with 1"]


async def test_a_sign_off_that_hangs_does_not_keep_the_process(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(watchdog, "SIGN_OFF_TIMEOUT_S", 0.05)
    worker = FakeWorker()
    over = threading.Event()
    monkeypatch.setattr(worker, "sign_off", lambda: over.wait(20))
    async with watched(worker):
        await block_loop(worker.ended.is_set)
    assert worker.calls[-1] == "exit with 1"
    over.set()


async def test_a_sign_off_that_fails_does_not_keep_the_process(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    worker = FakeWorker()

    def fail() -> None:
        raise ConnectionError("s3cret")

    monkeypatch.setattr(worker, "sign_off", fail)
    async with watched(worker):
        await block_loop(worker.ended.is_set)
    assert worker.calls[-1] == "exit with 1"
    assert "ConnectionError" in caplog.text
    assert "s3cret" not in caplog.text


async def test_a_worker_whose_threads_are_stuck_is_told_to_give_up_once() -> None:
    worker = FakeWorker()
    async with watched(worker):
        worker.are_threads_stuck = True
        await asyncio.sleep(0.2)
    assert worker.calls == ["give up: its threads hold calls that do not end"]


async def test_a_worker_that_does_not_give_up_in_good_order_is_ended(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(watchdog, "GIVE_UP_TIMEOUT_S", 0.2)
    worker = FakeWorker()
    worker.are_threads_stuck = True
    async with watched(worker):
        await asyncio.to_thread(worker.ended.wait, 20)
    assert worker.calls[0].startswith("give up")
    assert worker.calls[-2:] == ["sign off", "exit with 1"]


async def test_a_task_works_for_the_message_of_the_task_that_started_it() -> None:
    loop = asyncio.get_running_loop()
    before = loop.get_task_factory()
    contain_tasks(loop)
    try:

        async def deeper() -> TaskOwner | None:
            task = asyncio.current_task()
            return contained.task_owner(task) if task else None

        async def skill() -> TaskOwner | None:
            set_task_owner(TaskOwner("a" * 64, "bad"))
            return await asyncio.create_task(deeper())

        assert await asyncio.create_task(skill()) == TaskOwner("a" * 64, "bad")
        assert await asyncio.create_task(deeper()) is None
    finally:
        loop.set_task_factory(before)
        loop.set_exception_handler(None)
