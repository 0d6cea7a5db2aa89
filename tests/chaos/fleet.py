"""Gateways and workers under a supervisor that starts again at once whatever dies.

They are real processes, forked from a server that has imported them already: two hundred deaths in
two minutes would otherwise be two hundred imports.
"""

import asyncio
import multiprocessing
import os
import random
import signal
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from importlib import import_module
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from typing import Literal

Kind = Literal["gateway", "worker"]

_LOOK_S = 0.02
_context = multiprocessing.get_context("forkserver")


@dataclass
class Member:
    """One place in the fleet; whoever fills it may die."""

    kind: Kind
    env: Mapping[str, str]
    log: Path
    process: ForkServerProcess = field(init=False)
    frozen: bool = False
    thawed_s: float = 0.0

    def start(self) -> None:
        arguments = (self.kind, dict(self.env), str(self.log))
        self.process = _context.Process(target=_run, args=arguments, daemon=True)
        self.process.start()
        self.frozen = False

    def thaw(self) -> None:
        self.signal(signal.SIGCONT)
        self.frozen, self.thawed_s = False, time.monotonic()

    def signal(self, number: int) -> None:
        with suppress(ProcessLookupError):
            os.kill(self.process.pid or 0, number)


class Fleet:
    """All members, and what has been done to them."""

    def __init__(self, members: list[Member]) -> None:
        self.members = members
        self.kills = 0
        self.freezes = 0

    def start(self) -> None:
        _context.set_forkserver_preload(
            ["dingda.gateway.__main__", "dingda.worker.__main__", __name__]
        )
        for member in self.members:
            member.start()

    async def supervise(self) -> None:
        """Start again whoever is dead, until cancelled."""
        while True:
            for member in self.members:
                if not member.process.is_alive():
                    member.process.close()
                    member.start()
            await asyncio.sleep(_LOOK_S)

    def kill(self, kind: Kind, rng: random.Random) -> None:
        """`kill -9` one of a kind, frozen or not."""
        member = rng.choice([each for each in self.members if each.kind == kind])
        member.signal(signal.SIGKILL)
        self.kills += 1

    async def freeze(self, kind: Kind, seconds: float, rng: random.Random) -> None:
        """SIGSTOP one of a kind for a while, unless that would leave fewer than two awake."""
        awake = [each for each in self.members if each.kind == kind and not each.frozen]
        if len(awake) <= 2:
            return
        member = rng.choice(awake)
        process = member.process
        member.frozen = True
        member.signal(signal.SIGSTOP)
        self.freezes += 1
        await asyncio.sleep(seconds)
        if member.process is process:
            member.thaw()

    def thaw(self) -> None:
        for member in self.members:
            member.thaw()

    def froze_since(self, port: int, since_s: float) -> bool:
        """Whether the gateway at a port has been frozen since a moment (monotonic, s)."""
        members = [each for each in self.members if each.env.get("DINGDA_PORT") == str(port)]
        return any(each.frozen or each.thawed_s >= since_s for each in members)

    def stop(self) -> None:
        for member in self.members:
            member.signal(signal.SIGKILL)
            member.process.join()


def _run(kind: Kind, env: dict[str, str], log: str) -> None:
    """Become a gateway or a worker."""
    output = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    os.dup2(output, 1)
    os.dup2(output, 2)
    for name in [name for name in os.environ if name.startswith("DINGDA_")]:
        del os.environ[name]
    os.environ.update(env)
    sys.argv = [kind]
    sys.exit(import_module(f"dingda.{kind}.__main__").main())
