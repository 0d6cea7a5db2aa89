"""The gateway as a process, on a real server that goes away, hangs or is full."""

import json
import os
import re
import signal
import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest
import redis

from dingda.shared.texts import BUSY
from dingda.simulator.testing.processes import free_port
from tests.support.builders import KEYS, a_callback
from tests.support.processes import (
    SECRET,
    Process,
    Valkey,
    gateway,
    post_callback,
    process,
    signed,
    valkey,
    wait_until,
)

STORED = {"msgtype": "empty"}
SAID_BUSY = {"msgtype": "text", "text": {"content": BUSY}}


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Valkey]:
    with valkey(tmp_path) as server:
        yield server


def say(address: str, msg_id: str = "1") -> tuple[object, float]:
    """Send a message; returns the acknowledgement and the seconds that it took."""
    began = time.monotonic()
    response = post_callback(address, a_callback(msgId=msg_id))
    return response.json(), time.monotonic() - began


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSTOP], ids=["away", "hung"])
def test_the_sender_hears_within_a_second_that_redis_is(server: Valkey, number: int) -> None:
    with gateway(server.url) as (_, address):
        assert say(address)[0] == STORED
        server.signal(number)
        acknowledgement, took_s = say(address, "2")
    assert acknowledgement == SAID_BUSY
    assert took_s < 1.0


def test_everybody_hears_within_a_second_that_redis_hangs(server: Valkey) -> None:
    with gateway(server.url) as (_, address), ThreadPoolExecutor(30) as senders:
        say(address)
        server.signal(signal.SIGSTOP)
        heard = list(senders.map(lambda number: say(address, f"m{number}"), range(30)))
    assert all(acknowledgement == SAID_BUSY for acknowledgement, _ in heard)
    # Thirty threads take some time of their own.
    assert max(took_s for _, took_s in heard) < 1.5


def test_it_stores_again_as_soon_as_redis_is_back(server: Valkey) -> None:
    with gateway(server.url) as (_, address):
        say(address)
        server.signal(signal.SIGSTOP)
        say(address, "2")
        server.signal(signal.SIGCONT)
        wait_until(lambda: say(address, "3")[0] == STORED, within_s=5)


def test_a_restarted_redis_costs_nobody_an_answer(server: Valkey) -> None:
    with gateway(server.url) as (_, address):
        say(address)
        server.kill()
        server.start()
        assert say(address, "2")[0] == STORED


def test_a_full_redis_is_said_and_nothing_half_written(tmp_path: Path) -> None:
    with (
        valkey(tmp_path, maxmemory="6mb", **{"maxmemory-policy": "noeviction"}) as server,
        gateway(server.url) as (_, address),
        redis.Redis.from_url(server.url) as client,
    ):
        say(address)
        keys = set(client.keys())
        client.config_set("maxmemory", 1)
        assert say(address, "2")[0] == SAID_BUSY
        assert set(client.keys()) == keys
        client.config_set("maxmemory", "6mb")
        assert say(address, "2")[0] == STORED


@pytest.mark.parametrize(
    ("commands", "error"),
    [
        (["set rq:queue:dingda x"], "ResponseError"),
        ([f"set {KEYS.count} x"], "ResponseError"),
        ([f"set {KEYS.resting} x"], "ResponseError"),
        (["replicaof 127.0.0.1 1"], "OutageError"),
        (["config set requirepass x", "client kill type normal skipme yes"], "ResponseError"),
        (["config set maxmemory 1"], "OutOfMemoryError"),
        (["config set min-replicas-to-write 1"], "OutageError"),
    ],
    ids=["queue", "count", "resting", "read-only", "password", "full", "no replicas"],
)
def test_an_odd_answer_of_redis_is_said_at_once_and_operators_read_it(
    server: Valkey, commands: list[str], error: str
) -> None:
    with gateway(server.url) as (hears, address), redis.Redis.from_url(server.url) as client:
        ready = address.replace("/dd_robot/", "/readyz")
        assert httpx.get(ready).json() == {"ready": True, "redis": "stores"}
        assert say(address)[0] == STORED
        for key in ("rq:queue:dingda", KEYS.count, KEYS.resting):
            if f"set {key} x" in commands:
                client.delete(key)
        for command in commands:
            client.execute_command(*command.split())
        acknowledgement, took_s = say(address, "2")
        answer = httpx.get(ready)
        # It is ready all the same: senders hear from it that the bot is busy.
        assert (acknowledgement, answer.status_code) == (SAID_BUSY, 200)
        assert error in answer.json()["redis"]
        assert took_s < 1.0
        assert "Traceback" not in hears.output


