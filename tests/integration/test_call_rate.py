"""All workers together call no more often than DingTalk allows, by the clock of a real server."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from dingda.shared.runtime.redis_address import RedisAddress
from dingda.shared.runtime.redis_clients import create_worker_redis
from dingda.worker.services.call_rate import AT_ONCE, FORGET_MS, PER_S, CallRate
from tests.support.processes import Valkey, valkey

KEY = "dingda:calls:key"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Valkey]:
    with valkey(Path(tmp_path_factory.mktemp("rate"))) as started:
        yield started


@pytest.fixture
async def redis(server: Valkey) -> AsyncIterator[Redis]:
    with server.client() as client:
        client.flushall()
    made = create_worker_redis(RedisAddress(server.url))
    yield made
    await made.aclose()


async def turns(rate: CallRate, count: int, *, longest_s: float = 0) -> list[bool]:
    return [await rate.wait(longest_s=longest_s) for _ in range(count)]


async def test_a_few_calls_have_their_turn_at_once_and_no_other(redis: Redis) -> None:
    one, other = (CallRate(redis, KEY, per_s=0.1, at_once=5) for _ in range(2))
    assert await turns(one, 3) + await turns(other, 100) == 5 * [True] + 98 * [False]


async def test_calls_that_wait_come_one_after_the_other(redis: Redis) -> None:
    rate, loop = CallRate(redis, KEY), asyncio.get_running_loop()
    begun_s = loop.time()
    await asyncio.gather(*(rate.wait(longest_s=10) for _ in range(AT_ONCE + 6)))
    assert loop.time() - begun_s >= 5 / PER_S


async def test_whoever_would_wait_too_long_takes_no_turn(redis: Redis) -> None:
    rate = CallRate(redis, KEY, per_s=1, at_once=1)
    assert await turns(rate, 1) == [True]
    assert await turns(rate, 50, longest_s=0.001) == 50 * [False]
    free_ms = float(await redis.hget(KEY, "free_ms") or 0)
    seconds, microseconds = await redis.time()
    assert free_ms - seconds * 1000 - microseconds / 1000 <= 1_000


async def test_a_pause_holds_for_all(redis: Redis) -> None:
    one, other = CallRate(redis, KEY), CallRate(redis, KEY)
    await one.pause(60)
    assert await turns(other, 3) == 3 * [False]


async def test_each_application_has_its_own(redis: Redis) -> None:
    await CallRate(redis, KEY).pause(60)
    assert await turns(CallRate(redis, "dingda:calls:other"), 1) == [True]


async def test_a_clock_that_was_set_back_keeps_nobody_waiting(redis: Redis) -> None:
    seconds, _ = await redis.time()
    ahead_ms = seconds * 1000 + 2 * FORGET_MS
    await redis.hset(KEY, mapping={"free_ms": ahead_ms, "paused_ms": ahead_ms})
    assert await turns(CallRate(redis, KEY), 1) == [True]


async def test_what_another_program_has_put_there_is_removed(redis: Redis) -> None:
    await redis.set(KEY, "nonsense")
    assert await turns(CallRate(redis, KEY), 1) == [True]


async def test_it_is_forgotten_where_nobody_calls(redis: Redis) -> None:
    await turns(CallRate(redis, KEY), 1)
    assert 0 < await redis.pttl(KEY) <= FORGET_MS


async def test_without_redis_every_call_has_its_turn() -> None:
    away = Redis(host="127.0.0.1", port=1, retry=Retry(NoBackoff(), 0))
    rate = CallRate(away, KEY)
    assert await turns(rate, 3) == 3 * [True]
    await rate.pause()
    await away.aclose()
