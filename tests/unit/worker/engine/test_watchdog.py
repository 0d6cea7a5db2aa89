"""The watchdog ends a worker that has stopped working, and no other."""

import asyncio
import logging
import socket
import threading
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from dingda.worker import contained
from dingda.worker.contained import Subject, contain_tasks, work_for
from dingda.worker.engine import watchdog
from dingda.worker.engine.watchdog import Watchdog, notify

TURN_S, PATIENCE_S = 0.02, 0.4


class Worker:
    """A worker that writes down what the watchdog does to it."""

    def __init__(self) -> None:
        self.are_threads_stuck = False
        self.acts: list[str] = []
        self.left = threading.Event()
        self.hangs = threading.Event()

    def give_up(self, reason: str) -> None:
        self.acts.append(f"give up: {reason}")

    def hand_back(self, *, but: str) -> None:
        self.acts.append(f"hand back all but {but}")

    def sign_off(self) -> None:
        self.acts.append("sign off")

    def leave(self, status: int) -> None:
        self.acts.append(f"leave with {status}")
        self.left.set()


@asynccontextmanager
async def watched(worker: Worker) -> AsyncIterator[None]:
    loop = asyncio.get_running_loop()
    before = loop.get_task_factory()
    contain_tasks(loop)
    dog = Watchdog(worker, turn_s=TURN_S, patience_s=PATIENCE_S, leave=worker.leave)
    try:
        yield
    finally:
        dog.close()
        loop.set_task_factory(before)
        loop.set_exception_handler(None)


async def blocking(until: Callable[[], object], skill: str = "bad") -> None:
    """Block the loop as a skill would."""

    async def block() -> None:
        work_for(Subject("a" * 64, skill))
        give_up_at = time.monotonic() + 20
        while not until() and time.monotonic() < give_up_at:
            time.sleep(0.005)  # noqa: ASYNC251 - that is the fault

    await asyncio.create_task(block())


async def test_a_loop_that_turns_is_left_alone() -> None:
    worker = Worker()
    async with watched(worker):
        await asyncio.sleep(3 * PATIENCE_S)
    assert worker.acts == []


async def test_a_loop_that_stands_still_has_the_others_handed_back_and_then_ends(
    caplog: pytest.LogCaptureFixture,
) -> None:
    worker = Worker()
    async with watched(worker):
        await blocking(worker.left.is_set)
    others = f"hand back all but {'a' * 64}"
    assert worker.acts == [others, others, "sign off", "leave with 1"]
    (end,) = [each.getMessage() for each in caplog.records if each.levelno == logging.CRITICAL]
    assert "its loop stands still at message aaaaaaaa in the skill bad" in end
    assert f"{__file__}:" in end


async def test_a_loop_that_stands_still_for_a_while_only_has_the_others_handed_back() -> None:
    worker = Worker()
    async with watched(worker):
        await blocking(lambda: worker.acts)
        await asyncio.sleep(2 * PATIENCE_S)
    assert worker.acts == [f"hand back all but {'a' * 64}"]


async def test_without_a_culprit_nothing_is_handed_back() -> None:
    worker = Worker()
    loop = asyncio.get_running_loop()
    async with watched(worker):
        loop.call_soon(worker.left.wait, 20)
        await asyncio.sleep(0.05)
    assert worker.acts == ["sign off", "leave with 1"]


async def test_what_hangs_while_signing_off_does_not_keep_the_process(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(watchdog, "SIGN_OFF_S", 0.05)
    worker = Worker()
    over = threading.Event()
    monkeypatch.setattr(worker, "sign_off", lambda: over.wait(20))
    async with watched(worker):
        await blocking(worker.left.is_set)
    assert worker.acts[-1] == "leave with 1"
    over.set()


async def test_what_fails_while_signing_off_does_not_keep_the_process(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    worker = Worker()

    def fail() -> None:
        raise ConnectionError("s3cret")

    monkeypatch.setattr(worker, "sign_off", fail)
    async with watched(worker):
        await blocking(worker.left.is_set)
    assert worker.acts[-1] == "leave with 1"
    assert "ConnectionError" in caplog.text
    assert "s3cret" not in caplog.text


async def test_a_worker_whose_threads_are_stuck_is_told_to_give_up_once() -> None:
    worker = Worker()
    async with watched(worker):
        worker.are_threads_stuck = True
        await asyncio.sleep(0.2)
    assert worker.acts == ["give up: its threads hold calls that do not end"]


async def test_a_worker_that_does_not_give_up_in_good_order_is_ended(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(watchdog, "ORDERLY_S", 0.2)
    worker = Worker()
    worker.are_threads_stuck = True
    async with watched(worker):
        await asyncio.to_thread(worker.left.wait, 20)
    assert worker.acts[0].startswith("give up")
    assert worker.acts[-2:] == ["sign off", "leave with 1"]


async def test_a_task_works_for_the_message_of_the_task_that_started_it() -> None:
    loop = asyncio.get_running_loop()
    before = loop.get_task_factory()
    contain_tasks(loop)
    try:

        async def deeper() -> Subject | None:
            task = asyncio.current_task()
            return contained.subject_of(task) if task else None

        async def skill() -> Subject | None:
            work_for(Subject("a" * 64, "bad"))
            return await asyncio.create_task(deeper())

        assert await asyncio.create_task(skill()) == ("a" * 64, "bad")
        assert await asyncio.create_task(deeper()) is None
    finally:
        loop.set_task_factory(before)
        loop.set_exception_handler(None)


@pytest.mark.parametrize("abstract", [False, True])
def test_systemd_is_told_where_it_listens(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, *, abstract: bool
) -> None:
    name = f"dingda-test-{time.monotonic_ns()}" if abstract else str(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(f"\0{name}" if abstract else name)
        systemd.settimeout(5)
        monkeypatch.setenv("NOTIFY_SOCKET", f"@{name}" if abstract else name)
        notify("WATCHDOG=1")
        assert systemd.recv(100) == b"WATCHDOG=1"


def test_where_systemd_does_not_listen_nothing_happens(monkeypatch: pytest.MonkeyPatch) -> None:
    notify("WATCHDOG=1")
    monkeypatch.setenv("NOTIFY_SOCKET", "/nowhere/at/all")
    notify("WATCHDOG=1")
