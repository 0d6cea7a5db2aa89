"""What workers say of themselves is read back, and workers that say nothing any more are gone."""

import json
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import fakeredis
import pytest

from dingda.shared.ledger.worker_report import (
    REPORT_TTL_MS,
    HeldMessage,
    Presence,
    WorkerReport,
    read_connected_workers,
    read_worker_presence,
    read_worker_reports,
)
from dingda.shared.queue import JobQueue
from tests.support.builders import KEYS

QUEUE = JobQueue.create("dingda", skill_timeout_s=30)
REPORT = WorkerReport(
    name="w1",
    host="host1",
    pid=7,
    version="0.1",
    started_ms=1_000,
    seen_ms=2_000,
    slots=100,
    slots_used=1,
    doing=(HeldMessage("m" * 64, "weather", 1_500),),
    open_circuits=("天气服务",),
    missing_skills=("acme.leave (ModuleNotFoundError)",),
)


@pytest.fixture
async def redis() -> AsyncIterator[fakeredis.FakeAsyncRedis]:
    async with fakeredis.FakeAsyncRedis(decode_responses=True) as redis:
        yield redis


async def registered(redis: fakeredis.FakeAsyncRedis, name: str, stored: str = "") -> None:
    """Put a worker into RQ's set, with a report if there is one."""
    await redis.sadd(QUEUE.workers_key, QUEUE.worker_prefix + name)
    if stored:
        await redis.set(KEYS.worker(name), stored)


async def test_a_report_is_read_as_it_was_written(redis: fakeredis.FakeAsyncRedis) -> None:
    await registered(redis, "w1", REPORT.to_json())
    assert await read_worker_reports(redis, QUEUE) == [REPORT]


async def test_reports_come_by_host_and_name(redis: fakeredis.FakeAsyncRedis) -> None:
    for host, name in (("host2", "a"), ("host1", "c"), ("host1", "b")):
        await registered(redis, name, replace(REPORT, host=host, name=name).to_json())
    found = await read_worker_reports(redis, QUEUE)
    assert [report.name for report in found] == ["b", "c", "a"]


async def test_without_workers_there_is_no_report(redis: fakeredis.FakeAsyncRedis) -> None:
    assert await read_worker_reports(redis, QUEUE) == []


async def test_a_worker_whose_report_has_expired_is_gone(redis: fakeredis.FakeAsyncRedis) -> None:
    await registered(redis, "w1")
    assert await read_worker_reports(redis, QUEUE) == []


async def test_a_worker_that_was_killed_is_connected_no_more_while_its_report_lives_on(
    redis: fakeredis.FakeAsyncRedis,
) -> None:
    for name in ("w1", "w2"):
        await registered(redis, name, replace(REPORT, name=name).to_json())
    async with redis.pubsub() as commands:
        await commands.subscribe("rq:pubsub:w1")
        assert len(await read_worker_reports(redis, QUEUE)) == 2
        assert [each.name for each in await read_connected_workers(redis, QUEUE)] == ["w1"]


@pytest.mark.parametrize("stored", ["{", "[]", "null", '{"name": "w1"}', "\x1b[2J"])
async def test_a_spoilt_report_is_left_out(redis: fakeredis.FakeAsyncRedis, stored: str) -> None:
    await registered(redis, "w0", stored)
    await registered(redis, "w1", REPORT.to_json())
    assert await read_worker_reports(redis, QUEUE) == [REPORT]


@pytest.mark.parametrize("field", ["pid", "started_ms", "seen_ms", "slots", "slots_used"])
@pytest.mark.parametrize("number", [-1, 10**400])
async def test_a_report_whose_numbers_cannot_be_counted_with_is_left_out(
    redis: fakeredis.FakeAsyncRedis, field: str, number: int
) -> None:
    await registered(redis, "w1", json.dumps(json.loads(REPORT.to_json()) | {field: number}))
    assert await read_worker_reports(redis, QUEUE) == []


async def test_a_report_of_a_later_version_is_read_without_what_it_adds(
    redis: fakeredis.FakeAsyncRedis,
) -> None:
    await registered(redis, "w1", REPORT.to_json()[:-1] + ', "later": 1}')
    assert await read_worker_reports(redis, QUEUE) == [REPORT]


async def test_the_skills_that_workers_lack_are_read_from_all_reports(
    redis: fakeredis.FakeAsyncRedis,
) -> None:
    for name, missing in (("w1", ("acme.a (E)", "acme.b (E)")), ("w2", ("acme.a (E)",))):
        report = replace(REPORT, name=name, missing_skills=missing)
        await registered(redis, name, report.to_json())
    presence = await read_worker_presence(redis, QUEUE)
    assert presence == Presence(is_any_alive=True, missing_skills=("acme.a (E)", "acme.b (E)"))


async def test_a_worker_whose_report_cannot_be_read_counts_as_alive(
    redis: fakeredis.FakeAsyncRedis,
) -> None:
    assert await read_worker_presence(redis, QUEUE) == Presence(is_any_alive=False)
    await registered(redis, "w1")
    assert await read_worker_presence(redis, QUEUE) == Presence(is_any_alive=False)
    await registered(redis, "w0", '{"later": 1}')
    assert await read_worker_presence(redis, QUEUE) == Presence(is_any_alive=True)


# Workers of the version before ----------------------------------------------------------------


@pytest.mark.parametrize(("ttl_s", "is_found"), [(120, True), (95, True), (85, False)])
async def test_a_worker_that_writes_no_reports_is_found_by_rqs_record_for_as_long(
    redis: fakeredis.FakeAsyncRedis, ttl_s: int, *, is_found: bool
) -> None:
    await registered(redis, "w1")
    key = QUEUE.worker_prefix + "w1"
    facts: Any = {"hostname": "host1", "pid": "7", "birth": "2026-11-24T11:59:45.000000Z"}
    await redis.hset(key, mapping=facts)
    await redis.expire(key, ttl_s)
    found = await read_worker_reports(redis, QUEUE)
    assert [(each.host, each.pid, each.version, each.slots) for each in found] == (
        [("host1", 7, "", 0)] if is_found else []
    )
    seconds, _ = await redis.time()
    assert all(seconds * 1000 - each.seen_ms < REPORT_TTL_MS for each in found)


@pytest.mark.parametrize("field", ["pid", "birth"])
async def test_a_spoilt_record_of_rq_is_left_out(
    redis: fakeredis.FakeAsyncRedis, field: str
) -> None:
    await registered(redis, "w1")
    key = QUEUE.worker_prefix + "w1"
    await redis.hset(key, mapping={"hostname": "host1", field: "x"})
    await redis.expire(key, 120)
    assert await read_worker_reports(redis, QUEUE) == []
