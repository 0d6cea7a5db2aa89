"""An operator sees the totals, the queue, and whether a worker works."""

import json
from dataclasses import replace

import fakeredis
import pytest
from rq.suspension import WORKERS_SUSPENDED

from dingda.shared.ledger.admin import LedgerAdmin
from dingda.shared.ledger.ledger import Ledger
from dingda.shared.ledger.states import Completion, Outcome
from dingda.shared.ledger.worker_report import REPORT_TTL_MS, HeldMessage, WorkerReport
from dingda.worker.operations.cluster_state import read_cluster_state
from dingda.worker.operations.status import Status, is_working, show_status, status_of
from dingda.worker.services.openapi_calls import OpenAPICalls
from tests.support.builders import KEYS, now_ms
from tests.unit.worker.operations.messages import QUEUE, accepted, ended

HERE = "here"


async def read_status(redis: fakeredis.FakeAsyncRedis, admin: LedgerAdmin) -> Status:
    return status_of(await read_cluster_state(redis, admin, QUEUE))


async def test_the_status_counts_every_end(
    redis: fakeredis.FakeAsyncRedis, ledger: Ledger, admin: LedgerAdmin
) -> None:
    await ended(ledger, msgId="1")
    await ended(ledger, Completion(Outcome.ANSWERED), msgId="2")
    await ended(ledger, Completion(Outcome.UNMATCHED), msgId="3")
    await accepted(ledger, msgId="4")
    status = await read_status(redis, admin)
    assert (status.accepted, status.answered, status.unmatched, status.open) == (4, 1, 1, 1)
    assert status.dead == {"failed": 1}


async def test_the_status_tells_how_many_wait_and_the_oldest_age(
    redis: fakeredis.FakeAsyncRedis, ledger: Ledger, admin: LedgerAdmin
) -> None:
    message = await accepted(ledger, msgId="1")
    await accepted(ledger, msgId="2")
    await redis.hset(KEYS.message(message.id), "accepted_ms", now_ms() - 5_000)
    status = await read_status(redis, admin)
    assert status.queued == 2
    assert status.oldest_s == pytest.approx(5.0, abs=0.5)


async def test_an_empty_system_has_a_status_too(
    redis: fakeredis.FakeAsyncRedis, admin: LedgerAdmin
) -> None:
    status = await read_status(redis, admin)
    assert (status.accepted, status.queued, status.oldest_s, status.workers) == (0, 0, 0.0, 0)


async def test_the_status_as_json_has_the_keys_that_others_rely_on(
    redis: fakeredis.FakeAsyncRedis, admin: LedgerAdmin
) -> None:
    shown = json.loads(show_status(await read_status(redis, admin), as_json=True))
    keys = {"accepted", "answered", "unmatched", "refused", "dead", "open", "queued"}
    assert keys | {"oldest_s", "workers"} <= set(shown)


async def test_the_status_in_lines_has_a_line_for_each_figure(
    redis: fakeredis.FakeAsyncRedis, ledger: Ledger, admin: LedgerAdmin
) -> None:
    await ended(ledger)
    lines = show_status(await read_status(redis, admin), as_json=False).splitlines()
    assert "accepted   1" in lines
    assert "dead       failed 1" in lines
    assert "revived    0" in lines


async def test_the_status_says_that_the_workers_are_suspended(
    redis: fakeredis.FakeAsyncRedis, admin: LedgerAdmin
) -> None:
    running = await read_status(redis, admin)
    await redis.set(WORKERS_SUSPENDED, 1)
    paused = await read_status(redis, admin)
    assert "paused     no" in show_status(running, as_json=False).splitlines()
    assert "workers take no messages until rq resume" in show_status(paused, as_json=False)
    assert [json.loads(show_status(of, as_json=True))["paused"] for of in (running, paused)] == [
        False,
        True,
    ]


REPORT = WorkerReport(
    name="w1",
    host=HERE,
    pid=7,
    version="0.1",
    started_ms=1_000,
    seen_ms=2_000,
    slots=100,
    slots_used=3,
)


async def alive(redis: fakeredis.FakeAsyncRedis, report: WorkerReport) -> None:
    """Let a worker be registered with RQ, and have reported."""
    await redis.sadd(QUEUE.workers_key, QUEUE.worker_prefix + report.name)
    await redis.set(KEYS.worker(report.name), report.to_json(), px=REPORT_TTL_MS)


async def test_the_status_lists_the_workers_that_are_alive(
    redis: fakeredis.FakeAsyncRedis, admin: LedgerAdmin
) -> None:
    await alive(redis, REPORT)
    await alive(redis, replace(REPORT, name="w2", host="there", open_circuits=("天气\x1b",)))
    await redis.sadd(QUEUE.workers_key, QUEUE.worker_prefix + "gone")
    lines = show_status(await read_status(redis, admin), as_json=False).splitlines()
    assert "workers    2" in lines
    assert lines[-2:] == [
        "  here  pid 7  version 0.1  3 of 100 slots used",
        "  there  pid 7  version 0.1  3 of 100 slots used  does not call: 天气\\x1b",
    ]


async def test_the_status_counts_by_skill_what_each_worker_is_doing(
    redis: fakeredis.FakeAsyncRedis, admin: LedgerAdmin
) -> None:
    held = tuple(HeldMessage(skill, skill, 1_500) for skill in ("weather", "a\x1b", "weather", ""))
    await alive(redis, replace(REPORT, doing=held))
    lines = show_status(await read_status(redis, admin), as_json=False).splitlines()
    assert lines[-1].endswith("3 of 100 slots used  doing: weather 2, a\\x1b 1, no skill 1")


async def test_the_status_as_json_has_what_each_worker_reports(
    redis: fakeredis.FakeAsyncRedis, admin: LedgerAdmin
) -> None:
    await alive(redis, REPORT)
    shown = json.loads(show_status(await read_status(redis, admin), as_json=True))
    assert shown["workers"] == 1
    (worker,) = shown["workers_alive"]
    assert {"name": "w1", "host": HERE, "slots": 100, "slots_used": 3}.items() <= worker.items()


async def test_a_host_works_while_one_of_its_workers_reports(
    redis: fakeredis.FakeAsyncRedis,
) -> None:
    await alive(redis, replace(REPORT, name="w2", host="elsewhere"))
    assert not await is_working(redis, QUEUE, host=HERE)
    await alive(redis, REPORT)
    assert await is_working(redis, QUEUE, host=HERE)
    await redis.delete(KEYS.worker("w1"))
    assert not await is_working(redis, QUEUE, host=HERE)


async def test_the_status_says_how_many_calls_of_the_openapi_are_used(
    redis: fakeredis.FakeAsyncRedis, admin: LedgerAdmin
) -> None:
    calls = OpenAPICalls(redis, KEYS, monthly=5_000)
    calls.note()
    await calls.write()
    state = await read_cluster_state(redis, admin, QUEUE)
    lines = show_status(status_of(state, monthly_calls=5_000), as_json=False).splitlines()
    assert "openapi    1 of 5000 calls this month" in lines
    shown = json.loads(show_status(status_of(state, monthly_calls=5_000), as_json=True))
    assert (shown["openapi_calls"], shown["openapi_monthly_calls"]) == (1, 5_000)
