"""Injects faults; all of what and when is drawn from one seed."""

import asyncio
import random
import time
from collections.abc import Coroutine
from typing import Any

from tests.chaos.abandonment import AbandonmentMonitor
from tests.chaos.dingtalk import BAD_BEHAVIOURS, FaultyDingTalk
from tests.chaos.fleet import Fleet, Kind
from tests.support.processes import Valkey

KILLS_PER_S = 1.8
ZOMBIE_S = (22.0, 27.0)
"""Longer than a lease: somebody else has the message when the worker wakes."""


class FaultInjector:
    """Breaks things for a while.

    Args:
        fleet: the processes to kill and freeze.
        server: the Redis to restart, take away and freeze.
        dingtalk: the fake whose behaviour changes.
        monitor: told when Redis was away.
        seed: decides everything; each kind of fault has a generator of its own.
    """

    def __init__(
        self,
        *,
        fleet: Fleet,
        server: Valkey,
        dingtalk: FaultyDingTalk,
        monitor: AbandonmentMonitor,
        seed: int,
    ) -> None:
        self._fleet = fleet
        self._server = server
        self._dingtalk = dingtalk
        self._monitor = monitor
        self._seed = seed
        self.outages = 0
        self.bad_spells = 0

    async def run(self, seconds: float) -> None:
        """Break things for so long, then leave everything whole."""
        async with asyncio.TaskGroup() as group:
            for each in (
                self._kill(),
                self._freeze(),
                self._disturb_redis(),
                self._disturb_dingtalk(),
            ):
                group.create_task(self._until(time.monotonic() + seconds, each))
        self._fleet.thaw()
        self._dingtalk.behaviour = "well"

    async def _until(self, end_s: float, faults: Coroutine[Any, Any, None]) -> None:
        try:
            async with asyncio.timeout(end_s - time.monotonic()):
                await faults
        except TimeoutError:
            pass

    async def _kill(self) -> None:
        rng = self._rng_for("kill")
        while True:
            await asyncio.sleep(rng.expovariate(KILLS_PER_S))
            self._fleet.kill("worker" if rng.random() < 0.65 else "gateway", rng)

    async def _freeze(self) -> None:
        rng = self._rng_for("freeze")
        async with asyncio.TaskGroup() as group:
            while True:
                await asyncio.sleep(rng.uniform(2, 6))
                zombie = rng.random() < 0.25
                kind: Kind = "worker" if zombie or rng.random() < 0.5 else "gateway"
                long = ZOMBIE_S if zombie else (0.5, 5.0)
                group.create_task(self._fleet.freeze(kind, rng.uniform(*long), rng))

    async def _disturb_redis(self) -> None:
        """Restart Redis, take it away for a while, or freeze it."""
        rng = self._rng_for("sicken")
        while True:
            await asyncio.sleep(rng.uniform(8, 18))
            away_s = rng.choice((0.0, 0.5, 1.5, 4.0))
            freeze = rng.random() < 0.4
            began_s = time.time()
            self.outages += 1
            try:
                await (self._freeze_server(away_s + 0.5) if freeze else self._restart(away_s))
            finally:
                self._monitor.note_outage(began_s, time.time())

    async def _freeze_server(self, seconds: float) -> None:
        with self._server.frozen():
            await asyncio.sleep(seconds)

    async def _restart(self, away_s: float) -> None:
        self._server.kill()
        try:
            await asyncio.sleep(away_s)
        finally:
            await asyncio.to_thread(self._server.start)

    async def _disturb_dingtalk(self) -> None:
        rng = self._rng_for("spoil")
        while True:
            await asyncio.sleep(rng.uniform(5, 12))
            self._dingtalk.behaviour = rng.choice(BAD_BEHAVIOURS)
            self.bad_spells += 1
            await asyncio.sleep(rng.uniform(0.5, 2))
            self._dingtalk.behaviour = "well"

    def _rng_for(self, what: str) -> random.Random:
        return random.Random(f"{self._seed} {what}")  # noqa: S311 - must be repeatable
