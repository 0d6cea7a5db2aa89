"""The kinds of keys that are left in Redis once nothing is open any more."""

import asyncio
import re
import time
from collections import Counter

from redis.asyncio import Redis

_MANY_BY_DESIGN = (
    "dingda:message:*",
    "dingda:ended:*",
    "dingda:letter:*",
    "dingda:dialogue:*",
)
"""Of messages that have ended, and questions that are open: they expire by themselves
(docs/delivery.md and docs/dialogue.md say when)."""
MOST_OTHERS = 60
"""How many other keys a quiet bot may have: workers, counts, queues, caches."""
_LOOK_S = 5.0


async def count_keys(redis: Redis, *, within_s: float) -> Counter[str]:
    """Count the keys by kind, as soon as there are few enough of them, or at last.

    Args:
        redis: a client that decodes responses.
        within_s: how long RQ may take to tidy up after workers that were killed, in seconds.
    """
    give_up_at = time.monotonic() + within_s
    while True:
        keys = await _count_once(redis)
        if others(keys) <= MOST_OTHERS or time.monotonic() > give_up_at:
            return keys
        await asyncio.sleep(_LOOK_S)


def others(keys: Counter[str]) -> int:
    """How many keys belong to no ended message."""
    return sum(count for kind, count in keys.items() if kind not in _MANY_BY_DESIGN)


async def _count_once(redis: Redis) -> Counter[str]:
    keys: Counter[str] = Counter()
    async for key in redis.scan_iter(count=1_000):
        keys[_kind(key)] += 1
    return keys


def _kind(key: str) -> str:
    """A key without what is one message's, one worker's or one sender's.

    >>> _kind("dingda:message:" + "0" * 64), _kind("rq:queue:dingda")
    ('dingda:message:*', 'rq:queue:dingda')
    """
    return re.sub(r"[0-9a-f]{16,}.*", "*", key)
