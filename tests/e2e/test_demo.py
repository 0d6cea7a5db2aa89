"""`make demo` on real processes: what it says first, and a worker of its that dies."""

import os
import shlex
import signal
import subprocess
import sys
from collections.abc import Iterator

import pytest
import redis

from tests.processes import ROOT, Process, free_port, process, wait_until


class Demo:
    """The demo on ports of its own."""

    def __init__(self, ports: dict[str, str], process: Process) -> None:
        self.process = process
        self._ports = ports

    def worker_pids(self) -> list[int]:
        """Of the workers that RQ knows."""
        url = f"redis://127.0.0.1:{self._ports['DINGDA_DEMO_REDIS_PORT']}/0"
        with redis.Redis.from_url(url, decode_responses=True) as client:
            return [int(client.hget(key, "pid")) for key in client.smembers("rq:workers")]

    def advised(self, ending: str) -> str:
        """The command of the demo's advice that ends like that, with what is to be exported."""
        lines = [line.strip() for line in self.process.output.splitlines()]
        exported = next(line for line in lines if line.startswith("export "))
        return f"{exported}; " + next(line for line in lines if line.endswith(ending))

    def run(self, command: str) -> str:
        """What a command of the advice prints."""
        python = shlex.quote(sys.executable)
        return subprocess.run(  # noqa: S602 - as people type it
            command.replace(".venv/bin/python", python),
            shell=True,
            cwd=ROOT,
            env={"PATH": os.environ["PATH"]},
            capture_output=True,
            text=True,
            check=True,
        ).stdout


@pytest.fixture(scope="module")
def demo() -> Iterator[Demo]:
    names = ("DINGDA_DEMO_REDIS_PORT", "DINGDA_PORT", "DINGDA_SIMULATOR_PORT")
    ports = {name: str(free_port()) for name in names}
    with process("-m", "scripts.demo", env=ports | {"DISPLAY": ""}) as started:
        started.wait_for("Ctrl-C stops them all", within_s=40)
        yield Demo(ports, started)
        assert started.stop() == 0


def test_what_the_demo_advises_works_whatever_ports_were_chosen(demo: Demo) -> None:
    assert "州的先生" in demo.run(demo.advised('say "整体跳转"'))
    assert "answered" in demo.run(demo.advised("worker status"))


@pytest.mark.slow
def test_a_worker_that_dies_is_followed_by_another(demo: Demo) -> None:
    (pid,) = wait_until(demo.worker_pids)
    os.kill(pid, signal.SIGKILL)
    demo.process.wait_for("the worker died")
    wait_until(lambda: set(demo.worker_pids()) - {pid})
    assert "州的先生" in demo.run(demo.advised('say "整体跳转"'))
