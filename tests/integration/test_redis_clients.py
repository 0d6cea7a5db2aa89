"""The asyncio clients of Redis, whose commands are packed in C: what they send, and to where."""

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from redis.asyncio import Redis
from redis.asyncio.connection import AbstractConnection
from redis.exceptions import DataError

from dingda.shared.ledger.ledger import Ledger
from dingda.shared.ledger.states import Completion, DeadReason, Lease, Outcome
from dingda.shared.queue import JobQueue
from dingda.shared.runtime.redis_address import RedisAddress
from dingda.shared.runtime.redis_clients import (
    create_bounded_redis,
    create_fetching_redis,
    create_intake_redis,
    create_worker_redis,
)
from tests.support.builders import KEYS, a_callback, a_message
from tests.support.processes import Valkey, valkey

PASSWORD = "p@ss/wörd"
IN_A_URL = "p%40ss%2Fw%C3%B6rd"
CLIENTS: dict[str, Callable[[RedisAddress], Redis]] = {
    "intake": lambda address: create_intake_redis(address, connect_timeout_s=1.0),
    "bounded": lambda address: create_bounded_redis(address, timeout_s=1.0),
    "worker": create_worker_redis,
    "fetching": create_fetching_redis,
}


@pytest.fixture(scope="module")
def socket_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("s") / "redis.sock"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, socket_path: Path) -> Iterator[Valkey]:
    folder = tmp_path_factory.mktemp("valkey")
    with valkey(folder, unixsocket=str(socket_path)) as server, server.client() as client:
        client.config_set("requirepass", PASSWORD)
        yield server
        client.config_set("requirepass", "")


@pytest.mark.parametrize("create", CLIENTS.values(), ids=CLIENTS)
@pytest.mark.parametrize(
    "way", ["redis://:{password}@127.0.0.1:{port}/3", "unix://:{password}@{path}?db=3"]
)
async def test_a_client_signs_in_and_uses_the_database_of_its_url(
    server: Valkey, socket_path: Path, way: str, create: Callable[[RedisAddress], Redis]
) -> None:
    url = way.format(password=IN_A_URL, port=server.port, path=socket_path)
    async with create(RedisAddress(url)) as redis:
        about = await redis.client_info()
    assert about["db"] == 3


def a_connection() -> AbstractConnection:
    pool = create_worker_redis(RedisAddress("redis://127.0.0.1/0")).connection_pool
    return pool.make_connection()  # type: ignore[no-untyped-call, no-any-return]


@pytest.mark.parametrize(
    "command",
    [
        ("GET", "城市"),
        ("CONFIG GET", "maxmemory"),
        (b"SET", b"k\r\n", b""),
        ("HSET", "k", 5, -1.5, 1e300),
        ("SET", "k", "x" * 100_000),
        ("SET", "k", "half a pair: \ud83d"),
        ("SET", "k", bytearray(b"x"), memoryview(b"y")),
    ],
)
def test_a_command_is_packed_as_redis_py_packs_it(command: tuple[str, ...]) -> None:
    connection = a_connection()
    theirs = AbstractConnection.pack_command(connection, *command)
    assert b"".join(connection.pack_command(*command)) == b"".join(theirs)


def test_what_is_no_value_of_redis_is_refused_as_redis_py_refuses_it() -> None:
    connection = a_connection()
    with pytest.raises(DataError):
        connection.pack_command("SET", "k", None)  # type: ignore[arg-type]


async def test_a_detail_that_cannot_be_encoded_keeps_no_other_message_from_its_end(
    tmp_path: Path,
) -> None:
    both = [a_message(msgId=name, senderId=name) for name in ("odd", "even")]
    with valkey(tmp_path) as server:
        async with create_worker_redis(RedisAddress(server.url)) as redis:
            ledger = Ledger(redis, JobQueue.create("dingda", skill_timeout_s=30))
            await ledger.accept([(each, a_callback()) for each in both], backlog_limit=10)
            odd, even = [await ledger.lease(each.id) for each in both]
            assert isinstance(odd, Lease)
            assert isinstance(even, Lease)
            failed = Completion(Outcome.DEAD, DeadReason.FAILED, "half a pair: \ud83d")
            await asyncio.gather(
                ledger.finish(odd, failed), ledger.finish(even, Completion(Outcome.ANSWERED))
            )
            assert await redis.hget(KEYS.message(odd.id), "detail") == "half a pair: ?"
            assert await redis.hget(KEYS.message(even.id), "state") == "answered"
