"""What stores messages, composed from the settings: the same behind HTTP and behind Stream."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from redis.asyncio import Redis

from dingda.gateway.intake import Intake
from dingda.gateway.metrics import GatewayMetrics
from dingda.gateway.receiver import Receiver
from dingda.gateway.worker_presence import WorkerPresence
from dingda.shared.ledger.ledger import Ledger
from dingda.shared.ledger.worker_report import read_worker_presence
from dingda.shared.queue import JobQueue
from dingda.shared.runtime.loop_lag import measure_loop_lag
from dingda.shared.runtime.redis_clients import create_intake_redis
from dingda.shared.runtime.settings import Settings
from dingda.shared.runtime.tracing import Tracing, create_tracing

_CONNECT_TIMEOUT_S = 0.5

BackgroundTask = Callable[[], Coroutine[Any, Any, None]]


@dataclass(frozen=True, slots=True)
class ReceiverParts:
    """The receiver, and the parts that it stores messages with."""

    receiver: Receiver
    ledger: Ledger
    workers: WorkerPresence
    _redis: Redis
    _intake: Intake
    _tracing: Tracing
    _background: tuple[BackgroundTask, ...]

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Store messages for as long as the context is open; those that wait at its end fail."""
        async with self._intake.running():
            tasks = [asyncio.create_task(each()) for each in self._background]
            try:
                yield
            finally:
                for task in tasks:
                    task.cancel()
        await self._redis.aclose()
        self._tracing.close()


def compose(
    settings: Settings,
    *,
    service: str,
    redis: Redis | None = None,
    metrics: GatewayMetrics | None = None,
) -> ReceiverParts:
    """Build what stores messages.

    Args:
        settings: all of it; nothing else is read from the environment.
        service: the name of the process's kind, for traces.
        redis: a client to use instead of one made from the settings; it decodes responses.
        metrics: counts what this process does; None: nothing is counted.
    """
    client = redis or create_intake_redis(
        settings.redis_address, connect_timeout_s=_CONNECT_TIMEOUT_S
    )
    queue = JobQueue.create(
        settings.queue,
        skill_timeout_s=settings.skill_timeout,
        result_ttl_s=settings.result_ttl,
    )
    ledger = Ledger(client, queue, replicas=settings.redis_replicas)
    intake = Intake(ledger, backlog_limit=settings.backlog_limit, metrics=metrics)
    workers = WorkerPresence(lambda: read_worker_presence(client, queue))
    tracing = create_tracing(settings.tracing, service=service)
    receiver = Receiver(
        intake,
        ledger,
        tracing,
        workers=None if settings.no_workers == "wait" else workers,
        stores_without_workers=settings.no_workers == "notice",
        robots=settings.robots,
        metrics=metrics,
    )
    background: list[BackgroundTask] = [workers.watch]
    if metrics:
        background.append(lambda: measure_loop_lag(metrics.loop_lagged))
    return ReceiverParts(receiver, ledger, workers, client, intake, tracing, tuple(background))
