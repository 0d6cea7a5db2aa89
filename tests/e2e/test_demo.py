"""`dingda demo` on real processes, in a folder of a skill's author: what it says first works.

In Stream mode as with a gateway: `make test-demo` runs each test in both.
"""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from dingda.simulator.errors import RequestRejectedError
from dingda.testing import SimulatedDingTalk, Toast
from tests.support.demo import MODES, Demo, free_ports, is_alive, run_demo
from tests.support.processes import ROOT, process, wait_until


@pytest.fixture(scope="module", params=MODES)
def demo(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Demo]:
    folder = tmp_path_factory.mktemp("acme")
    with run_demo(folder, free_ports(), *request.param) as demo:
        yield demo
        assert demo.process.stop() == 0
        assert not (folder / "data" / "demo.json").exists()


def test_what_the_demo_advises_works_whatever_ports_were_chosen(demo: Demo) -> None:
    assert "州的先生" in demo.run(demo.advised('say "整体跳转"')).stdout
    status = demo.run(demo.advised(" status"))
    assert "answered" in status.stdout
    assert "the demo that runs in this folder" in status.stderr


def test_rqs_own_view_is_shown_by_the_command_that_the_demo_advises(demo: Demo) -> None:
    shown = demo.run(demo.advised(f"{demo.ports['DINGDA_DEMO_REDIS_PORT']}/0")).stdout
    assert shown.startswith("dingda ")
    assert "0 failed" in shown


@pytest.mark.parametrize("command", ["status", "dead list", "trace"])
def test_the_demos_redis_is_found_by_the_workers_own_commands_too(demo: Demo, command: str) -> None:
    # As `python -m worker status` of a checkout.
    shown = demo.run(f"{sys.executable} -P -m dingda.worker {command}")
    assert "the demo that runs in this folder" in shown.stderr


def test_a_skill_in_the_current_folder_answers(demo: Demo) -> None:
    reply = demo.run(demo.advised('say "帮助"').replace("帮助", "咖啡"))
    assert "咖啡好了，趁热喝" in reply.stdout


def test_the_group_goes_by_the_name_that_the_docs_use(demo: Demo) -> None:
    demo.run(demo.advised(" status").replace(" status", " push --group ops --text 停机维护"))
    with SimulatedDingTalk.at(demo.page) as dingtalk:
        dingtalk.wait_until(lambda: dingtalk.pushed)


def test_an_approval_works_without_a_setting(demo: Demo) -> None:
    with SimulatedDingTalk.at(demo.page) as dingtalk:
        dingtalk.ask("报销 120", sender="张三")
        (card,) = dingtalk.wait_until(lambda: dingtalk.cards)
        assert dingtalk.press(card, "同意", by="王五").toast is Toast.SUCCEEDED
        dingtalk.wait_until(
            lambda: "王五：同意" in dingtalk.card(card.out_track_id).seen_by("").text
        )


def test_a_second_demo_in_the_same_folder_says_where_the_first_is(demo: Demo) -> None:
    with process("-P", "-m", "dingda", "demo", env={}, cwd=demo.folder) as second:
        assert second.popen.wait(20) == 1
        second.wait_for(r"A demo runs in this folder already: http://127\.0\.0\.1:\d+/")


def test_the_process_that_receives_messages_is_killed_from_the_page_and_comes_back(
    demo: Demo,
) -> None:
    name = demo.control("kill", what="gateway")["name"]
    wait_until(lambda: demo.state_of(name)["restarts"] == 1)
    with SimulatedDingTalk.at(demo.page) as dingtalk:
        wait_until(lambda: is_answered(dingtalk))
    assert demo.numbers()["twice"] == 0


def is_answered(dingtalk: SimulatedDingTalk) -> bool:
    try:
        return len(dingtalk.ask("咖啡", sender="李四").shown) == 1
    except RequestRejectedError:
        return False


@pytest.mark.slow
def test_a_worker_that_dies_is_followed_by_another(demo: Demo) -> None:
    before = set(wait_until(lambda: two(demo.worker_pids())))
    os.kill(before.pop(), signal.SIGKILL)
    demo.process.wait_for("the worker died")
    wait_until(lambda: set(demo.worker_pids()) - before)
    assert "州的先生" in demo.run(demo.advised('say "整体跳转"')).stdout


def test_a_redis_that_dies_as_soon_as_it_serves_is_none_that_can_not_run(tmp_path: Path) -> None:
    url = f"redis://127.0.0.1:{free_ports()['DINGDA_DEMO_REDIS_PORT']}/0"
    with subprocess.Popen(
        [sys.executable, "-m", "dingda.simulator.demo.server"],
        cwd=tmp_path,
        env=os.environ | {"DINGDA_REDIS_URL": url, "PYTHONPATH": str(ROOT)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        start_new_session=True,  # it kills its process group at the end of its input
    ) as started:
        assert started.stdout
        assert b"listens on" in started.stdout.readline()
        os.kill(child_of(started.pid), signal.SIGKILL)
        # The supervisor takes another status, so soon, for that of a process that can't run at all.
        assert started.wait(10) == 0


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("victim", ["the demo", "its process manager"])
def test_nothing_survives_a_demo_that_is_killed_and_the_next_one_starts(
    victim: str, mode: tuple[str, ...], tmp_path: Path
) -> None:
    ports = free_ports()
    with run_demo(tmp_path, ports, *mode) as demo:
        started = {*wait_until(lambda: two(demo.worker_pids())), *demo.processes()}
        pid = demo.process.popen.pid
        os.kill(pid if victim == "the demo" else child_of(pid), signal.SIGKILL)
        demo.process.popen.wait(5)
        wait_until(lambda: not any(map(is_alive, started)))
    with run_demo(tmp_path, ports, *mode) as demo:
        assert demo.process.stop() == 0


# With a gateway, the fixture above ends one.
@pytest.mark.parametrize(
    "mode",
    [pytest.param((), id="http", marks=pytest.mark.slow), pytest.param(("--stream",), id="stream")],
)
def test_ctrl_c_leaves_nothing_behind(mode: tuple[str, ...], tmp_path: Path) -> None:
    with run_demo(tmp_path, free_ports(), *mode) as demo:
        started = demo.processes()
        assert demo.process.stop(signal.SIGINT) == 0
        assert "died" not in demo.process.output
        wait_until(lambda: not any(map(is_alive, started)))


def two(pids: list[int]) -> list[int] | None:
    """The process ids once both workers are known."""
    return pids if len(pids) == 2 else None


def child_of(pid: int) -> int:
    command = ["pgrep", "-P", str(pid)]
    found = subprocess.run(command, capture_output=True, text=True, check=True)
    return int(found.stdout)


def test_a_port_that_is_taken_is_named_with_how_to_choose_another(
    demo: Demo, tmp_path: Path
) -> None:
    port = demo.ports["DINGDA_SIMULATOR_PORT"]
    with process(
        "-m", "dingda", "demo", env={"DINGDA_SIMULATOR_PORT": port}, cwd=tmp_path
    ) as second:
        assert second.popen.wait(20) == 1
    assert f"Port {port} (the simulated DingTalk) is taken." in second.output
    assert f"DINGDA_SIMULATOR_PORT={int(port) + 10} " in second.output