def test_a_callback_that_needs_no_answer_does_not_wait_for_a_redis_that_hangs(
    server: Valkey,
) -> None:
    with gateway(server.url) as (_, address), ThreadPoolExecutor(60) as senders:
        say(address)
        server.signal(signal.SIGSTOP)

        def ignored(number: int) -> float:
            began = time.monotonic()
            body = a_callback(msgId=f"m{number}", senderId="$:LWCP_v1:$bot")  # its own
            response = post_callback(address, body)
            assert response.json() == STORED
            return time.monotonic() - began

        assert max(senders.map(ignored, range(60))) < 3.0


def test_a_body_that_does_not_arrive_is_408_and_the_line_is_closed(server: Valkey) -> None:
    with gateway(server.url) as (_, address):
        url = urlsplit(address)
        headers = "".join(f"{name}: {value}\r\n" for name, value in signed().items())
        request = f"POST {url.path} HTTP/1.1\r\nhost: x\r\n{headers}content-length: 100\r\n\r\n{{"
        with socket.create_connection((str(url.hostname), int(url.port or 0)), 10) as line:
            line.sendall(request.encode())
            answer = b"".join(iter(lambda: line.recv(4096), b""))
    assert answer.startswith(b"HTTP/1.1 408")
    assert json.loads(answer.partition(b"\r\n\r\n")[2])["error"] == "slow"


def test_several_processes_share_the_port_and_the_ledger(server: Valkey) -> None:
    with gateway(server.url, DINGDA_GATEWAY_PROCESSES="2") as (hears, address):
        wait_until(lambda: _answers(address))
        for number in range(20):
            assert say(address, f"m{number % 10}")[0] == STORED
        with redis.Redis.from_url(server.url) as client:
            assert client.hget(KEYS.count, "accepted") == b"10"
        assert hears.stop() == 0


def test_children_of_a_killed_gateway_end_and_the_port_is_free_again(server: Valkey) -> None:
    with gateway(server.url, DINGDA_GATEWAY_PROCESSES="3") as (hears, address):
        wait_until(lambda: _answers(address))
        idle = socket.create_connection(("127.0.0.1", httpx.URL(address).port or 0))
        hears.kill()
        # One child that ends is not enough: the others have the port until they do.
        wait_until(lambda: _is_refused(address), within_s=15)
        idle.close()
        port = str(httpx.URL(address).port)
        env = {"DINGDA_APP_SECRET": SECRET, "DINGDA_REDIS_URL": server.url, "DINGDA_PORT": port}
        with process("-m", "gateway", env=env) as again:
            again.wait_for("listening on")
            assert say(address)[0] == STORED
        assert "ends too" in hears.output
        assert "Traceback" not in hears.output


def test_a_child_that_is_killed_is_replaced(server: Valkey) -> None:
    with gateway(server.url, DINGDA_GATEWAY_PROCESSES="2") as (hears, address):
        wait_until(lambda: _answers(address))
        killed = _children(hears)
        os.kill(killed[0], signal.SIGKILL)
        wait_until(lambda: len(set(_children(hears)) - set(killed)) == 1)
        wait_until(lambda: _answers(address))
        assert hears.stop() == 0


def _children(hears: Process) -> list[int]:
    """The processes that serve; Python's own tracker of resources is none of them."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            parent = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
            if parent == hears.popen.pid and b"spawn_main" in (folder / "cmdline").read_bytes():
                found.append(int(folder.name))
    return found


def _answers(address: str) -> bool:
    try:
        return httpx.get(address.replace("/dd_robot/", "/readyz")).status_code == 200
    except httpx.TransportError:
        return False


def _is_refused(address: str) -> bool:
    try:
        httpx.get(address)
    except httpx.TransportError as error:
        return isinstance(error, httpx.ConnectError)
    return False


def test_sigterm_ends_it_quietly(server: Valkey) -> None:
    with gateway(server.url) as (hears, address):
        say(address)
        # uvicorn shuts down, and then lets the signal have its usual effect.
        assert hears.stop() == -signal.SIGTERM
    assert "Traceback" not in hears.output


def test_a_taken_port_is_named_with_what_to_do() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        hears = _started(DINGDA_APP_SECRET=SECRET, DINGDA_PORT=str(port))
    assert re.search(rf"cannot listen on 127\.0\.0\.1:{port}.*DINGDA_PORT", hears.output)
    assert "Traceback" not in hears.output


def test_without_a_secret_it_does_not_start_and_says_where_to_find_one() -> None:
    hears = _started(DINGDA_PORT=str(free_port()))
    assert "DINGDA_APP_SECRET is not set" in hears.output
    assert "Client Secret" in hears.output


def test_a_wrong_setting_is_named_without_its_value() -> None:
    hears = _started(DINGDA_APP_SECRET=SECRET, DINGDA_PORT="canary")
    assert "DINGDA_PORT" in hears.output
    assert "canary" not in hears.output
    assert SECRET not in hears.output


def _started(**env: str) -> Process:
    """Start a gateway that is expected to give up at once with status 2."""
    with process("-m", "gateway", env=env) as hears:
        assert hears.popen.wait(20) == 2
        return hears
