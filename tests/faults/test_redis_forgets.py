"""A Redis that has lost what it knew of a worker, wholly or in part, as real processes find it."""

import json
import signal
import socket
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from redis import Redis

from tests.faults.conftest import Figure
from tests.faults.environment import FaultEnvironment
from tests.support.processes import process, wait_until

REGISTERED_WITHIN_S = 15.0
SETS = ("rq:workers", "rq:workers:dingda")


def everything(client: Redis, _: str) -> None:
    client.flushall()


def both_sets(client: Redis, _: str) -> None:
    client.delete(*SETS)


def the_queues_set(client: Redis, _: str) -> None:
    client.delete("rq:workers:dingda")


def the_hash(client: Redis, key: str) -> None:
    client.delete(key)


def the_state(client: Redis, key: str) -> None:
    client.hdel(key, "state")


def worker_key(client: Redis) -> str:
    (key,) = wait_until(lambda: client.smembers("rq:workers"))
    return str(key)


def is_known(client: Redis, key: str) -> bool:
    listed = all(client.sismember(each, key) for each in SETS)
    facts: Any = client.hmget(key, "birth", "queues", "hostname", "state")
    return listed and all(facts)


def output_of(env: FaultEnvironment, *command: str) -> str:
    settings = {"DINGDA_REDIS_URL": env.server.url}
    with process("-m", *command, env=settings) as run:
        run.popen.wait(20)
        run._reader.join()
        return run.output


def expect_to_be_known(env: FaultEnvironment, client: Redis, key: str) -> float:
    """Wait until RQ knows the worker again, and see what operators see; returns the seconds."""
    took_s = env.took_s(lambda: is_known(client, key), within_s=REGISTERED_WITHIN_S)
    assert client.hget(key, "state") == "idle"
    info = output_of(env, "rq.cli", "info", "-u", env.server.url)
    assert "1 workers, 1 queues" in info
    assert f"{key.removeprefix('rq:worker:')} " in info
    assert json.loads(output_of(env, "worker", "status", "--json"))["workers"] == 1
    return took_s


@pytest.mark.slow
@pytest.mark.fault("F48")
@pytest.mark.timeout(180)
@pytest.mark.parametrize("forget", [everything, both_sets, the_queues_set, the_hash, the_state])
def test_a_worker_that_redis_has_forgotten_is_registered_again(
    env: FaultEnvironment, figure: Figure, forget: Callable[[Redis, str], None]
) -> None:
    with env.worker(), env.server.client() as client:
        key = worker_key(client)
        wait_until(lambda: client.hget(key, "state") == "idle")
        time.sleep(2)  # what takes jobs beats in between, and writes a part of the hash again
        forget(client, key)
        client.sadd("rq:queues", "rq:queue:dingda")  # as the next message does
        took_s = expect_to_be_known(env, client, key)
        env.accept("text")
        env.wait_for_state("answered")
    figure(f"forgotten: {forget.__name__.replace('_', ' ')}, registered after", f"{took_s:.0f} s")


@pytest.mark.slow
@pytest.mark.fault("F48")
@pytest.mark.timeout(180)
def test_a_worker_that_was_cleaned_away_while_it_was_frozen_is_registered_again(
    env: FaultEnvironment,
) -> None:
    with env.worker() as frozen, env.server.client() as client:
        key = worker_key(client)
        frozen.freeze()
        client.delete(key)
        for each in SETS:
            client.srem(each, key)
        client.sadd("rq:queues", "rq:queue:dingda")
        frozen.thaw()
        expect_to_be_known(env, client, key)


@pytest.mark.fault("F48")
def test_a_health_check_tells_a_worker_that_works_from_one_that_is_gone(
    env: FaultEnvironment,
) -> None:
    def check() -> int:
        settings = {"DINGDA_REDIS_URL": env.server.url}
        with process("-m", "worker", "alive", env=settings) as run:
            return run.popen.wait(20)

    assert check() == 1
    with env.worker() as works:
        assert check() == 0
        works.stop()
    assert check() == 1


@pytest.mark.slow
@pytest.mark.fault("F39")
def test_systemd_hears_of_a_worker_until_its_loop_is_blocked(
    env: FaultEnvironment, tmp_path: Path
) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(str(tmp_path / "notify"))
        systemd.settimeout(5)
        with env.worker(NOTIFY_SOCKET=str(tmp_path / "notify")) as works:
            assert all(hears(systemd) for _ in range(3))
            env.accept("堵路 10")
            systemd.settimeout(4)
            assert not all(hears(systemd) for _ in range(10))
            systemd.settimeout(20)
            assert hears(systemd)  # it goes on, and so do they
            assert works.stop(signal.SIGTERM) == 0


def hears(systemd: socket.socket) -> bool:
    """Whether the worker says that it works; it has said once that it takes jobs."""
    with suppress(TimeoutError):
        while (state := systemd.recv(100)) == b"READY=1":
            pass
        return state == b"WATCHDOG=1"
    return False
