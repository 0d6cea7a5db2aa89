"""The skills' cache: JSON values that Redis forgets, and no trouble when Redis is away."""

import asyncio
import logging
from collections.abc import AsyncIterator
from typing import Any, cast

import fakeredis
import pytest
from redis.asyncio.client import Pipeline

from dingda.testing import MemoryCache
from dingda.worker.services.cache import Cache, RedisCache


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


# Fetching what is not there.


class Source:
    """Something slow that is fetched, and how often it was."""

    def __init__(self, value: Any = None, *, takes_s: float = 0.02) -> None:
        self.value = {"list": [1]} if value is None else value
        self.takes_s = takes_s
        self.fetched = 0

    async def __call__(self) -> Any:
        self.fetched += 1
        await asyncio.sleep(self.takes_s)
        return self.value


@pytest.fixture(params=["Redis", "the test kit's"])
def any_cache(request: pytest.FixtureRequest, cache: RedisCache) -> Cache:
    return cache if request.param == "Redis" else MemoryCache()


async def test_what_is_fetched_is_remembered(any_cache: Cache) -> None:
    source = Source()
    for _ in range(3):
        assert await any_cache.remember("k", source, ttl_s=60) == {"list": [1]}
    assert source.fetched == 1
    assert await any_cache.get("k") == {"list": [1]}


async def test_concurrent_callers_fetch_a_value_once(any_cache: Cache) -> None:
    source = Source()
    wanted = (any_cache.remember("k", source, ttl_s=60) for _ in range(100))
    assert await asyncio.gather(*wanted) == [{"list": [1]}] * 100
    assert source.fetched == 1


async def test_a_caller_that_changes_a_fetched_value_changes_it_for_no_other(
    any_cache: Cache,
) -> None:
    wanted = (any_cache.remember("k", Source(), ttl_s=60) for _ in range(2))
    one, other = await asyncio.gather(*wanted)
    one["list"].append(2)
    assert other == await any_cache.remember("k", Source(), ttl_s=60) == {"list": [1]}


async def test_what_cannot_be_fetched_is_not_remembered(any_cache: Cache) -> None:
    async def fails() -> Any:
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        await any_cache.remember("k", fails, ttl_s=60)
    assert await any_cache.remember("k", Source("there"), ttl_s=60) == "there"


async def test_a_spoilt_value_is_fetched_again(any_cache: Cache) -> None:
    def read(value: Any) -> int:
        return int(value["number"]) if isinstance(value, dict) else int("no number")

    await any_cache.set("k", "spoilt", ttl_s=60)
    source = Source({"number": 7})
    assert await any_cache.remember("k", source, ttl_s=60, read=read) == 7
    assert await any_cache.remember("k", source, ttl_s=60, read=read) == 7
    assert source.fetched == 1


@pytest.mark.parametrize("stored", ["", "not json", "[" * 100_000])
async def test_a_value_that_is_not_json_is_fetched_again(
    cache: RedisCache, redis: fakeredis.FakeAsyncRedis, stored: str
) -> None:
    await redis.set("dingda:cache:k", stored)
    assert await cache.remember("k", Source("there"), ttl_s=60) == "there"
    assert await redis.get("dingda:cache:k") == '"there"'


async def test_several_workers_fetch_it_once(redis: fakeredis.FakeAsyncRedis) -> None:
    source = Source(takes_s=0.1)
    workers = [RedisCache(redis, prefix="dingda") for _ in range(4)]
    wanted = (worker.remember("k", source, ttl_s=60) for worker in workers for _ in range(25))
    assert await asyncio.gather(*wanted) == [{"list": [1]}] * 100
    assert source.fetched == 1


async def test_when_it_expires_it_is_fetched_once_again(redis: fakeredis.FakeAsyncRedis) -> None:
    source = Source(takes_s=0.1)
    workers = [RedisCache(redis, prefix="dingda") for _ in range(4)]
    await workers[0].remember("k", source, ttl_s=60)
    await redis.delete("dingda:cache:k")  # as when its time is over
    await asyncio.gather(*(worker.remember("k", source, ttl_s=60) for worker in workers))
    assert source.fetched == 2


async def test_another_worker_that_fails_holds_nobody_up(redis: fakeredis.FakeAsyncRedis) -> None:
    async def fails() -> Any:
        await asyncio.sleep(0.1)
        raise ValueError("no")

    one, other = (RedisCache(redis, prefix="dingda") for _ in range(2))
    failing = asyncio.create_task(one.remember("k", fails, ttl_s=60))
    await asyncio.sleep(0.02)
    assert await other.remember("k", Source("there"), ttl_s=60) == "there"
    with pytest.raises(ValueError, match="no"):
        await failing


