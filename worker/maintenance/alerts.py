"""Tell the operators of dead letters that nobody has looked after: once, across all workers."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from datetime import datetime

from redis.asyncio import Redis
from redis.exceptions import RedisError

from dingda.shared import texts
from dingda.shared.ledger.untold import Untold, claim_untold, give_back, note_told
from dingda.shared.queue import JobQueue
from dingda.shared.runtime.clock import CHINA
from dingda.shared.runtime.logs import printable

logger = logging.getLogger(__name__)

INTERVAL_S = 10.0
_MAX_REASONS = 8
_MAX_REASON_CHARS = 80

Tell = Callable[[str], Awaitable[str]]
"""Sends a text to the operators. Returns why it was certainly not shown; "" if it may have been."""


async def tell_forever(
    redis: Redis, queue: JobQueue, tell: Tell, *, after_s: float, interval_s: float = INTERVAL_S
) -> None:
    """Look for dead letters older than `after_s` seconds, and tell of them, until cancelled."""
    while True:
        try:
            await tell_of_dead_letters(redis, queue, tell, after_s=after_s)
        except (RedisError, OSError) as error:
            logger.warning("could not look for dead letters: %s", type(error).__name__)
        await asyncio.sleep(interval_s)


async def tell_of_dead_letters(
    redis: Redis, queue: JobQueue, tell: Tell, *, after_s: float
) -> None:
    """Tell of all dead letters that are older than `after_s` seconds and untold, in one message."""
    untold = await claim_untold(redis, queue, after_s=after_s)
    if untold is None:
        return
    if why_not := await tell(describe(untold)):
        pause_s = await give_back(redis, queue, untold)
        words = "could not tell of %d dead letter(s): %s; again in %g s"
        logger.warning(words, untold.count, why_not, pause_s)
        return
    logger.info("told the operators of %d dead letter(s)", untold.count)
    await note_told(redis, queue)


def describe(untold: Untold) -> str:
    """Say how many there are and why, and what to type; nothing that anybody wrote."""
    since = datetime.fromtimestamp(untold.oldest_ms / 1000, CHINA)
    reasons = [
        texts.ALERT_REASON.format(reason=printable(reason, _MAX_REASON_CHARS), count=count)
        for reason, count in list(untold.reasons.items())[:_MAX_REASONS]
    ]
    if untold.count > sum(list(untold.reasons.values())[:_MAX_REASONS]):
        reasons.append(texts.ALERT_OTHERS)
    head = texts.ALERT.format(count=untold.count, since=f"{since:%m-%d %H:%M}")
    return "\n".join((head, *reasons, texts.ALERT_COMMANDS))
