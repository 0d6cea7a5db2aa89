"""What a soak runs: gateways, workers that are restarted in turn, and what operators look at."""

import asyncio
import itertools
import signal
from collections.abc import Mapping
from contextlib import ExitStack
from typing import Self

from dingda.simulator.testing.processes import free_port
from tests.soak.views import Views, read_tasks, read_views
from tests.support.processes import SECRET, Process

_STARTS_WITHIN_S = 60.0
_DRAINS_WITHIN_S = 60.0
SKILLS = "dingda.worker.skills.demo,tests.e2e.slow_skill"


class SoakDeployment:
    """Two gateways, three workers, and the operators' exporter and dashboard.

    Worker 1 is never restarted, so that it shows whether a worker grows.

    Args:
        redis: the settings by which all of them find Redis.
        origin: DingTalk's, for replies.
    """

    def __init__(self, redis: Mapping[str, str], *, origin: str) -> None:
        self.restarts = self.kills = 0
        self.gateway_ports = (free_port(), free_port())
        self.exporter_port, self.dashboard_port, self.worker_port = (free_port() for _ in range(3))
        self._settings = {
            **redis,
            "DINGDA_APP_SECRET": SECRET,
            "DINGDA_SKILLS": SKILLS,
            "DINGDA_SESSION_WEBHOOK_ORIGINS": origin,
        }
        self._running: dict[str, Process] = {}

    def __enter__(self) -> Self:
        with ExitStack() as undo:
            undo.callback(self.close)
            for number, port in enumerate(self.gateway_ports, 1):
                self._start(f"gateway {number}", "gateway", "listening on", DINGDA_PORT=str(port))
            self._start_worker(1, DINGDA_METRICS_PORT=str(self.worker_port))
            self._start_worker(2)
            self._start_worker(3)
            self._start("exporter", f"metrics --port {self.exporter_port}", "http://")
            self._start("dashboard", f"dashboard --port {self.dashboard_port}", "http://")
            undo.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End every process at once."""
        for process in self._running.values():
            process.close()

    @property
    def lasting_pids(self) -> dict[str, int]:
        """The processes that live as long as the run."""
        return {
            name: process.popen.pid
            for name, process in self._running.items()
            if name not in ("worker 2", "worker 3")
        }

    async def read_views(self) -> Views:
        """Read what operators see."""
        return await read_views(
            self._settings,
            exporter=f"http://127.0.0.1:{self.exporter_port}",
            dashboard=f"http://127.0.0.1:{self.dashboard_port}",
        )

    async def read_tasks(self) -> int:
        """How many tasks are on the event loop of worker 1."""
        return await read_tasks(f"http://127.0.0.1:{self.worker_port}")

    async def restart_workers(self, *, every_s: float) -> None:
        """Restart workers 2 and 3 in turn until cancelled: two by SIGTERM, then one by SIGKILL."""
        for number in itertools.count():
            await asyncio.sleep(every_s)
            await asyncio.to_thread(self._restart_worker, 2 + number % 2, kill=number % 3 == 2)

    def _restart_worker(self, number: int, *, kill: bool) -> None:
        worker = self._running[f"worker {number}"]
        if kill:
            self.kills += 1
        else:
            worker.stop(signal.SIGTERM, within_s=_DRAINS_WITHIN_S)
            self.restarts += 1
        worker.close()
        self._start_worker(number)

    def _start_worker(self, number: int, **settings: str) -> None:
        self._start(f"worker {number}", "worker", "takes up to", **settings)

    def _start(self, name: str, command: str, ready: str, **settings: str) -> None:
        process = Process("-m", "dingda", *command.split(), env=self._settings | settings)
        self._running[name] = process
        process.wait_for(ready, within_s=_STARTS_WITHIN_S)
