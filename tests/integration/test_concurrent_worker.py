"""The concurrent worker is a worker like RQ's own, to RQ's tools and commands."""

import asyncio
import logging
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx
import pytest
import redis
from redis.asyncio import Redis as AsyncRedis
from redis.exceptions import ResponseError
from rq.command import send_shutdown_command, send_stop_job_command
from rq.job import Job
from rq.serializers import JSONSerializer
from rq.suspension import resume, suspend
from rq.utils import now, utcformat
from rq.worker import BaseWorker, WorkerStatus

from dingda.shared.ledger.worker_report import REPORT_TTL_MS, HeldMessage
from dingda.worker.contained import STOPPED
from dingda.worker.engine import concurrent_worker as concurrent
from tests.integration.rq_harness import NAME, Called, RQHarness, until, working
from tests.support.builders import KEYS, a_callback
from tests.support.processes import (
    ROOT,
    SessionWebhook,
    Valkey,
    gateway,
    process,
    signed,
    valkey,
    wait_until,
)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Valkey]:
    with valkey(tmp_path_factory.mktemp("valkey")) as started:
        yield started


@pytest.fixture
async def harness(server: Valkey, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[RQHarness]:
    # A worker that is told to stop first ends its wait for jobs: a second for each of these tests.
    monkeypatch.setattr(concurrent, "_FETCH_WAIT_S", 0.05)
    with redis.Redis.from_url(server.url) as connection:
        async with AsyncRedis.from_url(server.url) as fetching:
            yield RQHarness(connection, fetching)


class PanicException(BaseException):
    """What a library written in Rust raises when it panics."""


class Held:
    """Jobs that go on until the test lets them end."""

    def __init__(self) -> None:
        self.running: dict[str, int] = {}
        self.most = 0
        self.cancelled: dict[str, tuple[Any, ...]] = {}
        self.free = asyncio.Event()

    async def perform(self, job: Called) -> None:
        self.running[job.id] = self.running.get(job.id, 0) + 1
        self.most = max(self.most, len(self.running))
        try:
            await self.free.wait()
        except asyncio.CancelledError as cancelled:
            self.cancelled[job.id] = cancelled.args
            raise
        finally:
            del self.running[job.id]


async def at_once(_: Called) -> None:
    """A job that takes no time."""


async def test_the_counters_of_the_worker_count_every_job(harness: RQHarness) -> None:
    async def perform(job: Called) -> None:
        if int(job.id.rpartition("-")[2]) % 3 == 0:
            raise ValueError("session=s3cret")

    for number in range(1, 10):
        harness.put(f"a-{number}")
    worker = harness.worker(perform, concurrency=4)
    async with working(worker):
        await until(lambda: sum(map(harness.registries().get, ("finished", "failed"))) == 9)  # type: ignore[arg-type]
        (seen,) = harness.workers()
        assert (seen.successful_job_count, seen.failed_job_count) == (6, 3)
        assert seen.total_working_time > 0
    expected = {"started": 0, "finished": 6, "failed": 3, "queued": 0, "taken": 0}
    assert harness.registries() == expected


async def test_a_failure_is_recorded_without_any_session(harness: RQHarness) -> None:
    async def fail(_: Called) -> None:
        raise ValueError("https://oapi.dingtalk.com/robot/sendBySession?session=s3cret")

    harness.put("a-1")
    await harness.worker(fail).run(burst=True)
    result = Job.fetch("a-1", harness.connection, JSONSerializer).latest_result()
    assert result is not None
    assert "ValueError" in str(result.exc_string)
    assert "s3cret" not in str(result.exc_string)


# Monitoring and commands ----------------------------------------------------------------------


async def rq_info(server: Valkey) -> str:
    """What `rq info` prints."""

    def run() -> str:
        with process("-m", "rq.cli", "info", "-u", server.url, env={}) as info:
            info.wait_for(r"\d+ workers, \d+ queues")
            return info.output

    return await asyncio.to_thread(run)


async def test_rq_info_shows_the_right_counts_during_and_after_jobs(
    harness: RQHarness, server: Valkey
) -> None:
    for number in range(1, 6):
        harness.put(f"a-{number}")
    held = Held()
    worker = harness.worker(held.perform, concurrency=3)
    async with working(worker):
        await until(lambda: len(held.running) == 3)
        during = await rq_info(server)
        assert re.search(r"dingda\s.*\b2, 3 executing, 0 finished, 0 failed", during), during
        assert re.search(rf"{worker.name} .*: busy dingda\. jobs: 0 finished, 0 failed", during)
        held.free.set()
        await until(lambda: harness.registries()["finished"] == 5)
        after = await rq_info(server)
        assert re.search(r"dingda\s.*\b0, 0 executing, 5 finished, 0 failed", after), after
        assert re.search(rf"{worker.name} .*: idle dingda\. jobs: 5 finished, 0 failed", after)
    assert harness.workers() == []


async def test_a_worker_without_work_is_idle_and_listed(harness: RQHarness) -> None:
    async with working(harness.worker(at_once)):
        await until(lambda: [each.get_state() for each in harness.workers()] == [WorkerStatus.IDLE])
        assert harness.workers()[0].queue_names() == [NAME]


async def test_a_worker_takes_signals_before_it_is_listed(
    harness: RQHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    worker = harness.worker(at_once)
    handlers = []
    register = worker._registration.open

    def listed() -> None:
        handlers.append(signal.getsignal(signal.SIGTERM))
        register()

    monkeypatch.setattr(worker._registration, "open", listed)
    async with working(worker):
        await until(lambda: len(harness.workers()) == 1)
    assert handlers != []
    assert signal.SIG_DFL not in handlers


async def test_a_suspended_worker_takes_nothing_until_it_is_resumed(harness: RQHarness) -> None:
    async with working(harness.worker(at_once)):
        suspend(harness.connection)
        await until(lambda: harness.workers()[0].get_state() == WorkerStatus.SUSPENDED)
        harness.put("a-1")
        await asyncio.sleep(1.5)
        assert harness.registries()["queued"] == 1
        resume(harness.connection)
        await until(lambda: harness.registries()["finished"] == 1)
        await until(lambda: harness.workers()[0].get_state() == WorkerStatus.IDLE)


async def test_jobs_that_run_when_the_worker_is_suspended_end_as_ever(harness: RQHarness) -> None:
    held = Held()
    harness.put("a-1")
    async with working(harness.worker(held.perform)):
        await until(lambda: held.running)
        suspend(harness.connection)
        held.free.set()
        await until(lambda: harness.registries()["finished"] == 1)
        resume(harness.connection)


async def test_a_stopped_job_ends_alone(harness: RQHarness) -> None:
    held = Held()
    for number in (1, 2, 3):
        harness.put(f"a-{number}")
    async with working(harness.worker(held.perform)):
        await until(lambda: len(held.running) == 3)
        send_stop_job_command(harness.connection, "a-2", serializer=JSONSerializer)
        await until(lambda: harness.registries()["failed"] == 1)
        assert held.cancelled == {"a-2": (STOPPED,)}
        assert harness.status("a-2") == "stopped"
        assert set(held.running) == {"a-1", "a-3"}
        held.free.set()
    assert harness.registries()["finished"] == 2


@pytest.mark.parametrize(
    "payload", [b"no json", b"\xff", b"[]", b"{}", b"7", b'{"command":"dance"}']
)
async def test_after_a_command_that_cannot_be_read_the_next_is_obeyed(
    harness: RQHarness, payload: bytes
) -> None:
    held = Held()
    harness.put("a-1")
    worker = harness.worker(held.perform)
    async with working(worker):
        await until(lambda: held.running)
        harness.connection.publish(worker.pubsub_channel_name, payload)
        send_stop_job_command(harness.connection, "a-1", serializer=JSONSerializer)
        await until(lambda: held.cancelled)


async def test_a_command_to_shut_down_lets_jobs_end(harness: RQHarness) -> None:
    held = Held()
    harness.put("a-1")
    worker = harness.worker(held.perform)
    async with working(worker) as running:
        await until(lambda: held.running)
        send_shutdown_command(harness.connection, worker.name)
        await asyncio.sleep(0.1)
        assert not running.done()
        held.free.set()
        await running
    assert harness.registries()["finished"] == 1


# Broken and planted records ----------------------------------------------------------------------


@pytest.mark.parametrize(
    "fields",
    [
        {"status": "nonsense"},
        {"timeout": "soon"},
        {"timeout": "9" * 30},
        {"created_at": "yesterday"},
        {"origin": ""},
        {"origin": b"\xff"},
        {"origin": "another"},
        {"failure_ttl": "9" * 30},
        {"failure_ttl": "-5"},
        {"meta": "no json"},
        {"dependency_ids": "[1,"},
        {"data": b"no json"},
        {"data": b""},
    ],
)
async def test_a_planted_job_does_not_keep_others_from_running(
    harness: RQHarness, fields: dict[str, Any]
) -> None:
    async def perform(job: Called) -> None:
        if job.id == "planted":
            raise ValueError

    harness.put("a-1")
    harness.put("planted", **fields)
    harness.put("a-2")
    worker = harness.worker(perform)
    async with working(worker) as running:
        await until(lambda: harness.registries()["finished"] == 2)
        harness.put("a-3")
        await until(lambda: harness.registries()["finished"] == 3)
        await until(lambda: harness.registries()["taken"] == 0)
        await until(lambda: harness.workers()[0].get_state() == WorkerStatus.IDLE)
        assert not running.done()
    assert harness.connection.hget(worker.key, "successful_job_count") == b"3"


@pytest.mark.parametrize("job_id", ["no such job", "gone-1", "msg+/=="])
async def test_an_id_without_a_job_does_not_keep_others_from_running(
    harness: RQHarness, job_id: str
) -> None:
    harness.push(job_id)
    harness.put("a-1")
    async with working(harness.worker(at_once)):
        await until(lambda: harness.registries()["finished"] == 1)
        await until(lambda: harness.registries()["taken"] == 0)


@pytest.mark.parametrize("key", ["rq:job:a-1", "rq:executions:a-1", "rq:results:a-1"])
async def test_a_key_of_another_kind_does_not_keep_others_from_running(
    harness: RQHarness, key: str
) -> None:
    harness.put("a-1")
    harness.put("a-2")
    harness.connection.set(key, "planted")
    async with working(harness.worker(at_once)):
        await until(lambda: harness.status("a-2") == "finished")
        harness.put("a-3")
        await until(lambda: harness.status("a-3") == "finished")
        assert harness.registries()["taken"] == 0


async def test_a_job_that_calls_something_else_is_a_failed_job(harness: RQHarness) -> None:
    called = []

    async def perform(job: Called) -> None:
        called.append(job.id)

    harness.put("a-1", call=["os.system", None, ["false"], {}])
    harness.put("a-2")
    await harness.worker(perform).run(burst=True)
    assert called == ["a-2"]
    assert (harness.status("a-1"), harness.status("a-2")) == ("failed", "finished")


async def test_a_registry_that_cannot_be_tidied_does_not_end_the_heartbeats(
    harness: RQHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(concurrent, "_HEARTBEAT_S", 0.05)
    harness.put("a-1", status="nonsense")
    harness.connection.delete(harness.queue.key)
    harness.connection.zadd("rq:wip:dingda", {"a-1:e1": 1, "b:b:b": 1})
    held = Held()
    harness.put("a-2")
    worker = harness.worker(held.perform)
    async with working(worker):
        await until(lambda: held.running)
        await heartbeats_go_on(harness, harness.execution_key())
        held.free.set()


async def heartbeats_go_on(harness: RQHarness, key: str) -> None:
    """Wait for three of them."""
    seen = set[Any]()

    def three() -> bool:
        seen.add(harness.connection.hget(key, "last_heartbeat"))
        return len(seen) > 3

    await until(three)


async def test_a_worker_reports_what_it_is_doing_until_it_ends(
    harness: RQHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(concurrent, "_HEARTBEAT_S", 0.05)
    held = Held()
    harness.put("a-1")

    def activity(now_ms: int) -> concurrent.Activity:
        return concurrent.Activity((HeldMessage("a", "weather", now_ms),), ("天气服务",))

    worker = harness.worker(held.perform, activity=activity)
    async with working(worker):
        (report,) = await harness.reports(lambda found: found and found[0].slots_used)
        assert (report.name, report.slots, report.slots_used) == (worker.name, 10, 1)
        assert (report.pid, report.host) == (os.getpid(), socket.gethostname())
        assert report.doing == (HeldMessage("a", "weather", report.seen_ms),)
        assert report.open_circuits == ("天气服务",)
        assert 0 < harness.connection.pttl(KEYS.worker(worker.name)) <= REPORT_TTL_MS
        held.free.set()
    assert await harness.reports() == []
    assert not harness.connection.exists(KEYS.worker(worker.name))


async def test_a_worker_whose_loop_is_blocked_reports_nothing(
    harness: RQHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(concurrent, "_HEARTBEAT_S", 0.05)
    worker = harness.worker(at_once)
    key = KEYS.worker(worker.name)
    async with working(worker):
        await until(lambda: harness.connection.exists(key))
        assert not is_written_on_a_blocked_loop(harness, key)
        await until(lambda: harness.connection.exists(key))


def is_written_on_a_blocked_loop(harness: RQHarness, key: str) -> bool:
    time.sleep(0.1)  # what was on its way to the thread is done
    harness.connection.delete(key)
    time.sleep(0.3)
    return bool(harness.connection.exists(key))


async def test_heartbeats_keep_the_worker_and_its_jobs_alive(
    harness: RQHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(concurrent, "_HEARTBEAT_S", 0.05)
    held = Held()
    harness.put("a-1")
    worker = harness.worker(held.perform)
    async with working(worker):
        await until(lambda: held.running)
        await until(lambda: worker.last_cleaned_at)  # RQ tidies at the start, and once a minute
        execution = harness.execution_key()
        for key in (worker.key, execution):
            harness.connection.expire(key, 5)
        both = execution.removeprefix("rq:execution:")
        harness.connection.zadd("rq:wip:dingda", {both: 1})
        await heartbeats_go_on(harness, execution)
        assert harness.connection.ttl(worker.key) > 60
        assert harness.connection.ttl(execution) > 5
        score: Any = harness.connection.zscore("rq:wip:dingda", both)
        assert score > 1_000_000
        held.free.set()


def forget_all(harness: RQHarness, _: str) -> None:
    harness.connection.flushall()


def forget_the_sets(harness: RQHarness, _: str) -> None:
    harness.connection.delete("rq:workers", f"rq:workers:{NAME}")


def forget_one_set(harness: RQHarness, _: str) -> None:
    harness.connection.delete(f"rq:workers:{NAME}")


def forget_the_hash(harness: RQHarness, key: str) -> None:
    harness.connection.delete(key)


def forget_the_state(harness: RQHarness, key: str) -> None:
    harness.connection.hdel(key, "state")


def forget_all_but_a_heartbeat(harness: RQHarness, key: str) -> None:
    harness.connection.delete(key)
    harness.connection.hset(key, "last_heartbeat", utcformat(now()))


def plant_other_kinds(harness: RQHarness, key: str) -> None:
    keys = ("rq:workers", f"rq:workers:{NAME}", key, f"{key}:executions")
    harness.connection.mset(dict.fromkeys(keys, "planted"))


@pytest.mark.parametrize("busy", [False, True])
@pytest.mark.parametrize(
    "forget",
    [
        forget_all,
        forget_the_sets,
        forget_one_set,
        forget_the_hash,
        forget_the_state,
        forget_all_but_a_heartbeat,
        plant_other_kinds,
    ],
)
async def test_a_worker_that_redis_has_forgotten_registers_again(
    harness: RQHarness,
    monkeypatch: pytest.MonkeyPatch,
    forget: Callable[[RQHarness, str], None],
    busy: bool,  # noqa: FBT001 - a parameter of the test
) -> None:
    monkeypatch.setattr(concurrent, "_HEARTBEAT_S", 0.3)
    held = Held()
    worker = harness.worker(held.perform)
    if busy:
        harness.put("a-1")
    async with working(worker):
        await until(lambda: bool(held.running) is busy)
        await until(lambda: harness.workers() and harness.workers()[0].get_state() != "started")
        forget(harness, worker.key)
        # What takes jobs sends heartbeats as well, and may come first.
        with suppress(ResponseError):
            worker.heartbeat()
        await until(
            lambda: (
                [harness.connection.type(key) for key in ("rq:workers", f"rq:workers:{NAME}")]
                == [b"set", b"set"]
                and len(harness.workers()) == 1
                and harness.connection.type(worker.key) == b"hash"
                and harness.workers()[0].birth_date is not None
                and harness.workers()[0].get_state() == ("busy" if busy else "idle")
            )
        )
        assert BaseWorker.count(queue=harness.queue) == 1
        assert harness.workers()[0].queue_names() == [NAME]
        held.free.set()


SPOILT_IDS = [
    b"",
    b"\xff\xfe",
    b"a\nERROR forged",
    b"\x1b[2J",
    b"a:b",
    "也不是".encode(),
    b"a" * 100_000,
]


@pytest.mark.parametrize("waiting", [0, 1])
@pytest.mark.parametrize("job_id", SPOILT_IDS, ids=range(len(SPOILT_IDS)))
async def test_an_id_that_rq_cannot_have_written_is_removed_and_logged_once(
    harness: RQHarness, caplog: pytest.LogCaptureFixture, job_id: bytes, waiting: int
) -> None:
    caplog.set_level(logging.INFO)
    harness.connection.hset(b"rq:job:" + job_id, "data", b"x")
    if waiting:
        harness.put("a-1")
    harness.connection.rpush(harness.queue.key, job_id)
    async with working(harness.worker(at_once)) as running:
        await until(lambda: "RQ cannot have written" in caplog.text)
        harness.put("a-2")
        await until(lambda: harness.registries()["finished"] == 1 + waiting)
        assert not running.done()
    assert harness.registries() == {
        "started": 0,
        "finished": 1 + waiting,
        "failed": 0,
        "queued": 0,
        "taken": 0,
    }
    (line,) = [each.getMessage() for each in caplog.records if "written" in each.message]
    assert line.isprintable()
    assert len(line) < 500


@pytest.mark.parametrize("key", ["rq:queue:dingda", "rq:wip:dingda", "rq:finished:dingda"])
async def test_a_queue_or_registry_of_another_kind_is_removed(
    harness: RQHarness, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch, key: str
) -> None:
    monkeypatch.setattr(concurrent, "_HEARTBEAT_S", 0.1)
    held = Held()
    harness.put("a-1")
    async with working(harness.worker(held.perform)):
        await until(lambda: held.running)
        harness.connection.set(key, "planted")
        await until(lambda: f"removed {key}" in caplog.text)
        held.free.set()
        harness.put("a-2")
        await until(lambda: harness.status("a-2") == "finished")
        assert harness.status("a-1") == "finished"


@pytest.mark.parametrize("key", ["rq:workers:dingda", "rq:queue:dingda:intermediate"])
async def test_a_member_that_is_not_utf_8_is_removed_where_rq_tidies(
    harness: RQHarness, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch, key: str
) -> None:
    monkeypatch.setattr(concurrent, "_HEARTBEAT_S", 0.1)
    if key.endswith("intermediate"):
        harness.connection.rpush(key, b"\xff")
    else:
        harness.connection.sadd(key, b"\xff")
    async with working(harness.worker(at_once)):
        await until(lambda: f"removed from {key}" in caplog.text)
        await until(lambda: len(harness.workers()) == 1)
        assert BaseWorker.count(queue=harness.queue) == 1


@pytest.mark.parametrize(
    "error", [SystemExit, KeyboardInterrupt, GeneratorExit, asyncio.CancelledError, PanicException]
)
async def test_a_job_frees_its_place_whatever_it_raises(
    harness: RQHarness, error: type[BaseException]
) -> None:
    async def perform(job: Called) -> None:
        if job.id.startswith("bad"):
            raise error

    for number in range(3):
        harness.put(f"bad-{number}")
    harness.put("a-1")
    async with working(harness.worker(perform, concurrency=1)) as running:
        await until(lambda: harness.registries()["finished"] == 1)
        await until(lambda: harness.workers()[0].get_state() == WorkerStatus.IDLE)
        assert not running.done()
    assert harness.registries()["failed"] == 3
    assert harness.registries()["started"] == 0


async def test_a_background_task_that_fails_ends_the_worker(harness: RQHarness) -> None:
    async def fail() -> None:
        await asyncio.sleep(0.05)
        raise ValueError("the sweeper broke")

    held = Held()
    harness.put("a-1")
    worker = harness.worker(held.perform, background_tasks=(fail,), grace_s=0.1)
    with pytest.raises(ValueError, match="the sweeper broke"):
        await worker.run()
    assert harness.workers() == []


# Concurrency and shutdown ------------------------------------------------------------------


async def test_no_more_jobs_run_at_once_than_allowed(harness: RQHarness) -> None:
    held = Held()
    for number in range(1, 9):
        harness.put(f"a-{number}")
    async with working(harness.worker(held.perform, concurrency=3)):
        await until(lambda: len(held.running) == 3)
        await asyncio.sleep(0.2)
        assert harness.registries() | {"finished": 0} == {
            "started": 3,
            "finished": 0,
            "failed": 0,
            "queued": 5,
            "taken": 0,
        }
        held.free.set()
        await until(lambda: harness.registries()["finished"] == 8)
    assert held.most == 3


async def test_jobs_start_in_the_order_of_the_queue(harness: RQHarness) -> None:
    begun = []

    async def perform(job: Called) -> None:
        begun.append(job.id)

    ids = [f"a-{number}" for number in range(1, 30)]
    for job_id in ids:
        harness.put(job_id)
    await harness.worker(perform, concurrency=4).run(burst=True)
    assert begun == ids


async def test_a_place_is_used_again_as_soon_as_one_job_ends(harness: RQHarness) -> None:
    first = asyncio.Event()
    begun = []

    async def perform(job: Called) -> None:
        begun.append(job.id)
        await (first if job.id == "a-1" else asyncio.Event()).wait()

    for number in (1, 2, 3):
        harness.put(f"a-{number}")
    async with working(harness.worker(perform, concurrency=2, grace_s=0.1)):
        await until(lambda: begun == ["a-1", "a-2"])
        first.set()
        await until(lambda: begun == ["a-1", "a-2", "a-3"])


async def test_a_signal_lets_running_jobs_end_and_takes_no_more(harness: RQHarness) -> None:
    held = Held()
    harness.put("a-1")
    async with working(harness.worker(held.perform, grace_s=10.0)) as running:
        await until(lambda: held.running)
        signal.raise_signal(signal.SIGTERM)
        await asyncio.sleep(0.5)  # the fetcher may still be waiting for a job when the signal comes
        harness.put("a-2")
        await asyncio.sleep(0.5)
        assert not running.done()
        held.free.set()
        await running
    assert harness.status("a-1") == "finished"
    assert harness.registries()["queued"] == 1
    assert held.cancelled == {}


async def test_a_job_that_exceeds_the_grace_is_cancelled_and_fails(harness: RQHarness) -> None:
    held = Held()
    harness.put("a-1")
    async with working(harness.worker(held.perform, grace_s=0.2)):
        await until(lambda: held.running)
    assert held.cancelled == {"a-1": ()}
    assert harness.status("a-1") == "failed"
    assert harness.registries()["started"] == 0


async def test_a_second_signal_ends_running_jobs_at_once(harness: RQHarness) -> None:
    held = Held()
    harness.put("a-1")
    async with working(harness.worker(held.perform, grace_s=60)) as running:
        await until(lambda: held.running)
        signal.raise_signal(signal.SIGTERM)
        await asyncio.sleep(0.05)
        assert not running.done()
        signal.raise_signal(signal.SIGTERM)
        await running
    assert held.cancelled == {"a-1": ()}


# A stock RQ worker --------------------------------------------------------------


def test_a_stock_worker_runs_our_jobs_end_to_end(server: Valkey, harness: RQHarness) -> None:
    stock = ("-m", "rq.cli", "worker", "-u", server.url, "-w", "rq.worker.SimpleWorker")
    kept = gateway(server.url, DINGDA_RESULT_TTL="60")
    with SessionWebhook() as webhook, kept as (_, address):
        env = {
            "DINGDA_REDIS_URL": server.url,
            "DINGDA_SESSION_WEBHOOK_ORIGINS": webhook.origin,
            "DINGDA_SKILLS": "dingda.worker.skills.demo",
        }
        body = a_callback(" feed", sessionWebhook=webhook.url())
        assert httpx.post(address, content=body, headers=signed()).json() == {"msgtype": "empty"}
        serializer = ("-S", "rq.serializers.JSONSerializer", "--burst", NAME)
        with process(*stock, *serializer, env=env) as worker:
            (post,) = webhook.wait_for(1)
            assert worker.popen.wait(20) == 0
    assert post.payload["msgtype"] == "feedCard"
    wait_until(lambda: harness.registries()["finished"] == 1)
    assert harness.connection.hget(KEYS.count, "answered") == b"1"


def test_a_stock_worker_of_an_installed_package_finds_the_function_in_its_folder(
    server: Valkey, harness: RQHarness, tmp_path: Path
) -> None:
    installed, elsewhere = tmp_path / "site", tmp_path / "elsewhere"
    installed.mkdir()
    elsewhere.mkdir()
    (installed / "dingda").symlink_to(ROOT / "dingda")
    harness.put("a-1")
    # As in the README: rq worker -P "$(python -c 'import dingda; print(*dingda.__path__)')" ...
    options = ("-P", str(installed / "dingda"), "-S", "json", "--burst", "-u", server.url)
    subprocess.run(
        [sys.executable, "-m", "rq.cli", "worker", *options, NAME],
        cwd=elsewhere,
        env={
            "PATH": os.environ["PATH"],
            "PYTHONPATH": str(installed),
            "DINGDA_REDIS_URL": server.url,
        },
        check=True,
        capture_output=True,
    )
    assert harness.status("a-1") == "finished"
