"""Trips: steps of many callers share one, and each caller hears of its own."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import fakeredis
import pytest
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import ResponseError

from dingda.shared.batching import Trips

COUNT = "return redis.call('INCRBY', KEYS[1], ARGV[1])"
ECHO = "return ARGV[1]"


@pytest.fixture
async def redis() -> AsyncIterator[fakeredis.FakeAsyncRedis]:
    async with fakeredis.FakeAsyncRedis(decode_responses=True) as redis:
        yield redis


@pytest.fixture
def trips(redis: fakeredis.FakeAsyncRedis) -> Trips:
    return Trips(redis, ["total"])


@pytest.fixture
def executed(redis: fakeredis.FakeAsyncRedis, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many calls each trip had."""
    sizes: list[int] = []
    original = redis.pipeline

    def pipeline(**options: Any) -> Any:
        made: Any = original(**options)
        execute = made.execute

        async def counted(**how: Any) -> Any:
            sizes.append(len(made.command_stack))
            return await execute(**how)

        made.execute = counted
        return made

    monkeypatch.setattr(redis, "pipeline", pipeline)
    return sizes


async def test_a_call_returns_what_its_script_returns(
    redis: fakeredis.FakeAsyncRedis, trips: Trips
) -> None:
    count, echo = redis.register_script(COUNT), redis.register_script(ECHO)
    counted, echoed = await asyncio.gather(trips.run(count, [2]), trips.run(echo, ["x"]))
    assert (counted, echoed) == (2, "x")


async def test_calls_of_one_moment_share_a_trip(
    redis: fakeredis.FakeAsyncRedis, trips: Trips, executed: list[int]
) -> None:
    echo = redis.register_script(ECHO)
    await trips.run(echo, ["the script is known from here on"])
    executed.clear()
    answers = await asyncio.gather(*(trips.run(echo, [str(n)]) for n in range(50)))
    assert answers == [str(n) for n in range(50)]
    assert executed == [50]


async def test_a_redis_that_has_forgotten_the_scripts_is_told_them_again_and_each_runs_once(
    redis: fakeredis.FakeAsyncRedis, trips: Trips
) -> None:
    count = redis.register_script(COUNT)
    await trips.run(count, [1])
    await redis.script_flush()
    answers = await asyncio.gather(*(trips.run(count, [1]) for _ in range(3)))
    assert answers == [2, 3, 4]


async def test_an_error_reaches_the_caller_that_it_is_about_and_nobody_else(
    redis: fakeredis.FakeAsyncRedis, trips: Trips
) -> None:
    count = redis.register_script(COUNT)
    answers = await asyncio.gather(
        trips.run(count, [1]),
        trips.run(count, ["no number"]),
        trips.run(count, [1]),
        return_exceptions=True,
    )
    assert (answers[0], answers[2]) == (1, 2)
    assert isinstance(answers[1], ResponseError)


async def test_an_outage_reaches_everybody_on_the_trip_and_not_the_next_one(
    redis: fakeredis.FakeAsyncRedis, trips: Trips, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(*_: Any, **__: Any) -> None:
        raise RedisConnectionError("away")

    echo = redis.register_script(ECHO)
    with monkeypatch.context() as patch:
        patch.setattr(redis.connection_pool, "get_connection", broken)
        answers = await asyncio.gather(
            *(trips.run(echo, ["x"]) for _ in range(3)), return_exceptions=True
        )
    assert [type(answer) for answer in answers] == [RedisConnectionError] * 3
    assert await trips.run(echo, ["y"]) == "y"


async def test_who_is_gone_before_the_trip_takes_no_step(
    redis: fakeredis.FakeAsyncRedis, trips: Trips
) -> None:
    count = redis.register_script(COUNT)
    gone = asyncio.create_task(trips.run(count, [100]))
    stays = asyncio.create_task(trips.run(count, [1]))
    await asyncio.sleep(0)
    gone.cancel()
    assert await stays == 1
