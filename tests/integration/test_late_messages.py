"""Messages whose session has closed, on a real server: they get an hour more, once, for a push."""

from collections.abc import AsyncIterator, Iterator

import pytest
from redis.asyncio import Redis

from dingda.shared.dingtalk.push import Group, Push
from dingda.shared.dingtalk.reply import Text
from dingda.shared.ledger.ledger import Ledger
from dingda.shared.ledger.states import Lease, LeaseRefusal
from dingda.shared.ledger.times import LATE_MS
from dingda.shared.queue import JobQueue
from dingda.shared.runtime.clock import wall_clock_ms
from dingda.shared.runtime.redis_address import RedisAddress
from dingda.shared.runtime.redis_clients import create_worker_redis
from tests.support.builders import KEYS, a_callback, a_message
from tests.support.processes import Valkey, valkey

QUEUE = JobQueue.create("dingda", skill_timeout_s=30)
MESSAGE = a_message()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Valkey]:
    with valkey(tmp_path_factory.mktemp("valkey")) as started:
        yield started


@pytest.fixture
async def redis(server: Valkey) -> AsyncIterator[Redis]:
    client = create_worker_redis(RedisAddress(server.url))
    await client.flushdb()
    yield client
    await client.aclose()


async def closed(redis: Redis, *, ago_ms: int = 60_000, late_ms: int = LATE_MS) -> Ledger:
    """A ledger with a message whose session has closed."""
    ledger = Ledger(redis, QUEUE, late_ms=late_ms)
    await ledger.accept([(MESSAGE, a_callback())], backlog_limit=10)
    await redis.hset(KEYS.message(MESSAGE.id), "expires_ms", wall_clock_ms() - ago_ms)
    await redis.zadd(KEYS.due, {MESSAGE.id: 0})
    return ledger


async def test_a_worker_that_can_push_gets_it_and_knows_that_it_is_late(redis: Redis) -> None:
    ledger = await closed(redis)
    lease = await ledger.lease(MESSAGE.id)
    assert isinstance(lease, Lease)
    assert lease.late_ms == LATE_MS
    assert 0 < lease.remaining_ms < LATE_MS


async def test_it_gets_more_time_once(redis: Redis) -> None:
    ledger = await closed(redis)
    lease = await ledger.lease(MESSAGE.id)
    assert isinstance(lease, Lease)
    await ledger.release(lease)
    await redis.hset(KEYS.message(MESSAGE.id), "expires_ms", wall_clock_ms() - 1)
    assert await ledger.lease(MESSAGE.id) is LeaseRefusal.EXPIRED


async def test_the_sweeper_hands_it_on(redis: Redis) -> None:
    ledger = await closed(redis)
    await ledger.sweep()
    assert await redis.hget(KEYS.message(MESSAGE.id), "state") == "accepted"
    assert isinstance(await ledger.lease(MESSAGE.id), Lease)


@pytest.mark.parametrize(("ago_ms", "late_ms"), [(LATE_MS + 1, LATE_MS), (60_000, 0)])
async def test_too_late_or_without_a_way_to_push_it_expires(
    redis: Redis, ago_ms: int, late_ms: int
) -> None:
    ledger = await closed(redis, ago_ms=ago_ms, late_ms=late_ms)
    assert await ledger.lease(MESSAGE.id) is LeaseRefusal.EXPIRED


async def test_the_sweeper_ends_what_no_worker_can_push(redis: Redis) -> None:
    ledger = await closed(redis, late_ms=0)
    await ledger.sweep()
    assert await redis.hget(KEYS.message(MESSAGE.id), "reason") == "expired"


async def test_what_is_no_message_gets_no_more_time(redis: Redis) -> None:
    ledger = Ledger(redis, QUEUE, late_ms=LATE_MS)
    push = Push(Group("cidA=="), "k", Text("好"))
    envelope = push.envelope("", now_ms=wall_clock_ms())
    await ledger.accept([(envelope, push.to_payload(""))], backlog_limit=10)
    await redis.hset(KEYS.message(envelope.id), "expires_ms", wall_clock_ms() - 1)
    assert await ledger.lease(envelope.id) is LeaseRefusal.EXPIRED


async def test_a_spoilt_field_gives_no_more_time_and_stops_nothing(redis: Redis) -> None:
    ledger = await closed(redis)
    await redis.hset(KEYS.message(MESSAGE.id), "late", "words")
    assert await ledger.lease(MESSAGE.id) is LeaseRefusal.EXPIRED
