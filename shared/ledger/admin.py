"""Operators' queries of the ledger, and what they do with its dead letters."""

from collections.abc import Mapping
from typing import Any

from redis.asyncio import Redis
from redis.exceptions import ResponseError

from dingda.shared.ledger.histograms import Histogram, Stage, read_histograms
from dingda.shared.ledger.keys import LedgerKeys
from dingda.shared.ledger.scripts import DiscardArguments, LedgerScripts, RetryDeadLetterArguments
from dingda.shared.ledger.states import (
    SPOILT,
    Counts,
    DeadLetter,
    DeadReason,
    RetryResult,
    join_reason,
)
from dingda.shared.ledger.stored import whole_number
from dingda.shared.ledger.times import MARGIN_MS
from dingda.shared.queue import JobQueue, job_data, rq_now

_FIELDS = ("reason", "detail", "accepted_ms", "leases")
_UNREADABLE = (DeadReason.FAILED, SPOILT, None, None)


class LedgerAdmin:
    """The operators' view of a ledger.

    Every method may raise what the Redis client raises. A record that a foreign hand has spoilt
    raises nothing: its unreadable fields are left out.

    Args:
        redis: a client that decodes responses.
        queue: the RQ queue that the messages go through.
    """

    def __init__(self, redis: Redis, queue: JobQueue) -> None:
        self._redis = redis
        self._keys = LedgerKeys(queue.name)
        self._scripts = LedgerScripts(redis, queue)

    async def counts(self) -> Counts:
        """The totals, all read at one moment."""
        stored = await self._redis.hgetall(self._keys.count)
        found = {str(name): _count_of(total) for name, total in stored.items()}
        return Counts(
            accepted=found.get("accepted", 0),
            answered=found.get("answered", 0),
            unmatched=found.get("unmatched", 0),
            declined=found.get("refused", 0),
            dead=_group(found, "dead:"),
            ignored=_group(found, "ignored:"),
            revived=found.get("revived", 0),
            unreplicated=found.get("unreplicated", 0),
        )

    async def histograms(self) -> dict[Stage, Histogram]:
        """How long the messages took that have ended so far, by stage."""
        try:
            stored: Any = await self._redis.hgetall(self._keys.histograms)
        except ResponseError:  # something else is in its place
            stored = {}
        return read_histograms(stored)

    async def age_s(self, message_id: str) -> float:
        """Seconds since a message was accepted, by Redis's clock; 0 if it is not known."""
        try:
            stored = await self._redis.hget(self._keys.message(message_id), "accepted_ms")
        except ResponseError:  # something else is in its place
            return 0.0
        seconds, microseconds = await self._redis.time()
        accepted_ms = _count_of(stored)
        return seconds + microseconds / 1e6 - accepted_ms / 1000 if accepted_ms else 0.0

    async def dead_letters(self) -> list[DeadLetter]:
        """All dead letters, the newest first."""
        ids: list[Any] = await self._redis.zrevrange(self._keys.dead, 0, -1, withscores=True)
        async with self._redis.pipeline(transaction=False) as pipeline:
            for message_id, _ in ids:
                pipeline.hmget(self._keys.message(message_id), *_FIELDS)
                pipeline.get(self._keys.dead_letter_payload(message_id))
            found = await pipeline.execute(raise_on_error=False)
        return [
            _dead_letter(message_id, ended_ms, record, payload)
            for (message_id, ended_ms), record, payload in zip(
                ids, found[::2], found[1::2], strict=True
            )
        ]

    async def retry_dead_letter(self, message_id: str) -> RetryResult:
        """Accept a dead letter once more, or say why that is impossible."""
        arguments = RetryDeadLetterArguments(message_id, MARGIN_MS, job_data(message_id), rq_now())
        return RetryResult(await self._scripts.run(arguments))

    async def discard(self, message_id: str) -> bool:
        """Take a dead letter off the list and delete its payload; False if there is none."""
        return bool(await self._scripts.run(DiscardArguments(message_id)))


def _dead_letter(message_id: str, ended_ms: float, record: Any, payload: Any) -> DeadLetter:
    reason, detail, accepted_ms, leases = record if isinstance(record, list) else _UNREADABLE
    return DeadLetter(
        id=message_id,
        reason=join_reason(reason or "", detail or ""),
        lease_count=_count_of(leases),
        accepted_ms=_count_of(accepted_ms),
        ended_ms=_count_of(f"{ended_ms:.0f}"),
        payload=payload.encode() if isinstance(payload, str) else None,
    )


def _count_of(stored: object) -> int:
    """Read a number from a record; 0 where it is missing, or spoilt by a foreign hand."""
    return whole_number(stored) or 0


def _group(found: Mapping[str, int], prefix: str) -> dict[str, int]:
    return {k.removeprefix(prefix): n for k, n in sorted(found.items()) if k.startswith(prefix)}
