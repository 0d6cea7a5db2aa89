"""systemd takes the units of `deploy/`, which keep what they promise and give little away."""

import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from dingda.simulator.testing.processes import free_port
from tests.support.builders import a_callback
from tests.support.processes import (
    ROOT,
    SECRET,
    Valkey,
    post_callback,
    process,
    valkey,
)

DEPLOY = ROOT / "deploy"
SERVICES = ("dingda-gateway.service", "dingda-worker@.service", "dingda-stream@.service")
MOST_EXPOSED = 15
"""Tenths: of `systemd-analyze security`, where 100 is everything. It was 47 without hardening."""
HARDENED = {
    "CapabilityBoundingSet": "",
    "DynamicUser": "yes",
    "LockPersonality": "yes",
    "NoNewPrivileges": "yes",
    "PrivateDevices": "yes",
    "PrivateTmp": "yes",
    "PrivateUsers": "yes",
    "ProtectClock": "yes",
    "ProtectControlGroups": "yes",
    "ProtectHome": "yes",
    "ProtectHostname": "yes",
    "ProtectKernelLogs": "yes",
    "ProtectKernelModules": "yes",
    "ProtectKernelTunables": "yes",
    "ProtectProc": "invisible",
    "ProtectSystem": "strict",
    "RestrictAddressFamilies": "AF_INET AF_INET6 AF_UNIX",
    "RestrictNamespaces": "yes",
    "RestrictRealtime": "yes",
    "RestrictSUIDSGID": "yes",
    "SystemCallArchitectures": "native",
    "UMask": "0077",
}
needs_analyze = pytest.mark.skipif(
    not shutil.which("systemd-analyze"), reason="needs systemd-analyze"
)
needs_activate = pytest.mark.skipif(
    not shutil.which("systemd-socket-activate"), reason="needs systemd-socket-activate"
)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Valkey]:
    with valkey(tmp_path) as server:
        yield server


def directives(name: str) -> dict[str, list[str]]:
    """What a unit sets; some may be set several times."""
    found: dict[str, list[str]] = {}
    for line in (DEPLOY / name).read_text("utf-8").splitlines():
        key, equals, value = line.partition("=")
        if equals and not line.startswith(("#", "[")):
            found.setdefault(key, []).append(value)
    return found


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_may_do_little(name: str) -> None:
    found = directives(name)
    assert {key: found.get(key) for key in HARDENED} == {k: [v] for k, v in HARDENED.items()}
    assert found["SystemCallFilter"] == ["@system-service", "~@privileged"]


@pytest.mark.parametrize(("name", "stops_s"), [*zip(SERVICES, (5, 45, 5), strict=True)])
def test_a_service_says_that_it_works_reloads_and_has_time_to_end(name: str, stops_s: int) -> None:
    found = directives(name)
    assert (found["Type"], found["NotifyAccess"]) == (["notify"], ["main"])
    assert int(found["WatchdogSec"][0]) >= 30
    assert found["ExecReload"] == ["/bin/kill -HUP $MAINPID"]
    assert found["Restart"] == ["always"]
    assert found["KillMode"] == ["mixed"]
    assert int(found["TimeoutStopSec"][0]) >= stops_s + 10


def test_the_gateways_socket_is_one_tcp_port_and_is_there_before_it() -> None:
    assert directives("dingda-gateway.socket")["ListenStream"] == ["127.0.0.1:8000"]
    service = directives("dingda-gateway.service")
    assert service["Requires"] == ["dingda-gateway.socket"]
    assert "dingda-gateway.socket" in service["After"][0].split()


@needs_analyze
def test_systemd_finds_nothing_amiss_in_them(tmp_path: Path) -> None:
    for unit in (*SERVICES, "dingda-gateway.socket"):
        text = (DEPLOY / unit).read_text("utf-8")
        (tmp_path / unit).write_text(text.replace("/opt/dingda/.venv/bin/dingda", "/bin/true"))
    done = analyze("verify", "--man=no", *sorted(map(str, tmp_path.iterdir())))
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


@needs_analyze
@pytest.mark.parametrize("name", SERVICES)
def test_systemd_counts_little_that_is_exposed(name: str) -> None:
    options = ("--offline=true", "--no-pager", f"--threshold={MOST_EXPOSED}")
    done = analyze("security", *options, str(DEPLOY / name))
    assert done.returncode == 0, done.stdout


def analyze(*arguments: str) -> "subprocess.CompletedProcess[str]":
    command = [str(shutil.which("systemd-analyze")), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


# Socket activation --------------------------------------------------------------------------


def test_the_gateway_takes_the_socket_that_systemd_listens_on(server: Valkey) -> None:
    settings = {"DINGDA_APP_SECRET": SECRET, "DINGDA_REDIS_URL": server.url}
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        with process("-m", "gateway", env=settings, listener=listener) as hears:
            hears.wait_for(f"listening on http://127.0.0.1:{port}/")
            response = post_callback(f"http://127.0.0.1:{port}/dd_robot/", a_callback())
    assert response.json() == {"msgtype": "empty"}


@needs_activate
def test_systemd_starts_the_gateway_with_the_first_connection(server: Valkey) -> None:
    port = free_port()
    settings = {"DINGDA_APP_SECRET": SECRET, "DINGDA_REDIS_URL": server.url}
    passed = (f"--setenv={name}" for name in ("PYTHONPATH", "PYTHONUNBUFFERED", *settings))
    activate = ("systemd-socket-activate", f"--listen=127.0.0.1:{port}", *passed)
    with process("-c", _BECOME, *activate, sys.executable, "-m", "gateway", env=settings) as hears:
        hears.wait_for("Listening on")
        response = post_callback(f"http://127.0.0.1:{port}/dd_robot/", a_callback(), timeout_s=60)
        assert response.json() == {"msgtype": "empty"}
        assert hears.output.count("listening on http://") == 1


_BECOME = "import os, sys; os.execvp(sys.argv[1], sys.argv[1:])"
