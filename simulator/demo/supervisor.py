"""Runs the demo's processes side by side, and restarts each that dies, as on a server."""

import asyncio
import os
import signal
import sys
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Literal

import click

from dingda.shared.runtime.command_line import OK, WRONG_USAGE

_PAUSE_S = 1.0
"""How long a process that died stays down, in seconds: it may die again at once."""
_STARTED_S = 5.0
"""A process that fails by itself sooner than this, at its first start, cannot run at all."""
_STOPPED_WITHIN_S = 5.0
_LONGEST_LINE_BYTES = 1024 * 1024
_NAME_CHARS = 9


@dataclass(frozen=True, slots=True)
class ProcessState:
    """How a process of the demo is."""

    name: str
    state: Literal["running", "down", "stopped"]
    """`down` is one that died and comes back, `stopped` one that was told to stay away a while."""
    pid: int | None
    """None while it does not run."""
    restarts: int
    """How often it was started again."""
    down_ms: int | None
    """How long it was away the last time, in ms; None if it never was."""


class SupervisedProcess:
    """A process that is started again whenever it ends, in a process group of its own.

    Args:
        name: what its lines begin with; a number may follow its kind, as in `worker-2`.
        command: what Python runs, after `-m`.
        announce: called when its state has changed.
    """

    def __init__(
        self, name: str, command: Sequence[str], announce: Callable[[], Awaitable[None]]
    ) -> None:
        self.name = name
        self.kind = name.partition("-")[0]
        self._command = command
        self._announce = announce
        self._stopping = asyncio.Event()
        self._gone = asyncio.Event()
        self._gone.set()
        self._pid: int | None = None
        self._starts = 0
        self._ended_at = 0.0
        self._down_ms: int | None = None
        self._stay_away_s = 0.0

    @property
    def state(self) -> ProcessState:
        """How it is at present."""
        away: Literal["down", "stopped"] = "stopped" if self._stay_away_s else "down"
        return ProcessState(
            self.name,
            "running" if self._pid else away,
            self._pid,
            max(0, self._starts - 1),
            self._down_ms,
        )

    def owns(self, pid: int) -> bool:
        """Whether a process is this one, or one that it has started."""
        with suppress(ProcessLookupError):
            return os.getpgid(pid) == self._pid
        return False

    def kill(self) -> int | None:
        """`kill -9`; returns the process id, or None if it does not run."""
        return self._signal(signal.SIGKILL)

    def stop_for(self, seconds: float) -> int | None:
        """Stop it in good order for a while; returns as `kill`."""
        self._stay_away_s = seconds
        return self._signal(signal.SIGTERM)

    async def run(self) -> int:
        """Run it until `stop`; returns the exit status, before that if it cannot run at all."""
        while True:
            began_at = time.monotonic()
            status = await self._run_once()
            failed_soon = status > 0 and time.monotonic() < began_at + _STARTED_S
            # Later on another process may have its port for a while.
            cannot_run = self._starts == 1 and (failed_soon or status == WRONG_USAGE)
            if self._stopping.is_set() or cannot_run:
                return status
            if self._stay_away_s:
                self._print(f"the {self.kind} is stopped for {self._stay_away_s:g} s")
            with suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), self._stay_away_s or _PAUSE_S)
                return OK
            if not self._stay_away_s:
                self._print(f"the {self.kind} died: here is another")
            self._stay_away_s = 0.0

    async def stop(self) -> None:
        """Stop it for good: in good order, and by force after five seconds."""
        self._stopping.set()
        self._signal(signal.SIGTERM)
        with suppress(TimeoutError):
            await asyncio.wait_for(self._gone.wait(), _STOPPED_WITHIN_S)
        self._signal(signal.SIGKILL)
        await self._gone.wait()

    async def _run_once(self) -> int:
        self._gone.clear()
        output = asyncio.StreamReader(limit=_LONGEST_LINE_BYTES)
        ours, theirs = os.pipe()
        # asyncio's own pipe would let it wait for all that hold the other end, too.
        await asyncio.get_running_loop().connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(output), os.fdopen(ours, "rb")
        )
        try:
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", *self._command),
                stdout=theirs,
                stderr=theirs,
                start_new_session=True,
            )
        finally:
            os.close(theirs)
        self._starts += 1
        if self._starts > 1:
            self._down_ms = round((time.monotonic() - self._ended_at) * 1000)
        self._pid = process.pid
        if self._stopping.is_set():  # since before it had a process id to signal
            self._signal(signal.SIGTERM)
        printing = asyncio.create_task(self._print_lines(output))
        await self._announce()
        status = await process.wait()
        self._signal(signal.SIGKILL)  # those that it has started and left behind
        self._pid, self._ended_at = None, time.monotonic()
        await printing
        self._gone.set()
        await self._announce()
        return status

    async def _print_lines(self, output: asyncio.StreamReader) -> None:
        while True:
            try:
                line = await output.readline()
            except ValueError:  # longer than the limit
                continue
            if not line:
                return
            self._print(line.decode("utf-8", "replace").rstrip("\n"))

    def _print(self, line: str) -> None:
        click.echo(named(self.name, line))

    def _signal(self, number: signal.Signals) -> int | None:
        if self._pid:
            with suppress(ProcessLookupError):
                os.killpg(self._pid, number)
        return self._pid


class Supervisor:
    """Runs processes until it is stopped.

    Args:
        commands: what Python runs after `-m`, by the processes' names. The first, which the others
            need, is stopped last.
        announce: called when the state of one has changed.
    """

    def __init__(
        self, commands: Mapping[str, Sequence[str]], announce: Callable[[], Awaitable[None]]
    ) -> None:
        self.processes = [
            SupervisedProcess(name, command, announce) for name, command in commands.items()
        ]

    def of_kind(self, kind: str) -> list[SupervisedProcess]:
        """The processes of a kind, such as `worker`."""
        return [process for process in self.processes if process.kind == kind]

    async def run(self) -> int:
        """Run all of them until `stop`, or until one cannot run at all.

        Returns:
            The exit status of that one.
        """
        running = [asyncio.create_task(process.run()) for process in self.processes]
        ended, _ = await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
        return ended.pop().result()

    async def stop(self) -> None:
        """Stop all of them, and return when they have ended."""
        needed, *others = self.processes
        await asyncio.gather(*(process.stop() for process in others))
        await needed.stop()


def named(name: str, line: str) -> str:
    """A line of a process's output, with its name before it."""
    return f"{name:<{_NAME_CHARS}} | {line}"
