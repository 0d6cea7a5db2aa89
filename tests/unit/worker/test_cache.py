"""The skills' cache: JSON values that Redis forgets, and no trouble when Redis is away."""

import logging
from collections.abc import AsyncIterator
from typing import Any

import fakeredis
import pytest

from worker.cache import RedisCache
from worker.testing import MemoryCache


@pytest.fixture
def server() -> fakeredis.FakeServer:
    return fakeredis.FakeServer()


@pytest.fixture
async def redis(server: fakeredis.FakeServer) -> AsyncIterator[fakeredis.FakeAsyncRedis]:
    client = fakeredis.FakeAsyncRedis(server=server, decode_responses=True)
    yield client
    await client.aclose()


@pytest.fixture
def cache(redis: fakeredis.FakeAsyncRedis) -> RedisCache:
    return RedisCache(redis, prefix="dingda")


@pytest.mark.parametrize("value", ["北京", 9.5, 0, False, [], {"a": [1, None]}, ""])
async def test_what_was_put_there_comes_back(cache: RedisCache, value: Any) -> None:
    await cache.set("weather:北京", value, ttl_s=60)
    assert await cache.get("weather:北京") == value


async def test_what_was_never_put_there_is_none(cache: RedisCache) -> None:
    assert await cache.get("weather:北京") is None


async def test_the_latest_value_counts(cache: RedisCache) -> None:
    await cache.set("k", 1, ttl_s=60)
    await cache.set("k", 2, ttl_s=60)
    assert await cache.get("k") == 2


async def test_an_entry_stands_under_the_queues_name_and_is_forgotten_in_time(
    cache: RedisCache, redis: fakeredis.FakeAsyncRedis
) -> None:
    await cache.set("k", 1, ttl_s=60)
    assert await redis.keys("*") == ["dingda:cache:k"]
    assert 0 < await redis.ttl("dingda:cache:k") <= 60


async def test_two_queues_on_one_redis_do_not_share(
    cache: RedisCache, redis: fakeredis.FakeAsyncRedis
) -> None:
    await cache.set("k", 1, ttl_s=60)
    assert await RedisCache(redis, prefix="acme").get("k") is None


async def test_without_redis_everything_is_forgotten_and_the_log_says_so(
    server: fakeredis.FakeServer, cache: RedisCache, caplog: pytest.LogCaptureFixture
) -> None:
    server.connected = False
    with caplog.at_level(logging.WARNING):
        await cache.set("k", "s3cret-canary", ttl_s=60)
        assert await cache.get("k") is None
    assert [record.getMessage() for record in caplog.records] == [
        "the cache cannot be written (ConnectionError)",
        "the cache cannot be read (ConnectionError)",
    ]


@pytest.mark.parametrize("stored", ["", "not json", '{"a":', "NaN!"])
async def test_what_is_no_json_counts_as_forgotten(
    cache: RedisCache, redis: fakeredis.FakeAsyncRedis, stored: str
) -> None:
    await redis.set("dingda:cache:k", stored)
    assert await cache.get("k") is None


async def test_an_entry_of_another_kind_counts_as_forgotten(
    cache: RedisCache, redis: fakeredis.FakeAsyncRedis
) -> None:
    await redis.rpush("dingda:cache:k", "a")
    assert await cache.get("k") is None


async def test_the_test_kits_cache_forgets_by_its_clock() -> None:
    now_s = 100.0
    cache = MemoryCache(lambda: now_s)
    await cache.set("k", 1, ttl_s=60)
    now_s = 159.0
    assert await cache.get("k") == 1
    now_s = 160.0
    assert await cache.get("k") is None
