"""What goes wrong, when: all of it drawn from one seed."""

import asyncio
import random
import time
from collections.abc import Coroutine
from typing import Any

from tests.chaos.dingtalk import MOODS, DingTalk
from tests.chaos.fleet import Fleet, Kind
from tests.chaos.watch import Watch
from tests.support.processes import Valkey

KILLS_PER_S = 1.8
ZOMBIE_S = (22.0, 27.0)
"""Longer than a lease: somebody else has the message when the worker wakes."""


class Storm:
    """Breaks things for a while.

    Args:
        fleet: whom to kill and freeze.
        server: what to restart, take away and freeze.
        dingtalk: whose mood to spoil.
        watch: must know when Redis was away.
        seed: decides what, whom and when; each kind of fault has dice of its own.
    """

    def __init__(
        self, *, fleet: Fleet, server: Valkey, dingtalk: DingTalk, watch: Watch, seed: int
    ) -> None:
        self._fleet = fleet
        self._server = server
        self._dingtalk = dingtalk
        self._watch = watch
        self._seed = seed
        self.outages = 0
        self.moods = 0

    async def rage(self, seconds: float) -> None:
        """Break things for so long, then leave everything whole."""
        async with asyncio.TaskGroup() as group:
            for each in (self._kill(), self._freeze(), self._sicken(), self._spoil()):
                group.create_task(self._until(time.monotonic() + seconds, each))
        self._fleet.thaw()
        self._dingtalk.mood = "well"

    async def _until(self, end_s: float, faults: Coroutine[Any, Any, None]) -> None:
        try:
            async with asyncio.timeout(end_s - time.monotonic()):
                await faults
        except TimeoutError:
            pass

    async def _kill(self) -> None:
        dice = self._dice_for("kill")
        while True:
            await asyncio.sleep(dice.expovariate(KILLS_PER_S))
            self._fleet.kill("worker" if dice.random() < 0.65 else "gateway", dice)

    async def _freeze(self) -> None:
        dice = self._dice_for("freeze")
        async with asyncio.TaskGroup() as group:
            while True:
                await asyncio.sleep(dice.uniform(2, 6))
                zombie = dice.random() < 0.25
                kind: Kind = "worker" if zombie or dice.random() < 0.5 else "gateway"
                long = ZOMBIE_S if zombie else (0.5, 5.0)
                group.create_task(self._fleet.freeze(kind, dice.uniform(*long), dice))

    async def _sicken(self) -> None:
        """Restart Redis, take it away for a while, or freeze it."""
        dice = self._dice_for("sicken")
        while True:
            await asyncio.sleep(dice.uniform(8, 18))
            away_s = dice.choice((0.0, 0.5, 1.5, 4.0))
            freeze = dice.random() < 0.4
            began_s = time.time()
            self.outages += 1
            try:
                await (self._freeze_server(away_s + 0.5) if freeze else self._restart(away_s))
            finally:
                self._watch.note_outage(began_s, time.time())

    async def _freeze_server(self, seconds: float) -> None:
        with self._server.frozen():
            await asyncio.sleep(seconds)

    async def _restart(self, away_s: float) -> None:
        self._server.kill()
        try:
            await asyncio.sleep(away_s)
        finally:
            await asyncio.to_thread(self._server.start)

    async def _spoil(self) -> None:
        dice = self._dice_for("spoil")
        while True:
            await asyncio.sleep(dice.uniform(5, 12))
            self._dingtalk.mood = dice.choice(MOODS)
            self.moods += 1
            await asyncio.sleep(dice.uniform(0.5, 2))
            self._dingtalk.mood = "well"

    def _dice_for(self, what: str) -> random.Random:
        return random.Random(f"{self._seed} {what}")  # noqa: S311 - must be repeatable
