"""A module of skills that can't be loaded is seen everywhere, and leaves the others working."""

import json
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from dingda.simulator.testing.processes import free_port
from tests.support.builders import a_callback
from tests.support.processes import (
    SessionWebhook,
    Valkey,
    gateway,
    post_callback,
    process,
    valkey,
    wait_until,
    worker,
)

MISSING = "acme.nowhere (ModuleNotFoundError)"
SKILLS = "acme.nowhere,dingda.worker.skills.demo"


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Valkey]:
    with valkey(tmp_path) as server:
        yield server


@pytest.fixture
def webhook() -> Iterator[SessionWebhook]:
    with SessionWebhook() as webhook:
        yield webhook


def run(*command: str, server: Valkey) -> tuple[int, str]:
    env = {"DINGDA_REDIS_URL": server.url, "DINGDA_SKILLS": SKILLS}
    with process("-m", "dingda", *command, env=env | {"DINGDA_APP_SECRET": "s" * 64}) as ran:
        return ran.wait(within_s=60), ran.output


@pytest.mark.parametrize("no_workers", ["notice", "wait"])
def test_it_is_named_by_the_workers_and_the_gateways_readiness_and_by_status(
    server: Valkey, webhook: SessionWebhook, no_workers: str
) -> None:
    port = free_port()
    settings = {"DINGDA_SKILLS": SKILLS, "DINGDA_METRICS_PORT": str(port)}
    with (
        worker(server.url, webhook.origin, **settings),
        gateway(server.url, DINGDA_NO_WORKERS=no_workers) as (_, address),
    ):
        of_worker = httpx.get(f"http://127.0.0.1:{port}/readyz")
        assert (of_worker.status_code, of_worker.json()["skills_missing"]) == (200, [MISSING])
        of_gateway = address.replace("/dd_robot/", "/readyz")
        wait_until(lambda: httpx.get(of_gateway).json().get("skills_missing") == [MISSING])
        assert httpx.get(of_gateway).status_code == 200
        assert f"cannot load: {MISSING}" in run("status", server=server)[1]
        post_callback(address, a_callback("text", sessionWebhook=webhook.url()))
        webhook.wait_for(1)


def test_a_check_ends_with_status_1_and_says_why(server: Valkey) -> None:
    status, output = run("check", server=server)
    assert status == 1
    assert "acme.nowhere cannot be loaded: ModuleNotFoundError: No module named 'acme'" in output


def test_a_check_as_json_names_it_too(server: Valkey) -> None:
    status, output = run("check", "--json", server=server)
    (finding,) = [each for each in json.loads(output) if each["name"] == "skills"]
    assert (status, finding["severity"]) == (1, "danger")
