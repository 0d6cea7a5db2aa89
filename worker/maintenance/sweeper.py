"""The sweeper, in every worker: it enqueues messages of dead workers and lost jobs again."""

import asyncio
import logging
from collections.abc import Callable

from redis.exceptions import RedisError

from dingda.shared.ledger.ledger import Ledger

logger = logging.getLogger(__name__)

INTERVAL_S = 2.0


async def sweep_forever(
    ledger: Ledger,
    *,
    interval_s: float = INTERVAL_S,
    on_requeued: Callable[[int], object] | None = None,
) -> None:
    """Sweep every `interval_s` seconds until cancelled; an outage of Redis is waited out.

    Args:
        ledger: what to sweep.
        interval_s: seconds between two sweeps.
        on_requeued: told how many messages were enqueued again, after each sweep that found some.
    """
    while True:
        try:
            enqueued = await ledger.sweep()
        except (RedisError, OSError) as error:
            logger.warning("could not sweep: %s", type(error).__name__)
        else:
            if enqueued:
                logger.warning("enqueued %d overdue message(s) again", enqueued)
                if on_requeued:
                    on_requeued(enqueued)
        await asyncio.sleep(interval_s)
