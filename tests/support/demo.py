"""`dingda demo` in a folder of a skill's author, on ports of its own."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest
import redis

from dingda.simulator.testing.processes import free_port
from tests.support.processes import ROOT, Process, process

COFFEE = """
from dingda.skill import Skill

skill = Skill("coffee", summary="来一杯咖啡")


@skill.command("咖啡")
def brew() -> str:
    return "咖啡好了，趁热喝"
"""
MODES = [
    pytest.param((), id="http"),
    pytest.param(("--stream",), id="stream", marks=pytest.mark.slow),
]
"""How the demo may be started. It is seven processes: `make test` starts it mostly in one way."""

FOREIGN = ("shared", "worker", "gateway", "tests", "simulator")
"""Packages that an author may have, named as some of our folders are."""

SHADOWS = ("click", "httpx", "json", "logging", "redis")
"""Modules that an author may have, named as libraries are."""


class Demo:
    """The demo on ports of its own."""

    def __init__(self, folder: Path, ports: dict[str, str], process: Process) -> None:
        self.folder = folder
        self.process = process
        self.ports = ports

    @property
    def page(self) -> str:
        return f"http://127.0.0.1:{self.ports['DINGDA_SIMULATOR_PORT']}"

    def worker_pids(self) -> list[int]:
        """Of the workers that RQ knows."""
        url = f"redis://127.0.0.1:{self.ports['DINGDA_DEMO_REDIS_PORT']}/0"
        with redis.Redis.from_url(url, decode_responses=True) as client:
            return [int(client.hget(key, "pid")) for key in client.smembers("rq:workers")]

    def processes(self) -> dict[int, list[str]]:
        """The command lines of all that it has started, by their process ids."""
        started = psutil.Process(self.process.popen.pid).children(recursive=True)
        return {each.pid: each.cmdline() for each in started}

    def control(self, button: str, **body: object) -> dict[str, Any]:
        """What comes of a button of the page's strip."""
        url = f"{self.page}/api/demo/{button}"
        response = httpx.post(url, json=body, trust_env=False)
        response.raise_for_status()
        done: dict[str, Any] = response.json()
        return done

    def state_of(self, name: str) -> dict[str, Any]:
        """How one of its processes is."""
        processes: list[dict[str, Any]] = self._state()["processes"]
        return next(each for each in processes if each["name"] == name)

    def numbers(self) -> dict[str, int]:
        """The numbers of the page's strip."""
        numbers: dict[str, int] = self._state()["numbers"]
        return numbers

    def _state(self) -> dict[str, Any]:
        state: dict[str, Any] = httpx.get(f"{self.page}/api/demo", trust_env=False).json()
        return state

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
def run_demo(folder: Path, ports: dict[str, str], *options: str) -> Iterator[Demo]:
    """A demo in a folder of an author who has a skill, for the length of a `with` block."""
    (folder / "coffee.py").write_text(COFFEE, "utf-8")
    for name in FOREIGN:
        (folder / name).mkdir(exist_ok=True)
        (folder / name / "__init__.py").write_text("raise SystemExit('not ours')")
    for name in SHADOWS:
        (folder / f"{name}.py").write_text("raise SystemExit('no library')")
    skills = ("coffee", "dingda.worker.skills.demo", "dingda.worker.skills.showcase")
    env = ports | {"DISPLAY": "", "DINGDA_SKILLS": ",".join(skills)}
    # As the installed command, Python with -P has the current folder nowhere on its path.
    with process("-P", "-m", "dingda", "demo", *options, env=env, cwd=folder) as started:
        started.wait_for("Ctrl-C stops them all", within_s=40)
        yield Demo(folder, ports, started)


def free_ports() -> dict[str, str]:
    names = ("DINGDA_DEMO_REDIS_PORT", "DINGDA_PORT", "DINGDA_SIMULATOR_PORT")
    return {name: str(free_port()) for name in names}


def is_alive(pid: int) -> bool:
    """Whether a process runs; one that has ended may wait a while for its parent to hear of it."""
    try:
        return bool(psutil.Process(pid).status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False