async def test_no_lock_is_left_behind(cache: RedisCache, redis: fakeredis.FakeAsyncRedis) -> None:
    await cache.remember("k", Source(), ttl_s=60)
    assert await redis.keys("*") == ["dingda:cache:k"]


async def test_a_lock_whose_holder_died_is_waited_for_only_so_long(
    cache: RedisCache, redis: fakeredis.FakeAsyncRedis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dingda.worker.services.cache.LOCK_S", 0.2)
    await redis.set("dingda:cache:k:lock", "1")
    assert await cache.remember("k", Source("there"), ttl_s=60) == "there"
    assert await redis.get("dingda:cache:k") == '"there"'


async def test_a_fetch_that_never_ends_delays_no_later_caller(
    cache: RedisCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def hangs() -> Any:
        await asyncio.sleep(3600)

    monkeypatch.setattr("dingda.worker.services.cache.MAX_FETCH_S", 0.05)
    with pytest.raises(TimeoutError):
        await cache.remember("k", hangs, ttl_s=60)
    assert await cache.remember("k", Source("there"), ttl_s=60) == "there"


async def test_without_redis_everybody_still_gets_an_answer_from_one_call(
    server: fakeredis.FakeServer, cache: RedisCache
) -> None:
    server.connected = False
    source = Source()
    wanted = (cache.remember("k", source, ttl_s=60) for _ in range(20))
    assert await asyncio.gather(*wanted) == [{"list": [1]}] * 20
    assert source.fetched == 1


async def test_a_redis_that_hangs_is_not_waited_for(
    cache: RedisCache, redis: fakeredis.FakeAsyncRedis, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def hangs(*_: Any, **__: Any) -> None:
        await asyncio.sleep(3600)

    monkeypatch.setattr("dingda.worker.services.cache._REDIS_TIMEOUT_S", 0.05)
    with monkeypatch.context() as hanging:
        hanging.setattr(redis, "get", hangs)
        hanging.setattr(redis, "execute_command", hangs)
        hanging.setattr(Pipeline, "execute", hangs)
        assert await cache.get("k") is None
        assert await cache.remember("k", Source("there"), ttl_s=60) == "there"
    # Nothing of it holds up those that come when it answers again.
    assert await cache.get("k") is None
    assert await cache.remember("k", Source("again"), ttl_s=60) == "again"
    assert await cache.get("k") == "again"


async def test_what_many_want_at_one_moment_takes_few_round_trips(
    cache: RedisCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    round_trips = 0
    execute = Pipeline.execute

    async def counted(pipeline: Pipeline, *args: Any, **options: Any) -> Any:
        nonlocal round_trips
        round_trips += 1
        return await execute(pipeline, *args, **options)

    monkeypatch.setattr(Pipeline, "execute", counted)
    wanted = (cache.remember(f"k{n}", Source(n), ttl_s=60) for n in range(200))
    assert await asyncio.gather(*wanted) == list(range(200))
    assert round_trips <= 20


async def test_a_call_that_makes_no_sense_is_the_trouble_of_its_own_caller_alone(
    cache: RedisCache,
) -> None:
    senseless: list[Any] = [
        cache.get(cast("Any", None)),
        cache.set("k1", 1, ttl_s=cast("Any", None)),
        cache.set("k2", 1, ttl_s=cast("Any", "soon")),
        cache.remember(cast("Any", None), Source(), ttl_s=60),
        cache.get("half a pair: \ud83d"),
    ]
    *failed, fine = await asyncio.gather(
        *senseless, cache.remember("k", Source("there"), ttl_s=60), return_exceptions=True
    )
    assert all(isinstance(each, TypeError | ValueError) for each in failed)
    assert fine == "there"
    assert await cache.get("k") == "there"


async def test_a_key_of_another_type_is_the_trouble_of_its_own_caller_alone(
    cache: RedisCache, redis: fakeredis.FakeAsyncRedis
) -> None:
    await redis.rpush("dingda:cache:list", "a")
    await cache.set("k", "there", ttl_s=60)
    spoilt, stored = await asyncio.gather(cache.get("list"), cache.get("k"))
    assert (spoilt, stored) == (None, "there")


async def test_a_cancelled_fetch_is_repeated_by_each_waiting_caller(cache: RedisCache) -> None:
    tasks: list[asyncio.Task[object]] = []
    begun = asyncio.Event()

    async def fetch() -> str:
        if task := asyncio.current_task():
            tasks.append(task)
            begun.set()
        await asyncio.sleep(0.05)
        return "there"

    waiting = [asyncio.create_task(cache.remember("k", fetch, ttl_s=60)) for _ in range(2)]
    await begun.wait()
    tasks[0].cancel()
    assert await asyncio.gather(*waiting) == ["there", "there"]
