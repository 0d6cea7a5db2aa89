"""The processes under test: started, waited for, their CPU and memory read from `/proc`, ended."""

import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from benchmarks.errors import BenchmarkError
from dingda.simulator.testing.processes import clean_environment

ROOT = Path(__file__).parents[1]
OURS = sys.executable
_VENVS = ROOT / "benchmarks" / ".venv"
BASELINES = str(_VENVS / "requirements" / "bin" / "python")
BASELINES_ARQ = str(_VENVS / "arq" / "bin" / "python")
"""The Pythons of the baselines' own virtual environments, which `make bench` makes."""

_TICKS = os.sysconf("SC_CLK_TCK")
_READY_WITHIN_S = 60.0
_END_WITHIN_S = 2.0
# Fields of /proc/<pid>/stat, counted from the one after the command's name (proc(5)).
_SESSION, _UTIME, _CSTIME = 3, 11, 14


class Served:
    """A process and all its children, in a session of their own."""

    def __init__(self, *command: str, env: Mapping[str, str], folder: Path = ROOT) -> None:
        self._output = tempfile.TemporaryFile()  # noqa: SIM115 - closed with the process
        self._command = " ".join(command)
        self.popen = subprocess.Popen(
            command,
            cwd=folder,
            env=environment() | dict(env),
            stdin=subprocess.DEVNULL,
            stdout=self._output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )

    @property
    def output(self) -> str:
        """What it has printed so far."""
        # pread, because the process writes through the same file position.
        return os.pread(self._output.fileno(), 1_000_000, 0).decode("utf-8", "replace")

    def wait_for(self, pattern: str) -> None:
        """Wait until it has printed something that matches.

        Raises:
            BenchmarkError: if it ends before, or takes a minute.
        """
        give_up_at = time.monotonic() + _READY_WITHIN_S
        while not re.search(pattern, self.output):
            if self.popen.poll() is not None or time.monotonic() > give_up_at:
                raise BenchmarkError(f"{self._command} is not ready:\n{self.output[-3000:]}")
            time.sleep(0.01)

    def check(self) -> None:
        """Make sure that it still runs.

        Raises:
            BenchmarkError: if it has ended.
        """
        if self.popen.poll() is not None:
            raise BenchmarkError(f"{self._command} has ended:\n{self.output[-3000:]}")

    @property
    def cpu_s(self) -> float:
        """CPU seconds used so far, by its children as well, those included that have ended."""
        return sum(cpu_s(pid) for pid in self._pids())

    @property
    def pss_mb(self) -> float:
        """Memory in MB, what processes share counted once (PSS)."""
        return sum(map(_pss_kb, self._pids())) / 1024

    def close(self) -> None:
        """End it and all its children: kindly, then not."""
        with suppress(ProcessLookupError):
            self.popen.send_signal(signal.SIGTERM)
        with suppress(subprocess.TimeoutExpired):
            self.popen.wait(_END_WITHIN_S)
        for pid in self._pids():
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.popen.wait()
        self._output.close()

    def _pids(self) -> list[int]:
        # By session, because RQ's work-horses leave their process group.
        pids = [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit()]
        session = str(self.popen.pid)
        return [pid for pid in pids if (stat := _stat(pid)) and stat[_SESSION] == session]


@contextmanager
def served(
    *command: str, env: Mapping[str, str], ready: str = "", folder: Path = ROOT
) -> Iterator[Served]:
    """Run a process in a folder as long as the context is open, from when it printed `ready`."""
    process = Served(*command, env=env, folder=folder)
    try:
        if ready:
            process.wait_for(ready)
        yield process
    finally:
        process.close()


def run(*command: str, env: Mapping[str, str] | None = None) -> str:
    """Run a command to its end, and return what it printed.

    Raises:
        BenchmarkError: if it fails.
    """
    done = subprocess.run(
        command,
        cwd=ROOT,
        env=environment() | dict(env or {}),
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise BenchmarkError(f"{' '.join(command)} failed:\n{done.stderr[-3000:]}")
    return done.stdout


def environment() -> dict[str, str]:
    """The environment without anybody's real settings, and with this checkout's modules."""
    return clean_environment() | {"PYTHONPATH": str(ROOT)}


def cpu_s(pid: int) -> float:
    """CPU seconds that a process and its ended children have used; 0 if it is gone."""
    stat = _stat(pid)
    return sum(map(int, stat[_UTIME : _CSTIME + 1])) / _TICKS if stat else 0.0


def _stat(pid: int) -> list[str]:
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return []
    return text.rpartition(")")[2].split()


def _pss_kb(pid: int) -> int:
    try:
        text = Path(f"/proc/{pid}/smaps_rollup").read_text()
    except OSError:
        return 0
    found = re.search(r"^Pss:\s+(\d+) kB", text, re.MULTILINE)
    return int(found[1]) if found else 0
