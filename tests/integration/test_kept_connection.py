"""A connection that is kept to Redis from call to call, on a real server: whose reply is whose."""

import asyncio
from collections.abc import AsyncIterator, Iterator

import pytest
from redis.asyncio import Redis
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import ResponseError

from dingda.shared.runtime.deadline import within
from dingda.shared.runtime.kept_connection import KeptConnection
from dingda.shared.runtime.redis_address import RedisAddress
from dingda.shared.runtime.redis_clients import create_intake_redis
from tests.support.processes import Valkey, valkey


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Valkey]:
    with valkey(tmp_path_factory.mktemp("valkey")) as server:
        yield server


@pytest.fixture
async def redis(server: Valkey) -> AsyncIterator[Redis]:
    client = create_intake_redis(RedisAddress(server.url), connect_timeout_s=0.5)
    yield client
    await client.aclose()


async def test_calls_one_after_the_other_share_a_connection(redis: Redis) -> None:
    kept = KeptConnection(redis)
    assert await kept.execute("CLIENT ID") == await kept.execute("CLIENT ID")


async def test_calls_at_the_same_time_each_hear_their_own_reply(redis: Redis) -> None:
    kept = KeptConnection(redis)
    words = [str(number) for number in range(10)]
    assert await asyncio.gather(*(kept.execute("ECHO", word) for word in words)) == words


async def test_a_reply_that_comes_too_late_is_nobody_elses(redis: Redis) -> None:
    kept = KeptConnection(redis)
    await kept.execute("PING")
    with pytest.raises(TimeoutError):
        await within(0.1, kept.execute("BLPOP", "nothing", "0.3"))
    assert await kept.execute("ECHO", "mine") == "mine"
    await asyncio.sleep(0.4)
    assert await kept.execute("ECHO", "mine too") == "mine too"


async def test_an_error_of_redis_is_raised_and_the_connection_stays(redis: Redis) -> None:
    kept = KeptConnection(redis)
    before = await kept.execute("CLIENT ID")
    with pytest.raises(ResponseError):
        await kept.execute("NO SUCH COMMAND")
    assert await kept.execute("CLIENT ID") == before


async def test_of_several_commands_in_one_round_trip_only_the_refused_one_has_an_error(
    redis: Redis,
) -> None:
    kept = KeptConnection(redis)
    before = await kept.execute("CLIENT ID")
    first, refused, last = await kept.execute_all(
        [("ECHO", "first"), ("NO SUCH COMMAND",), ("ECHO", "last")]
    )
    assert (first, last) == ("first", "last")
    assert isinstance(refused, ResponseError)
    assert await kept.execute("CLIENT ID") == before


async def test_a_connection_that_redis_has_closed_is_opened_again_at_once(redis: Redis) -> None:
    kept = KeptConnection(redis)
    before = await kept.execute("CLIENT ID")
    await redis.client_kill_filter(_id=before)
    assert await kept.execute("CLIENT ID") != before


async def test_calls_that_fail_or_are_broken_off_take_no_connection_with_them(
    server: Valkey, redis: Redis
) -> None:
    kept = KeptConnection(redis)

    async def errors(*command: str, limit_s: float = 10) -> set[type]:
        """What more calls than there are connections raise, eight at a time."""
        raised: list[object] = []
        for _ in range(redis.connection_pool.max_connections // 4):
            calls = (within(limit_s, kept.execute(*command)) for _ in range(8))
            raised += await asyncio.gather(*calls, return_exceptions=True)
        return set(map(type, raised))

    assert await errors("NO SUCH COMMAND") == {ResponseError}
    assert await errors("BLPOP", "nothing", "60", limit_s=0.1) == {TimeoutError}
    server.kill()
    assert await errors("PING") == {RedisConnectionError}
    server.start()
    assert await within(10, kept.execute("ECHO", "back")) == "back"
