"""Clients that find the primary through Sentinel, on real servers and Sentinels."""

import asyncio
import signal
import socket
import ssl
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
import redis
from redis.asyncio import Redis

from benchmarks.certificate import Certificate, a_certificate
from dingda.shared.runtime import redis_clients
from dingda.shared.runtime.kept_connection import KeptConnection
from dingda.shared.runtime.redis_address import RedisAddress, read_sentinel
from dingda.shared.runtime.redis_clients import (
    create_bounded_redis,
    create_fetching_redis,
    create_intake_redis,
    create_rq_redis,
    create_worker_redis,
)
from tests.support.processes import Valkey, wait_until
from tests.support.sentinels import MASTER, SentinelDeployment, sentinel_deployment

NOWHERE = "redis://nowhere.invalid:1/0"
ASYNC: dict[str, Callable[[RedisAddress], Redis]] = {
    "intake": lambda address: create_intake_redis(address, connect_timeout_s=5.0),
    "bounded": lambda address: create_bounded_redis(address, timeout_s=5.0),
    "worker": create_worker_redis,
    "fetching": create_fetching_redis,
}
HANGS_AFTER_S = 60.0
BREAK: dict[str, Callable[[Valkey], None]] = {
    "dies": Valkey.kill,
    "freezes": lambda server: server.signal(signal.SIGSTOP),
}


def address_of(deployment: SentinelDeployment, url: str = NOWHERE) -> RedisAddress:
    return RedisAddress(url, tuple(map(read_sentinel, deployment.addresses.split(","))), MASTER)


@pytest.fixture(scope="module")
def calm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SentinelDeployment]:
    """One that nobody breaks."""
    with sentinel_deployment(tmp_path_factory.mktemp("calm"), {}) as deployment:
        yield deployment


@pytest.fixture
def deployment(tmp_path: Path) -> Iterator[SentinelDeployment]:
    """One that a test may break."""
    with sentinel_deployment(tmp_path / "redis", {}, down_after_ms=500) as deployment:
        yield deployment


# What breaks ------------------------------------------------------------------------------


@pytest.mark.parametrize("break_", BREAK.values(), ids=BREAK)
async def test_commands_that_the_primary_leaves_unanswered_are_answered_by_the_next_one(
    deployment: SentinelDeployment,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    break_: Callable[[Valkey], None],
) -> None:
    monkeypatch.setattr(redis_clients, "_WORKER_SOCKET_TIMEOUT_S", 2.0)
    old = deployment.primary
    async with asyncio.timeout(HANGS_AFTER_S):
        with over_tls(deployment, a_certificate(tmp_path)) as encrypted:
            waiting = {
                f"{kind}:{way}": asyncio.ensure_future(pop(address, f"{kind}:{way}"))
                for way, address in {"tcp": address_of(deployment), "tls": encrypted}.items()
                for kind, pop in POP.items()
            }
            await asyncio.to_thread(wait_for_blocked, old, len(waiting))
            break_(old)
            new = await asyncio.to_thread(deployment.wait_for_other_primary, old)
            with new.client() as client:
                for name in waiting:
                    client.rpush(name, "answer")
            answers = await asyncio.gather(*waiting.values(), return_exceptions=True)
    assert dict(zip(waiting, answers, strict=True)) == dict.fromkeys(waiting, "answer")


async def pop_with(create: Callable[[RedisAddress], Redis], address: RedisAddress, key: str) -> str:
    """Wait for an element with an asyncio client."""
    async with create(address) as client:
        found: Any = await client.blpop([key], 0)
        return found[1] if isinstance(found[1], str) else str(found[1].decode())


def pop_blocking(address: RedisAddress, key: str) -> str:
    """Wait for an element with RQ's client."""
    with create_rq_redis(address) as client:
        found: Any = client.blpop([key], 0)
        return str(found[1].decode())


POP: dict[str, Callable[[RedisAddress, str], Awaitable[str]]] = {
    "worker": lambda address, key: pop_with(create_worker_redis, address, key),
    "fetching": lambda address, key: pop_with(create_fetching_redis, address, key),
    "rq": lambda address, key: asyncio.to_thread(pop_blocking, address, key),
}


def wait_for_blocked(server: Valkey, count: int) -> None:
    with server.client() as client:
        wait_until(lambda: client.info("clients")["blocked_clients"] == count)


@pytest.mark.parametrize("kind", ["intake", "bounded"])
async def test_a_kept_connection_leads_to_the_new_primary_at_the_next_call(
    deployment: SentinelDeployment, kind: str
) -> None:
    old = deployment.primary
    async with ASYNC[kind](address_of(deployment)) as client:
        kept = KeptConnection(client)
        await kept.execute("SET", "key", "before")
        old.kill()
        new = await asyncio.to_thread(deployment.wait_for_other_primary, old)
        assert await kept.execute("SET", "key", "after") == "OK"
    with new.client() as there:
        assert there.get("key") == "after"


# What stays whole -------------------------------------------------------------------------


@pytest.mark.parametrize("create", ASYNC.values(), ids=ASYNC)
async def test_more_calls_than_connections_wait_for_one(
    calm: SentinelDeployment, create: Callable[[RedisAddress], Redis]
) -> None:
    async with create(address_of(calm)) as client:
        assert all(await asyncio.gather(*(client.ping() for _ in range(200))))


