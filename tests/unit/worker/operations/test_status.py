"""An operator sees the totals, the queue, and whether a worker works."""

import json
from datetime import UTC, datetime

import fakeredis
import pytest

from dingda.shared.ledger.admin import LedgerAdmin
from dingda.shared.ledger.ledger import Ledger
from dingda.shared.ledger.states import Completion, Outcome
from dingda.worker.operations.status import is_working, read_status, show_status
from tests.support.builders import KEYS, now_ms
from tests.unit.worker.operations.messages import QUEUE, accepted, ended

HERE, NOW = "here", datetime(2026, 11, 24, 12, tzinfo=UTC)


async def test_the_status_counts_every_end(
    redis: fakeredis.FakeAsyncRedis, ledger: Ledger, admin: LedgerAdmin
) -> None:
    await ended(ledger, msgId="1")
    await ended(ledger, Completion(Outcome.ANSWERED), msgId="2")
    await ended(ledger, Completion(Outcome.UNMATCHED), msgId="3")
    await accepted(ledger, msgId="4")
    status = await read_status(redis, admin, QUEUE)
    assert (status.accepted, status.answered, status.unmatched, status.open) == (4, 1, 1, 1)
    assert status.dead == {"failed": 1}


async def test_the_status_tells_how_many_wait_and_the_oldest_age(
    redis: fakeredis.FakeAsyncRedis, ledger: Ledger, admin: LedgerAdmin
) -> None:
    message = await accepted(ledger, msgId="1")
    await accepted(ledger, msgId="2")
    await redis.hset(KEYS.message(message.id), "accepted_ms", now_ms() - 5_000)
    status = await read_status(redis, admin, QUEUE)
    assert status.queued == 2
    assert status.oldest_s == pytest.approx(5.0, abs=0.5)


async def test_an_empty_system_has_a_status_too(
    redis: fakeredis.FakeAsyncRedis, admin: LedgerAdmin
) -> None:
    status = await read_status(redis, admin, QUEUE)
    assert (status.accepted, status.queued, status.oldest_s, status.workers) == (0, 0, 0.0, 0)


async def test_the_status_as_json_has_the_keys_that_others_rely_on(
    redis: fakeredis.FakeAsyncRedis, admin: LedgerAdmin
) -> None:
    shown = json.loads(show_status(await read_status(redis, admin, QUEUE), as_json=True))
    keys = {"accepted", "answered", "unmatched", "refused", "dead", "open", "queued"}
    assert keys | {"oldest_s", "workers"} <= set(shown)


async def test_the_status_in_lines_has_a_line_for_each_figure(
    redis: fakeredis.FakeAsyncRedis, ledger: Ledger, admin: LedgerAdmin
) -> None:
    await ended(ledger)
    lines = show_status(await read_status(redis, admin, QUEUE), as_json=False).splitlines()
    assert "accepted   1" in lines
    assert "dead       failed 1" in lines
    assert "revived    0" in lines


@pytest.mark.parametrize(
    ("facts", "works"),
    [
        ({"hostname": HERE, "last_heartbeat": "2026-11-24T11:59:45.000000Z"}, True),
        ({"hostname": HERE, "last_heartbeat": "2026-11-24T11:59:15.000000Z"}, False),
        ({"hostname": "elsewhere", "last_heartbeat": "2026-11-24T11:59:45.000000Z"}, False),
        ({"hostname": HERE, "last_heartbeat": "soon"}, False),
        ({"hostname": HERE}, False),
        ({"last_heartbeat": "2026-11-24T11:59:45.000000Z"}, False),
        ({}, False),
    ],
)
async def test_a_host_works_if_one_of_its_workers_was_heard_of_lately(
    redis: fakeredis.FakeAsyncRedis, facts: dict[str, str], *, works: bool
) -> None:
    assert not await is_working(redis, QUEUE, host=HERE, now=NOW)
    await redis.sadd(QUEUE.workers_key, "rq:worker:w")
    for field, value in facts.items():
        await redis.hset("rq:worker:w", field, value)
    assert await is_working(redis, QUEUE, host=HERE, now=NOW) is works
