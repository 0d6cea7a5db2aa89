"""`dingda demo` on real processes, in a folder of a skill's author: what it says first works."""

import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest
import redis

from dingda.simulator.testing.processes import free_port
from tests.support.processes import ROOT, Process, process, wait_until

COFFEE = """
from dingda.skill import Skill

skill = Skill("coffee", summary="来一杯咖啡")


@skill.command("咖啡")
def brew() -> str:
    return "咖啡好了，趁热喝"
"""
FOREIGN = ("shared", "worker", "gateway", "tests", "simulator")
"""Packages that an author may have, named as some of our folders are."""

SHADOWS = ("click", "honcho", "json", "logging", "redis")
"""Modules that an author may have, named as libraries are."""


class Demo:
    """The demo on ports of its own."""

    def __init__(self, folder: Path, ports: dict[str, str], process: Process) -> None:
        self.folder = folder
        self.process = process
        self.ports = ports

    def worker_pids(self) -> list[int]:
        """Of the workers that RQ knows."""
        url = f"redis://127.0.0.1:{self.ports['DINGDA_DEMO_REDIS_PORT']}/0"
        with redis.Redis.from_url(url, decode_responses=True) as client:
            return [int(client.hget(key, "pid")) for key in client.smembers("rq:workers")]

    def advised(self, completion: str) -> str:
        """The command of the demo's advice that ends like that."""
        lines = [line.strip() for line in self.process.output.splitlines()]
        return next(line for line in lines if line.endswith(completion))

    def run(self, command: str) -> "subprocess.CompletedProcess[str]":
        """What comes of a command, typed in another terminal."""
        return subprocess.run(  # noqa: S602 - as people type it
            command,
            shell=True,
            cwd=self.folder,
            env={"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
            check=True,
        )


@contextmanager
def run_demo(folder: Path, ports: dict[str, str]) -> Iterator[Demo]:
    """A demo in a folder of an author who has a skill, for the length of a `with` block."""
    (folder / "coffee.py").write_text(COFFEE, "utf-8")
    for name in FOREIGN:
        (folder / name).mkdir(exist_ok=True)
        (folder / name / "__init__.py").write_text("raise SystemExit('not ours')")
    for name in SHADOWS:
        (folder / f"{name}.py").write_text("raise SystemExit('no library')")
    env = ports | {"DISPLAY": "", "DINGDA_SKILLS": "coffee,dingda.worker.skills.demo"}
    # As the installed command, Python with -P has the current folder nowhere on its path.
    with process("-P", "-m", "dingda", "demo", env=env, cwd=folder) as started:
        started.wait_for("Ctrl-C stops them all", within_s=40)
        yield Demo(folder, ports, started)


def free_ports() -> dict[str, str]:
    names = ("DINGDA_DEMO_REDIS_PORT", "DINGDA_PORT", "DINGDA_SIMULATOR_PORT")
    return {name: str(free_port()) for name in names}


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    folder = tmp_path_factory.mktemp("acme")
    with run_demo(folder, free_ports()) as demo:
        yield demo
        assert demo.process.stop() == 0
        assert not (folder / "data" / "demo.json").exists()


def test_what_the_demo_advises_works_whatever_ports_were_chosen(demo: Demo) -> None:
    assert "州的先生" in demo.run(demo.advised('say "整体跳转"')).stdout
    status = demo.run(demo.advised(" status"))
    assert "answered" in status.stdout
    assert "the demo that runs in this folder" in status.stderr


def test_a_skill_in_the_current_folder_answers(demo: Demo) -> None:
    reply = demo.run(demo.advised('say "帮助"').replace("帮助", "咖啡"))
    assert "咖啡好了，趁热喝" in reply.stdout


def test_a_second_demo_in_the_same_folder_says_where_the_first_is(demo: Demo) -> None:
    with process("-P", "-m", "dingda", "demo", env={}, cwd=demo.folder) as second:
        assert second.popen.wait(20) == 1
        second.wait_for(r"A demo runs in this folder already: http://127\.0\.0\.1:\d+/")


@pytest.mark.slow
def test_a_worker_that_dies_is_followed_by_another(demo: Demo) -> None:
    (pid,) = wait_until(demo.worker_pids)
    os.kill(pid, signal.SIGKILL)
    demo.process.wait_for("the worker died")
    wait_until(lambda: set(demo.worker_pids()) - {pid})
    assert "州的先生" in demo.run(demo.advised('say "整体跳转"')).stdout


@pytest.mark.parametrize("victim", ["the demo", "its process manager"])
def test_nothing_survives_a_demo_that_is_killed_and_the_next_one_starts(
    victim: str, tmp_path: Path
) -> None:
    ports = free_ports()
    with run_demo(tmp_path, ports) as demo:
        (worker,) = wait_until(demo.worker_pids)
        pid = demo.process.popen.pid
        os.kill(pid if victim == "the demo" else child_of(pid), signal.SIGKILL)
        demo.process.popen.wait(5)
        wait_until(lambda: not is_alive(worker))
    with run_demo(tmp_path, ports) as demo:
        assert demo.process.stop() == 0


def child_of(pid: int) -> int:
    command = ["pgrep", "-P", str(pid)]
    found = subprocess.run(command, capture_output=True, text=True, check=True)
    return int(found.stdout)


def is_alive(pid: int) -> bool:
    """Whether a process runs; one that has ended may wait a while for its parent to hear of it."""
    try:
        return bool(psutil.Process(pid).status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


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