@pytest.mark.parametrize("create", ASYNC.values(), ids=ASYNC)
async def test_a_closed_client_leaves_no_connection_to_servers_or_sentinels(
    calm: SentinelDeployment, create: Callable[[RedisAddress], Redis]
) -> None:
    before = connections(calm)
    client = create(address_of(calm))
    await client.ping()
    assert connections(calm) > before
    await client.aclose()
    await asyncio.to_thread(wait_until, lambda: connections(calm) == before)


def test_nor_does_rqs(calm: SentinelDeployment) -> None:
    before = connections(calm)
    client = create_rq_redis(address_of(calm))
    client.ping()
    assert connections(calm) > before
    client.close()
    wait_until(lambda: connections(calm) == before)


def connections(deployment: SentinelDeployment) -> int:
    """How many ordinary clients the primary and the Sentinels have, less the one that asks."""
    ports = [deployment.primary.port, *(sentinel.port for sentinel in deployment.sentinels)]
    found = 0
    for port in ports:
        with redis.Redis(port=port) as client:
            listed: Any = client.client_list(_type="normal")
            found += sum(each["cmd"] != "client|list" for each in listed)
    return found


async def test_sentinels_that_are_silent_or_away_are_asked_once_and_then_the_next(
    calm: SentinelDeployment,
) -> None:
    address = address_of(calm)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        dead = silent.getsockname()
        theirs = RedisAddress(NOWHERE, (dead, ("127.0.0.1", 1), *address.sentinels), MASTER)
        async with create_intake_redis(theirs, connect_timeout_s=0.5) as client:
            assert await client.ping()
        silent.settimeout(0)
        silent.accept()[0].close()
        with pytest.raises(BlockingIOError):
            silent.accept()


async def test_a_name_that_no_sentinel_knows_is_said_without_a_list_of_clients(
    calm: SentinelDeployment,
) -> None:
    address = RedisAddress(NOWHERE, address_of(calm).sentinels, "other")
    async with create_bounded_redis(address, timeout_s=1.0) as client:
        with pytest.raises(redis.ConnectionError) as raised:
            await client.ping()
    assert str(raised.value) == "no Sentinel knows a primary that is up under the name other"


@pytest.mark.parametrize("password", ["canary", "wrong"])
async def test_sentinels_with_a_password_are_asked_with_it(
    calm: SentinelDeployment, password: str
) -> None:
    address = RedisAddress(NOWHERE, address_of(calm).sentinels[:1], MASTER, password)
    with redis.Redis(port=calm.sentinels[0].port) as sentinel:
        sentinel.acl_setuser("default", enabled=True, passwords=["+canary"])
        try:
            async with create_bounded_redis(address, timeout_s=1.0) as client:
                if password == "canary":
                    assert await client.ping()
                else:
                    with pytest.raises(redis.ConnectionError):
                        await client.ping()
        finally:
            sentinel.acl_setuser("default", enabled=True, nopass=True)


# TLS, which the servers of these tests don't speak ------------------------------------------


@contextmanager
def over_tls(deployment: SentinelDeployment, certificate: Certificate) -> Iterator[RedisAddress]:
    """All servers and Sentinels behind TLS; the Sentinels name the servers' encrypted ports."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate.server)
    with ExitStack() as stack:
        renamed: dict[bytes, bytes] = {}
        for server in deployment.servers:
            front = stack.enter_context(tls_front(server.port, context, {}))
            renamed[b"%d" % server.port] = b"%d" % front
        sentinels = [
            stack.enter_context(tls_front(sentinel.port, context, renamed))
            for sentinel in deployment.sentinels
        ]
        url = f"rediss://nowhere.invalid:1/0?ssl_ca_certs={certificate.server}"
        yield RedisAddress(url, tuple(("127.0.0.1", port) for port in sentinels), MASTER)


@contextmanager
def tls_front(port: int, context: ssl.SSLContext, renamed: dict[bytes, bytes]) -> Iterator[int]:
    """A port where a server of this machine is reached over TLS."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve(accepted: socket.socket) -> None:
            with (
                suppress(OSError),
                context.wrap_socket(accepted, server_side=True) as near,
                socket.create_connection(("127.0.0.1", port)) as far,
            ):
                back = threading.Thread(target=pump, args=(far, near, renamed), daemon=True)
                back.start()
                pump(near, far, {})
                back.join()

        def accept() -> None:
            with suppress(OSError):
                while True:
                    accepted, _ = listener.accept()
                    threading.Thread(target=serve, args=(accepted,), daemon=True).start()

        threading.Thread(target=accept, daemon=True).start()
        yield listener.getsockname()[1]
        with suppress(OSError):
            listener.shutdown(socket.SHUT_RDWR)


def pump(source: socket.socket, sink: socket.socket, renamed: dict[bytes, bytes]) -> None:
    """Carry bytes until either side is closed, and close the other."""
    with suppress(OSError):
        while data := source.recv(65536):
            for old, new in renamed.items():
                data = data.replace(old, new)
            sink.sendall(data)
    for each in (source, sink):
        with suppress(OSError):
            each.shutdown(socket.SHUT_RDWR)
