"""What a gateway counts of its own work: every callback once, by what became of it."""

import errno
import json
import resource
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import pytest

from dingda.gateway.metrics import (
    BATCHES,
    CALLBACKS,
    ROUND_TRIPS,
    CallbackOutcome,
    CountedGatewayMetrics,
    count_in,
    robot_messages,
    served_metrics,
)
from dingda.shared.dingtalk.robots import ANY_ROBOT, Robot, Robots
from dingda.shared.runtime.counter_files import read_counter_files
from dingda.shared.runtime.metrics_server import counted, expose
from dingda.shared.runtime.robots_file import MAX_ROBOTS, read_robots
from dingda.shared.runtime.settings import Settings
from dingda.simulator.testing.processes import free_port
from tests.support.builders import a_callback
from tests.unit.gateway.conftest import CALLBACK, GatewayHarness, a_gateway

pytestmark = pytest.mark.heavy

ROOT = Path(__file__).parents[3]


async def post(gateway: GatewayHarness) -> None:
    await gateway.post()


async def post_twice(gateway: GatewayHarness) -> None:
    await gateway.post()
    await gateway.post()


async def post_what_needs_no_answer(gateway: GatewayHarness) -> None:
    await gateway.post(b"{}")


async def post_without_a_signature(gateway: GatewayHarness) -> None:
    await gateway.client.post(CALLBACK, content=a_callback())


async def post_no_message(gateway: GatewayHarness) -> None:
    await gateway.post(b"[]")


async def look(gateway: GatewayHarness) -> None:
    await gateway.client.get(CALLBACK)


@pytest.mark.parametrize(
    ("act", "expected"),
    [
        (post, {"stored": 1}),
        (post_twice, {"stored": 1, "duplicate": 1}),
        (post_what_needs_no_answer, {"ignored": 1}),
        (post_without_a_signature, {"refused": 1}),
        (post_no_message, {"refused": 1}),
        (look, {"probe": 1}),
    ],
)
async def test_a_callback_is_counted_by_what_became_of_it(
    act: Any, expected: dict[str, int], settings: Settings, tmp_path: Path
) -> None:
    async with a_gateway(settings, CountedGatewayMetrics(tmp_path, settings.robots)) as gateway:
        await act(gateway)
    assert callbacks(tmp_path) == expected


async def test_one_whose_sender_hears_busy_is_counted_so(
    settings: Settings, tmp_path: Path
) -> None:
    full = settings.model_copy(update={"backlog_limit": 1})
    async with a_gateway(full, CountedGatewayMetrics(tmp_path, settings.robots)) as gateway:
        for number in range(3):
            await gateway.post(a_callback(msgId=str(number), senderId=f"s{number}"))
    assert callbacks(tmp_path)["busy"] >= 1


async def test_a_batch_is_counted_with_its_round_trip(settings: Settings, tmp_path: Path) -> None:
    async with a_gateway(settings, CountedGatewayMetrics(tmp_path, settings.robots)) as gateway:
        await gateway.post()
    found = read_counter_files(tmp_path)
    assert found[BATCHES][""][0] == 1  # of one message
    assert sum(found[ROUND_TRIPS][""][:-1]) == 1


async def test_each_robots_messages_are_counted_once_by_its_label(tmp_path: Path) -> None:
    sales, staff = Robot("a", name="小钉", secrets=("s1",)), Robot("b", secrets=("s2",))
    robots = Robots((sales, staff))
    settings = Settings(_env_file=None, robots=robots)  # type: ignore[call-arg]
    async with a_gateway(settings, CountedGatewayMetrics(tmp_path, robots)) as gateway:
        for msg_id, code, secret in (
            ("1", "a", "s1"),
            ("1", "a", "s1"),
            ("2", "", "s1"),
            ("3", "b", "s2"),
            ("4", "b", "s1"),
        ):
            await gateway.post(a_callback(msgId=msg_id, robotCode=code), secret=secret)
    exposed = expose(counted(read_counter_files(tmp_path))).decode()
    lines = [line for line in exposed.splitlines() if line.startswith("dingda_robot_messages")]
    assert lines == [
        'dingda_robot_messages_total{robot="小钉"} 2.0',
        'dingda_robot_messages_total{robot="b"} 1.0',
    ]


def test_as_many_robots_as_there_may_be_can_be_counted(tmp_path: Path) -> None:
    longest = [chr(0x1F600 + number) * 32 for number in range(MAX_ROBOTS)]
    entries = [
        {"code": str(number), "name": name, "secret": f"s{number}"}
        for number, name in enumerate(longest)
    ]
    robots = read_robots(json.dumps(entries))
    CountedGatewayMetrics(tmp_path, robots).message_stored(robots.robots[-1])
    assert read_counter_files(tmp_path)[robot_messages(robots)][longest[-1]][0] == 1


def callbacks(folder: Path) -> dict[str, int]:
    """How often each outcome was counted, of those that were."""
    by_outcome = read_counter_files(folder)[CALLBACKS]
    totals = {outcome: sum(numbers[:-1]) for outcome, numbers in by_outcome.items()}
    return {outcome: int(total) for outcome, total in totals.items() if total}


@pytest.mark.parametrize(
    "module", ["dingda.gateway.__main__", "dingda.worker.__main__", "dingda.cli"]
)
def test_where_metrics_are_off_nothing_is_loaded_for_them(module: str) -> None:
    code = f"import {module}, sys; print('prometheus_client' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "False"


def test_without_room_on_the_disk_nothing_is_counted(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, limits[1]))  # as a disk that is full
    try:
        metrics = count_in(tmp_path, ANY_ROBOT)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    metrics.callback_ended(CallbackOutcome.STORED, 0.1)
    assert "this process counts nothing" in caplog.text
    assert not read_counter_files(tmp_path)


def test_without_room_for_a_folder_the_gateway_goes_on_without_metrics(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(tempfile, "TemporaryDirectory", no_room)
    with served_metrics(settings.model_copy(update={"metrics_port": free_port()})) as counters:
        assert counters is None
    assert "there are no metrics from here on" in caplog.text


def no_room(**_: str) -> None:
    raise OSError(errno.ENOSPC, "No space left on device")
