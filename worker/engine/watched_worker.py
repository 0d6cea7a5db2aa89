"""The worker, as its watchdog sees it."""

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from dingda.shared.ledger.ledger import Ledger
from dingda.shared.ledger.states import Lease
from dingda.shared.queue import JobQueue
from dingda.shared.runtime.redis_clients import create_bounded_redis
from dingda.shared.runtime.settings import Settings
from dingda.worker.engine.concurrent_worker import ConcurrentWorker

logger = logging.getLogger(__name__)

_RELEASE_TIMEOUT_S = 4.0
"""How long releasing leases may take when the loop is blocked."""


@dataclass(frozen=True)
class WatchedWorker:
    """A worker, and the leases that it must release when it has stopped working.

    Args:
        worker: runs the jobs.
        held_leases: the leases of the messages that are being answered, by their ids.
        has_stuck_threads: whether no blocking call can be made any more.
        settings: how to reach Redis.
    """

    worker: ConcurrentWorker
    held_leases: Mapping[str, Lease]
    has_stuck_threads: Callable[[], bool]
    settings: Settings

    @property
    def are_threads_stuck(self) -> bool:
        """Whether no blocking call can be made any more."""
        return self.has_stuck_threads()

    def give_up(self, reason: str) -> None:
        """End in good order, and soon; called on the loop."""
        self.worker.give_up(reason)

    def release_others(self, culprit_id: str) -> None:
        """Release the leases of all messages but this one; called from a thread."""
        others = [lease for lease in list(self.held_leases.values()) if lease.id != culprit_id]
        asyncio.run(_release(others, self.settings))

    def sign_off(self) -> None:
        """Tell RQ that the worker is gone; called from a thread."""
        self.worker.sign_off()


async def _release(leases: Sequence[Lease], settings: Settings) -> None:
    """Release leases over connections of its own: those of the worker's loop are blocked."""
    redis = create_bounded_redis(settings.redis_address, timeout_s=_RELEASE_TIMEOUT_S / 2)
    queue = JobQueue.create(
        settings.queue,
        skill_timeout_s=settings.skill_timeout,
        result_ttl_s=settings.result_ttl,
    )
    ledger = Ledger(redis, queue)
    try:
        async with asyncio.timeout(_RELEASE_TIMEOUT_S):
            results = await asyncio.gather(*map(ledger.release, leases), return_exceptions=True)
    finally:
        await redis.aclose()
    logger.warning("released %d other message(s)", results.count(None))
