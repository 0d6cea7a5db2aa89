"""Two robots behind one gateway, on real processes: each is spoken to with its own secret alone."""

import json
import signal
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import httpx
import pytest

from dingda.simulator.testing.processes import free_port
from tests.support.builders import a_callback
from tests.support.processes import (
    Process,
    Valkey,
    gateway,
    post_callback,
    signed,
    valkey,
    wait_until,
)

STORED = {"msgtype": "empty"}
SALES, STAFF, NEW_STAFF = "canary-of-sales", "canary-of-staff", "new-canary-of-staff"


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Valkey]:
    with valkey(tmp_path) as server:
        yield server


@pytest.fixture
def robots(tmp_path: Path) -> Path:
    """The file of two robots; the secret of one is in a file of its own."""
    secret = tmp_path / "staff"
    secret.write_text(f"{STAFF}\n")
    file = tmp_path / "robots.toml"
    file.write_text(
        f'[[robot]]\nname = "小钉"\ncode = "dingsales"\nsecret = "{SALES}"\n'
        f'[[robot]]\ncode = "dingstaff"\nsecret_file = "{secret}"\n',
        "utf-8",
    )
    return file


def say(address: str, secret: str, code: str) -> httpx.Response:
    body = a_callback(robotCode=code, msgId=f"{secret} {code}")
    return post_callback(address, body, headers=signed(secret=secret))


def stored_codes(server: Valkey) -> list[str]:
    with server.client() as client:
        payloads = [client.hget(key, "payload") for key in client.scan_iter("dingda:message:*")]
    return sorted(json.loads(str(payload))["robotCode"] for payload in payloads)


def started(
    server: Valkey, robots: Path, **settings: str
) -> AbstractContextManager[tuple[Process, str]]:
    """A gateway for these robots, and the address of its callback."""
    settings |= {"DINGDA_APP_SECRET": "", "DINGDA_ROBOTS": str(robots)}
    return gateway(server.url, **settings)


def test_right_pairs_are_stored_and_wrong_pairs_are_refused_and_counted(
    server: Valkey, robots: Path
) -> None:
    port = free_port()
    with started(server, robots, DINGDA_METRICS_PORT=str(port)) as (running, address):
        for secret, code in ((SALES, "dingsales"), (STAFF, "dingstaff"), (STAFF, "normal")):
            assert say(address, secret, code).json() == STORED
        for secret, code in ((SALES, "dingstaff"), (STAFF, "dingsales"), (SALES, "nobodys")):
            assert say(address, secret, code).status_code == 403
        metrics = httpx.get(f"http://127.0.0.1:{port}/metrics").text
        refused = 'dingda_callback_duration_seconds_count{outcome="misdirected"} 3.0'
        assert refused in metrics
        assert 'dingda_robot_messages_total{robot="小钉"} 1.0' in metrics
        assert 'dingda_robot_messages_total{robot="dingstaff"} 2.0' in metrics
        assert stored_codes(server) == ["dingsales", "dingstaff", "dingstaff"]
        assert "its robotCode is another's" in running.output
        assert "canary-of" not in running.output + metrics


def test_a_secret_is_rotated_by_a_reload_of_the_file(server: Valkey, robots: Path) -> None:
    with started(server, robots) as (running, address):
        assert say(address, NEW_STAFF, "dingstaff").status_code == 401
        (robots.parent / "staff").write_text(f"{NEW_STAFF},{STAFF}")
        reload(running)
        wait_until(lambda: say(address, NEW_STAFF, "dingstaff").json() == STORED)
        assert say(address, STAFF, "dingstaff").json() == STORED


def test_a_file_that_is_wrong_by_then_keeps_the_old_gateway_going(
    server: Valkey, robots: Path
) -> None:
    with started(server, robots) as (running, address):
        robots.write_text("[[robot]]\nsercet = 'canary-of-staff'\n")
        reload(running)
        running.wait_for("DINGDA_ROBOTS: robot 1: sercet is no key: did you mean secret?")
        assert say(address, SALES, "dingsales").json() == STORED
        assert "canary" not in running.output


def reload(running: Process) -> None:
    running.popen.send_signal(signal.SIGHUP)
