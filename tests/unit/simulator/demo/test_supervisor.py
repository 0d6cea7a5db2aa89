"""The demo's supervisor starts again what dies, and leaves nothing behind."""

import asyncio
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from dingda.simulator.demo import supervisor as module
from dingda.simulator.demo.supervisor import ProcessState, Supervisor
from tests.support.demo import is_alive

pytestmark = pytest.mark.heavy

LASTING = """
import time
print("up", flush=True)
time.sleep(60)
"""
WITH_A_CHILD = """
import subprocess, sys, time
subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
print("up", flush=True)
time.sleep(60)
"""
DEAF = """
import signal, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
print("up", flush=True)
time.sleep(60)
"""
MISUSED_THE_SECOND_TIME = """
from pathlib import Path
starts = Path(__file__).with_suffix(".starts")
starts.open("a").write("x")
if starts.stat().st_size == 2:
    raise SystemExit(2)
"""
PROGRAMS = {
    "lasting": LASTING,
    "with_a_child": WITH_A_CHILD,
    "deaf": DEAF,
    "broken": "raise SystemExit(1)",
    "misused": "import time; time.sleep(0.3); raise SystemExit(2)",
    "misused_the_second_time": MISUSED_THE_SECOND_TIME + LASTING,
    "wordy": f"print('x' * {3 * 1024 * 1024}); print('up', flush=True)\n{LASTING}",
}


@pytest.fixture(autouse=True)
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the supervisor may run, and a short pause before it runs one again."""
    for name, source in PROGRAMS.items():
        (tmp_path / f"demo_test_{name}.py").write_text(source, "utf-8")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setattr(module, "_PAUSE_S", 0.1)
    monkeypatch.setattr(module, "_STOPPED_WITHIN_S", 0.5)


class Harness:
    """A supervisor that runs in a task."""

    def __init__(self, **programs: str) -> None:
        self.changed = asyncio.Condition()
        commands = {name: (f"demo_test_{program}",) for name, program in programs.items()}
        self.supervisor = Supervisor(commands, self._announce)
        self.running = asyncio.create_task(self.supervisor.run())

    async def _announce(self) -> None:
        async with self.changed:
            self.changed.notify_all()

    async def wait_for(self, name: str, fits: Callable[[ProcessState], bool]) -> ProcessState:
        (process,) = [each for each in self.supervisor.processes if each.name == name]
        async with asyncio.timeout(20), self.changed:
            await self.changed.wait_for(lambda: fits(process.state))
        return process.state

    async def running_pid(self, name: str, *, after: int | None = None) -> int:
        state = await self.wait_for(name, lambda state: state.pid not in (None, after))
        assert state.pid
        return state.pid


Supervise = Callable[..., Harness]


@pytest.fixture
async def supervise() -> AsyncIterator[Supervise]:
    """Runs programs by the processes' names, and stops them at the end of the test."""
    started: list[Harness] = []

    def supervise(**programs: str) -> Harness:
        started.append(Harness(**programs))
        return started[-1]

    yield supervise
    for harness in started:
        await harness.supervisor.stop()
        with suppress(asyncio.CancelledError):
            await harness.running


async def printed(capfd: pytest.CaptureFixture[str], line: str) -> None:
    seen = ""
    async with asyncio.timeout(20):
        while line not in seen:
            seen += capfd.readouterr().out
            await asyncio.sleep(0.02)


async def test_one_that_is_killed_is_followed_by_another(supervise: Supervise) -> None:
    harness = supervise(worker="lasting")
    first = await harness.running_pid("worker")
    (process,) = harness.supervisor.processes
    assert process.kill() == first
    assert await harness.running_pid("worker", after=first)
    state = process.state
    assert (state.state, state.restarts) == ("running", 1)
    assert state.down_ms is not None
    assert state.down_ms >= 100
    assert not is_alive(first)


async def test_what_a_killed_one_had_started_dies_with_it(
    supervise: Supervise, capfd: pytest.CaptureFixture[str]
) -> None:
    harness = supervise(worker="with_a_child")
    pid = await harness.running_pid("worker")
    await printed(capfd, "worker    | up")
    (child,) = psutil.Process(pid).children()
    (process,) = harness.supervisor.processes
    assert process.owns(child.pid)
    psutil.Process(pid).kill()  # not its group: somebody else did it
    await harness.running_pid("worker", after=pid)
    await asyncio.to_thread(child.wait, 20)


async def test_one_that_is_stopped_stays_away_as_long_as_it_was_told(
    supervise: Supervise, capfd: pytest.CaptureFixture[str]
) -> None:
    harness = supervise(redis="lasting")
    first = await harness.running_pid("redis")
    await printed(capfd, "up")
    (process,) = harness.supervisor.processes
    process.stop_for(0.6)
    await harness.wait_for("redis", lambda state: state.state == "stopped")
    await harness.running_pid("redis", after=first)
    assert process.state.down_ms is not None
    assert process.state.down_ms >= 600


@pytest.mark.parametrize(("program", "status"), [("broken", 1), ("misused", 2)])
async def test_one_that_cannot_run_at_all_ends_the_demo_with_its_status(
    supervise: Supervise, program: str, status: int
) -> None:
    harness = supervise(redis="lasting", gateway=program)
    assert await asyncio.wait_for(harness.running, 20) == status


async def test_one_that_cannot_run_again_for_a_while_is_started_until_it_can(
    supervise: Supervise, capfd: pytest.CaptureFixture[str]
) -> None:
    harness = supervise(gateway="misused_the_second_time")
    await printed(capfd, "gateway   | up")
    (process,) = harness.supervisor.processes
    process.kill()
    await harness.wait_for("gateway", lambda state: state.restarts == 2 and state.pid is not None)
    await printed(capfd, "gateway   | up")


async def test_stopping_leaves_nothing_behind_and_ends_last_what_the_others_need(
    capfd: pytest.CaptureFixture[str],
) -> None:
    harness = Harness(redis="lasting", gateway="deaf")
    redis, gateway = await harness.running_pid("redis"), await harness.running_pid("gateway")
    await printed(capfd, "gateway   | up")
    stopping = asyncio.create_task(harness.supervisor.stop())
    await harness.wait_for("gateway", lambda state: state.pid is None)
    assert is_alive(redis)
    await stopping
    await harness.running
    assert not is_alive(gateway)
    assert not is_alive(redis)


async def test_one_that_is_being_started_is_stopped_too() -> None:
    harness = Harness(gateway="lasting")
    await harness.supervisor.stop()
    assert await asyncio.wait_for(harness.running, 5) == -signal.SIGTERM


async def test_a_line_without_end_does_not_stop_the_output(
    supervise: Supervise, capfd: pytest.CaptureFixture[str]
) -> None:
    supervise(worker="wordy")
    await printed(capfd, "worker    | up")
