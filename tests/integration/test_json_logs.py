"""`DINGDA_LOG_FORMAT=json`: whatever our processes write to their log is an object a line."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from dingda.simulator.testing.processes import free_port
from tests.support.builders import a_callback, a_message
from tests.support.processes import (
    SECRET,
    Process,
    SessionWebhook,
    Valkey,
    gateway,
    post_callback,
    process,
    valkey,
    worker,
)

JSON = {"DINGDA_LOG_FORMAT": "json", "DINGDA_LOG_LEVEL": "DEBUG"}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Valkey]:
    with valkey(tmp_path_factory.mktemp("valkey")) as server:
        yield server


def lines(written: Process) -> list[dict[str, Any]]:
    return [json.loads(line) for line in written.output.splitlines()]


@pytest.mark.parametrize("processes", ["1", "2"])
def test_a_gateway_writes_objects_from_its_start_to_its_end(server: Valkey, processes: str) -> None:
    with gateway(server.url, DINGDA_GATEWAY_PROCESSES=processes, **JSON) as (hears, address):
        post_callback(address, b"{")
        hears.wait_for("rejected")
        hears.stop()
    assert {line["severity"] for line in lines(hears)} >= {"INFO", "WARNING"}


def test_a_worker_writes_objects_that_name_its_messages(server: Valkey) -> None:
    with (
        SessionWebhook() as webhook,
        gateway(server.url, **JSON) as (_, address),
        worker(
            server.url, webhook.origin, DINGDA_SKILLS="tests.faults.bad_skill", **JSON
        ) as answers,
    ):
        body = {"sessionWebhook": webhook.url(), "msgId": "a-message"}
        post_callback(address, a_callback("打断", **body))
        webhook.wait_for(1)
        answers.wait_for("KeyboardInterrupt in the skill")
        answers.stop()
    message = a_message("打断", **body)
    (failed,) = [line for line in lines(answers) if "skill bad failed" in line["message"]]
    assert failed["message_id"] == message.id
    assert failed["skill"] == "bad"
    assert failed["error.type"] == "AbortedError"
    assert "caused by KeyboardInterrupt" in failed["stack"]
    assert "bad_skill.py" in failed["stack"]
    assert len({line["worker"] for line in lines(answers) if "worker" in line}) == 1


def test_a_simulator_writes_objects(server: Valkey) -> None:
    env = {"DINGDA_SIMULATOR_PORT": str(free_port()), "DINGDA_APP_SECRET": SECRET}
    with process("-m", "simulator", env=env | JSON | {"DINGDA_REDIS_URL": server.url}) as plays:
        plays.wait_for("http://127.0.0.1")
        plays.stop()
    assert lines(plays)


@pytest.mark.parametrize(
    ("command", "env"),
    [
        (["-m", "gateway"], {"DINGDA_APP_SECRET": ""}),
        (["-m", "worker"], {"DINGDA_PORT": "many"}),
        (["-m", "worker", "status"], {"DINGDA_REDIS_URL": "redis://127.0.0.1:1/0"}),
    ],
)
def test_a_process_that_cannot_start_says_why_in_an_object(
    command: list[str], env: dict[str, str]
) -> None:
    with process(*command, env=JSON | env) as started:
        started.popen.wait(30)
    (line,) = [line for line in lines(started) if line["severity"] in {"ERROR", "CRITICAL"}]
    assert "DINGDA_" in line["message"]
