"""A custom robot speaks 18 times in any minute, whichever workers let it."""

import asyncio

import fakeredis
import pytest

from dingda.worker.delivery.minute_limit import MESSAGES_A_MINUTE, MinuteLimit
from tests.support.builders import KEYS

ROBOT, OTHER = (f"https://oapi.dingtalk.com/robot/send?access_token={name}" for name in "ab")


@pytest.fixture
def redis() -> fakeredis.FakeAsyncRedis:
    return fakeredis.FakeAsyncRedis(decode_responses=True)


async def shift(redis: fakeredis.FakeAsyncRedis, by_ms: int) -> None:
    """Let what was counted have been counted earlier, or later."""
    (key,) = await redis.keys("*:custom-robot:*")
    for name in await redis.zrange(key, 0, -1):
        await redis.zincrby(key, by_ms, str(name))


async def taken(limit: MinuteLimit, times: int, webhook: str = ROBOT) -> list[float]:
    return [await limit.take(webhook) for _ in range(times)]


async def test_what_is_beyond_the_minute_has_to_wait_for_the_first_to_be_over(
    redis: fakeredis.FakeAsyncRedis,
) -> None:
    limit = MinuteLimit(redis, KEYS)
    *sent, waits = await taken(limit, MESSAGES_A_MINUTE + 1)
    assert sent == [0.0] * MESSAGES_A_MINUTE
    assert waits == pytest.approx(60.0, abs=5.0)


async def test_two_workers_share_the_minute(redis: fakeredis.FakeAsyncRedis) -> None:
    limits = [MinuteLimit(redis, KEYS) for _ in range(2)]
    takes = [limit.take(ROBOT) for limit in limits for _ in range(MESSAGES_A_MINUTE)]
    waits = await asyncio.gather(*takes)
    assert waits.count(0.0) == MESSAGES_A_MINUTE


async def test_each_robot_has_its_own_minute(redis: fakeredis.FakeAsyncRedis) -> None:
    limit = MinuteLimit(redis, KEYS)
    await taken(limit, MESSAGES_A_MINUTE)
    assert await limit.take(OTHER) == 0.0


async def test_a_minute_later_it_may_speak_again(redis: fakeredis.FakeAsyncRedis) -> None:
    limit = MinuteLimit(redis, KEYS)
    await taken(limit, MESSAGES_A_MINUTE)
    await shift(redis, -60_000)
    assert await limit.take(ROBOT) == 0.0


async def test_the_minute_is_any_minute_and_not_the_clocks(
    redis: fakeredis.FakeAsyncRedis,
) -> None:
    limit = MinuteLimit(redis, KEYS)
    await taken(limit, MESSAGES_A_MINUTE)
    await shift(redis, -40_000)
    assert await limit.take(ROBOT) == pytest.approx(20.0, abs=5.0)


async def test_a_clock_that_is_set_back_keeps_nobody_silent(
    redis: fakeredis.FakeAsyncRedis,
) -> None:
    limit = MinuteLimit(redis, KEYS)
    await taken(limit, MESSAGES_A_MINUTE)
    await shift(redis, 3_600_000)
    assert await limit.take(ROBOT) == 0.0


async def test_nothing_is_left_of_it_afterwards_and_no_webhook_is_in_redis(
    redis: fakeredis.FakeAsyncRedis,
) -> None:
    await MinuteLimit(redis, KEYS).take(ROBOT)
    (key,) = await redis.keys()
    assert "access_token" not in key
    assert 0 < await redis.pttl(key) <= 60_000
