"""What runs and is served beside the simulated DingTalk, as the control of the demo."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from redis.asyncio import Redis
from starlette.routing import BaseRoute

from dingda.shared.queue import JobQueue
from dingda.simulator.dingtalk.change_notifier import ChangeNotifier
from dingda.simulator.dingtalk.simulation import Simulation
from dingda.simulator.http.events import View
from dingda.simulator.watch import LedgerWatch


@dataclass(frozen=True, slots=True)
class Surroundings:
    """The parts of the simulator that a companion may use."""

    dingtalk: Simulation
    changes: ChangeNotifier
    ledger: Redis
    queue: JobQueue
    watch: LedgerWatch


class Companion(Protocol):
    """Runs and is served beside the simulator, and ends before it."""

    @property
    def routes(self) -> Sequence[BaseRoute]:
        """What it adds to the API."""

    @property
    def views(self) -> dict[str, View]:
        """What it adds to the events, by their names."""

    async def run(self) -> None:
        """Run until `stop`; if it returns before that, the server stops."""

    async def stop(self) -> None:
        """End, while the server still answers."""


CreateCompanion = Callable[[Surroundings], Companion]
