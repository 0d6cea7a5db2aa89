"""Servers that answer but take no writes: an outage to every client, on real ones where one can."""

import asyncio
import socketserver
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import redis
from redis.asyncio import Redis

from dingda.shared.runtime.kept_connection import KeptConnection
from dingda.shared.runtime.redis_address import RedisAddress
from dingda.shared.runtime.redis_clients import (
    create_bounded_redis,
    create_fetching_redis,
    create_intake_redis,
    create_rq_redis,
    create_worker_redis,
)
from dingda.shared.runtime.redis_connections import OutageError
from tests.support.processes import Valkey, valkey, wait_until

PATIENT: dict[str, Callable[[RedisAddress], Redis]] = {
    "worker": create_worker_redis,
    "fetching": create_fetching_redis,
}
WRITE = "return redis.call('INCR', KEYS[1])"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Valkey]:
    with valkey(tmp_path_factory.mktemp("valkey")) as server:
        yield server


@pytest.fixture(autouse=True)
def writes_are_taken(server: Valkey) -> Iterator[None]:
    yield
    with server.client() as client:
        mend(client)
        client.flushall()


def without_replicas(client: Any) -> None:
    client.config_set("min-replicas-to-write", 1)


def as_a_replica(client: Any) -> None:
    client.config_set("replica-serve-stale-data", "yes")
    client.replicaof("127.0.0.1", 1)


def as_a_replica_without_its_primary(client: Any) -> None:
    client.config_set("replica-serve-stale-data", "no")
    client.replicaof("127.0.0.1", 1)


def mend(client: Any) -> None:
    client.config_set("min-replicas-to-write", 0)
    client.replicaof("NO", "ONE")


REFUSING: dict[str, Callable[[Any], None]] = {
    "NOREPLICAS": without_replicas,
    "READONLY": as_a_replica,
    "MASTERDOWN": as_a_replica_without_its_primary,
}


@pytest.fixture(params=REFUSING.values(), ids=list(REFUSING))
def refuse(request: pytest.FixtureRequest) -> Callable[[Any], None]:
    refusing: Callable[[Any], None] = request.param
    return refusing


@pytest.mark.parametrize("create", PATIENT.values(), ids=PATIENT)
async def test_a_command_waits_until_the_server_takes_writes(
    server: Valkey, create: Callable[[RedisAddress], Redis], refuse: Callable[[Any], None]
) -> None:
    with server.client() as client:
        refuse(client)
        async with create(RedisAddress(server.url)) as patient:
            counting = asyncio.ensure_future(patient.incr("n"))
            await refused(client)
            mend(client)
            assert await counting == 1


async def test_so_does_each_script_of_a_batch_and_none_of_them_runs_twice(
    server: Valkey, refuse: Callable[[Any], None]
) -> None:
    with server.client() as client:
        refuse(client)
        async with create_worker_redis(RedisAddress(server.url)) as patient:
            kept = KeptConnection(patient)
            scripts = [("EVAL", WRITE, 1, f"n{number}") for number in range(3)]
            counting = asyncio.create_task(kept.execute_all(scripts))
            await refused(client)
            mend(client)
            assert await counting == [1, 1, 1]


async def test_so_do_rqs_transactions(server: Valkey, refuse: Callable[[Any], None]) -> None:
    with server.client() as client:
        refuse(client)
        with create_rq_redis(RedisAddress(server.url)) as rq, rq.pipeline() as pipeline:
            pipeline.incr("n")
            pipeline.set("other", "x")
            counting = asyncio.create_task(asyncio.to_thread(pipeline.execute))
            await refused(client)
            mend(client)
            assert await counting == [1, True]


async def test_a_worker_that_waits_for_jobs_waits_on_when_its_server_becomes_a_replica(
    server: Valkey,
) -> None:
    with server.client() as client:
        async with create_fetching_redis(RedisAddress(server.url)) as patient:
            moving = asyncio.ensure_future(patient.blmove("queue", "taken", 0))
            await asyncio.to_thread(wait_until, lambda: client.info()["blocked_clients"])
            as_a_replica(client)
            await refused(client)
            mend(client)
            client.rpush("queue", "job")
            assert await moving == b"job"


async def test_the_gateway_hears_at_once_that_its_message_was_not_stored(
    server: Valkey, refuse: Callable[[Any], None]
) -> None:
    with server.client() as client:
        refuse(client)
    async with create_intake_redis(RedisAddress(server.url), connect_timeout_s=1.0) as impatient:
        with pytest.raises(OutageError):
            await KeptConnection(impatient).execute("EVAL", WRITE, 1, "n")


async def test_an_error_of_the_script_itself_is_not_retried(server: Valkey) -> None:
    async with create_worker_redis(RedisAddress(server.url)) as patient:
        commands = [("EVAL", "return redis.error_reply('SPOILT n')", 0), ("PING",)]
        wrong, pong = await KeptConnection(patient).execute_all(commands)
    assert isinstance(wrong, redis.ResponseError)
    assert pong == "PONG"


WRAPPED = "ERR Error running script (call to f_ab): @user_script:12: @user_script: 12: -{}"
"""As Redis 6.2 has it."""


@pytest.mark.parametrize(
    "error",
    [
        *("LOADING in memory", "TRYAGAIN later", "MASTERDOWN Link with MASTER is down"),
        *(WRAPPED.format(error) for error in ("READONLY You can't", "NOREPLICAS Not enough")),
    ],
)
async def test_what_this_server_never_says_is_understood_too(error: str) -> None:
    with server_that_says(error) as (address, times):
        async with create_bounded_redis(address, timeout_s=5.0) as bounded:
            assert await bounded.ping() is True
    assert times == [error, "PONG"]


@contextmanager
def server_that_says(error: str) -> Iterator[tuple[RedisAddress, list[str]]]:
    """A server that refuses the first command, and what it has answered."""
    said: list[str] = []

    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            while line := self.rfile.readline():
                for _ in range(2 * int(line[1:])):
                    self.rfile.readline()
                said.append("PONG" if said else error)
                answer = f"+{said[-1]}" if said[-1] == "PONG" else f"-{error}"
                self.wfile.write(f"{answer}\r\n".encode())

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield RedisAddress(f"redis://127.0.0.1:{server.server_address[1]}/0"), said
        server.shutdown()


async def refused(client: Any) -> None:
    """Wait until the server has refused something twice: it was tried again."""

    def refusals() -> int:
        stats = client.info("errorstats")
        return sum(stats.get(f"errorstat_{code}", {"count": 0})["count"] for code in REFUSING)

    before = refusals()
    await asyncio.to_thread(wait_until, lambda: refusals() >= before + 2)
