"""What adds to the simulator's server, as the control of the demo does."""

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
class SimulatorParts:
    """The parts of the simulator that an extension may use."""

    dingtalk: Simulation
    changes: ChangeNotifier
    ledger: Redis
    queue: JobQueue
    watch: LedgerWatch


class Extension(Protocol):
    """Runs with the server, adds to what it serves, and ends before it."""

    @property
    def supervises_workers(self) -> bool:
        """Whether it starts each worker again that ends."""

    @property
    def routes(self) -> Sequence[BaseRoute]:
        """What it adds to the API."""

    @property
    def views(self) -> dict[str, View]:
        """What it adds to the events, by their names."""

    async def run(self) -> int:
        """Run until `stop`; if it returns before that, the server stops.

        Returns:
            The exit status for the process.
        """

    async def stop(self) -> None:
        """End, while the server still answers."""


CreateExtension = Callable[[SimulatorParts], Extension]
