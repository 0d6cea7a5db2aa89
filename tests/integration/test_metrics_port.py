"""The port of a process's metrics: taken, shared by the gateway's processes, kept over a reload."""

import re
import signal
import socket
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import httpx
import pytest

from dingda.simulator.testing.processes import free_port
from tests.support.builders import a_callback
from tests.support.processes import (
    SECRET,
    Process,
    Valkey,
    gateway,
    post_callback,
    process,
    valkey,
    wait_until,
    worker,
)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Valkey]:
    with valkey(tmp_path) as server:
        yield server


def stored(port: int) -> int | None:
    """How many callbacks the gateway says that it has stored; None if it does not say."""
    try:
        text = httpx.get(f"http://127.0.0.1:{port}/metrics").text
    except httpx.TransportError:
        return None
    found = re.search(r'duration_seconds_count\{outcome="stored"\} (\d+)', text)
    return int(found[1]) if found else None


def reload(hears: Process) -> None:
    """Have a gateway started again, and wait until it serves."""
    serves = hears.output.count("listening on")
    hears.popen.send_signal(signal.SIGHUP)
    # The stand-by says so first, and then the gateway itself.
    wait_until(lambda: hears.output.count("listening on") == serves + 2, within_s=60)


@pytest.mark.parametrize("processes", ["1", "2"])
def test_a_reload_keeps_the_port_and_begins_to_count_again(server: Valkey, processes: str) -> None:
    port = free_port()
    settings = {"DINGDA_METRICS_PORT": str(port), "DINGDA_GATEWAY_PROCESSES": processes}
    with gateway(server.url, **settings) as (hears, address):
        wait_until(lambda: answers(address))
        post_callback(address, a_callback(msgId="1"))
        assert stored(port) == 1
        reload(hears)
        wait_until(lambda: stored(port) == 0)
        # What the stand-by takes for a moment longer is not counted.
        numbers = map(str, count(2))
        wait_until(lambda: send(address, next(numbers)) and stored(port))


def send(address: str, msg_id: str) -> bool:
    return post_callback(address, a_callback(msgId=msg_id)).status_code == 200


def answers(address: str) -> bool:
    try:
        return httpx.get(address).status_code == 200
    except httpx.TransportError:
        return False


def test_a_gateway_that_starts_names_a_port_that_is_taken(server: Valkey) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        env = {"DINGDA_APP_SECRET": SECRET, "DINGDA_REDIS_URL": server.url}
        with process("-m", "gateway", env=env | {"DINGDA_METRICS_PORT": port}) as hears:
            assert hears.popen.wait(20) == 2
    assert f"cannot listen on 127.0.0.1:{port}" in hears.output
    assert "DINGDA_METRICS_PORT" in hears.output


def test_a_gateway_that_reloads_goes_on_without_a_port_that_is_taken(
    server: Valkey, tmp_path: Path
) -> None:
    (tmp_path / ".env").write_text("DINGDA_METRICS_PORT=0\n")
    env = {
        "DINGDA_APP_SECRET": SECRET,
        "DINGDA_REDIS_URL": server.url,
        "DINGDA_PORT": str(free_port()),
    }
    address = f"http://127.0.0.1:{env['DINGDA_PORT']}/dd_robot/"
    with (
        process("-m", "dingda.gateway", env=env, cwd=tmp_path) as hears,
        socket.create_server(("127.0.0.1", 0)) as taken,
    ):
        hears.wait_for("listening on", within_s=60)
        (tmp_path / ".env").write_text(f"DINGDA_METRICS_PORT={taken.getsockname()[1]}\n")
        reload(hears)
        hears.wait_for("there are no metrics from here on: cannot listen on")
        wait_until(lambda: answers(address))
        assert post_callback(address, a_callback()).json() == {"msgtype": "empty"}


def test_a_worker_names_a_port_that_is_taken(server: Valkey) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        env = {"DINGDA_REDIS_URL": server.url, "DINGDA_METRICS_PORT": port}
        with process("-m", "worker", env=env) as answering:
            assert answering.popen.wait(60) == 2
    assert f"cannot listen on 127.0.0.1:{port}" in answering.output


def test_a_worker_that_ends_is_not_ready_any_more(server: Valkey) -> None:
    port = free_port()
    with worker(server.url, DINGDA_METRICS_PORT=str(port)) as answering:
        assert httpx.get(f"http://127.0.0.1:{port}/readyz").status_code == 200
        assert answering.stop() == 0
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"http://127.0.0.1:{port}/readyz")


@pytest.mark.slow
def test_a_worker_whose_loop_is_blocked_is_not_alive(server: Valkey, tmp_path: Path) -> None:
    """`/metrics` still answers: it is not served by the loop."""
    (tmp_path / "blocking.py").write_text(
        "import time\n"
        "from dingda.skill import Skill\n"
        "skill = Skill('blocking', summary='x')\n"
        "@skill.command('block')\n"
        "async def block() -> str:\n"
        "    time.sleep(6)\n"
        "    return 'done'\n"
    )
    port = free_port()
    settings = {"DINGDA_METRICS_PORT": str(port), "DINGDA_SKILLS": "blocking"}
    path = f"{tmp_path}:{Path(__file__).parents[2]}"
    with (
        gateway(server.url) as (_, address),
        worker(server.url, **settings, PYTHONPATH=path),
    ):
        post_callback(address, a_callback("block"))
        wait_until(lambda: httpx.get(f"http://127.0.0.1:{port}/healthz").status_code == 503)
        assert httpx.get(f"http://127.0.0.1:{port}/metrics").status_code == 200
        wait_until(lambda: httpx.get(f"http://127.0.0.1:{port}/healthz").status_code == 200)
