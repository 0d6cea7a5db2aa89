"""Dead letters that operators have not been told of: which, and the claim to tell them.

All workers look, and one of them may tell. What it claims it has told, whatever becomes of it
afterwards, unless it gives the claim back: so nothing is told twice.

The key `alerts` is a hash: `until_ms`, the time of death up to which all have been told (ms since
1970); `next_ms`, when the next may be told; `failures`, how often in a row telling has failed.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from redis.asyncio import Redis
from redis.exceptions import WatchError

from dingda.shared.ledger.keys import LedgerKeys
from dingda.shared.ledger.states import join_reason
from dingda.shared.ledger.stored import whole_number
from dingda.shared.queue import JobQueue

PAUSE_MS = 60_000
"""How long after one telling the next may follow; a custom robot takes 20 messages a minute."""
_LONGEST_PAUSE_MS = 3_600_000
_MAX_READ = 500


@dataclass(frozen=True, slots=True)
class Untold:
    """Dead letters that one worker has claimed to tell of."""

    count: int
    reasons: Mapping[str, int]
    """How many there are of each reason, the most frequent first, of the first 500 of them."""
    oldest_ms: int
    """When the first of them died, in ms since 1970."""
    until_ms: int
    """The time of death up to which they are claimed."""
    before: Mapping[str, str]
    """What the key held before."""


async def claim_untold(redis: Redis, queue: JobQueue, *, after_s: float) -> Untold | None:
    """Claim the dead letters that are older than `after_s` and have not been told of.

    Args:
        redis: a client that decodes responses. What it raises is raised.
        queue: the queue that the messages go through.
        after_s: how long ago they died, at least, in seconds.

    Returns:
        What to tell of; None if there is nothing, it is too early, or another worker does it.
    """
    keys = LedgerKeys(queue.name)
    async with redis.pipeline() as pipeline:
        await pipeline.watch(keys.alerts)
        before: Any = await pipeline.hgetall(keys.alerts)
        seconds, microseconds = await pipeline.time()
        now_ms = seconds * 1000 + microseconds // 1000
        if now_ms < _number(before, "next_ms"):
            return None
        first, until_ms = f"({_number(before, 'until_ms')}", now_ms - round(after_s * 1000)
        count = await pipeline.zcount(keys.dead, first, until_ms)
        if not count:
            return None
        dead: Any = await pipeline.zrangebyscore(
            keys.dead, first, until_ms, start=0, num=_MAX_READ, withscores=True
        )
        pipeline.multi()  # type: ignore[no-untyped-call]
        claimed: dict[Any, Any] = {"until_ms": until_ms, "next_ms": now_ms + PAUSE_MS}
        pipeline.hset(keys.alerts, mapping=claimed)
        try:
            await pipeline.execute()
        except WatchError:
            return None
    reasons = await _reasons(redis, keys, [message_id for message_id, _ in dead])
    return Untold(count, reasons, round(dead[0][1]), until_ms, before)


async def note_told(redis: Redis, queue: JobQueue) -> None:
    """Note that telling works."""
    await redis.hdel(LedgerKeys(queue.name).alerts, "failures")


async def give_back(redis: Redis, queue: JobQueue, untold: Untold) -> float:
    """Give back a claim on what certainly nobody was told of, for a later attempt.

    Returns:
        How long until then, in seconds: a minute, and twice as long after each failure in a row, up
        to an hour.
    """
    key = LedgerKeys(queue.name).alerts
    failures = _number(untold.before, "failures") + 1
    pause_ms = min(PAUSE_MS << min(failures - 1, 10), _LONGEST_PAUSE_MS)
    async with redis.pipeline() as pipeline:
        await pipeline.watch(key)
        held: Any = await pipeline.hgetall(key)
        if _number(held, "until_ms") == untold.until_ms:
            pipeline.multi()  # type: ignore[no-untyped-call]
            pipeline.hset(
                key,
                mapping={
                    "until_ms": _number(untold.before, "until_ms"),
                    "next_ms": _number(held, "next_ms") - PAUSE_MS + pause_ms,
                    "failures": failures,
                },
            )
            await pipeline.execute()
    return pause_ms / 1000


async def _reasons(redis: Redis, keys: LedgerKeys, ids: list[str]) -> dict[str, int]:
    async with redis.pipeline(transaction=False) as pipeline:
        for message_id in ids:
            pipeline.hmget(keys.message(message_id), "reason", "detail")
        records = await pipeline.execute(raise_on_error=False)
    found = (each if isinstance(each, list) else ["", ""] for each in records)
    counted = Counter(join_reason(reason or "", detail or "") for reason, detail in found)
    return dict(counted.most_common())


def _number(stored: Mapping[str, str], name: str) -> int:
    return whole_number(stored.get(name)) or 0
