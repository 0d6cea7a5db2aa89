"""Operators' queries of the ledger, and what they do with its dead letters."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from redis.asyncio import Redis
from redis.exceptions import ResponseError

from dingda.shared.dingtalk.message import Envelope, read_envelope
from dingda.shared.dingtalk.notification import is_notification
from dingda.shared.errors import InvalidMessageError
from dingda.shared.ledger.facts import read_facts
from dingda.shared.ledger.histograms import Histogram, Stage, read_histograms
from dingda.shared.ledger.keys import LedgerKeys
from dingda.shared.ledger.scripts import DiscardArguments, LedgerScripts, RetryDeadLetterArguments
from dingda.shared.ledger.states import (
    SPOILT,
    Counts,
    DeadLetter,
    DeadLetterHead,
    DeadReason,
    RetryResult,
    join_reason,
)
from dingda.shared.ledger.stored import whole_number
from dingda.shared.ledger.times import MARGIN_MS
from dingda.shared.queue import JobQueue, job_data, rq_now

_FIELDS = ("reason", "detail", "accepted_ms", "leases", "facts")
_UNREADABLE = (DeadReason.FAILED, SPOILT, None, None, None)
_A_ROUND_TRIP = 1000
"""Dead letters that one round trip reads, so that the server is not kept from others for long."""


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
            missed_ticks=found.get("missed_ticks", 0),
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
        return await self._read_dead_letters(await self._dead_ids(0, -1))

    async def read_dead_letters(self, heads: Iterable[DeadLetterHead]) -> list[DeadLetter]:
        """The dead letters with these heads, in their order."""
        return await self._read_dead_letters([(head.id, head.ended_ms) for head in heads])

    async def dead_letter_count(self) -> int:
        """How many dead letters are on the list."""
        return int(await self._redis.zcard(self._keys.dead))

    async def dead_letter_heads(self, *, newest: int) -> list[DeadLetterHead]:
        """Up to `newest` dead letters without their payloads, the newest first."""
        heads: list[DeadLetterHead] = []
        for first in range(0, newest, _A_ROUND_TRIP):
            ids = await self._dead_ids(first, min(first + _A_ROUND_TRIP, newest) - 1)
            heads += await self._read_heads(ids)
            if len(ids) < _A_ROUND_TRIP:
                break
        # One that died meanwhile has pushed another from one round trip into the next.
        return list({head.id: head for head in heads}.values())

    async def heads_of(self, message_ids: Sequence[str]) -> list[DeadLetterHead]:
        """Those of these messages that are on the list of dead letters, without their payloads."""
        if not message_ids:
            return []
        ended: list[Any] = await self._redis.zmscore(self._keys.dead, list(message_ids))
        listed = [each for each in zip(message_ids, ended, strict=True) if each[1] is not None]
        return await self._read_heads(listed)

    async def payload(self, message_id: str) -> bytes | None:
        """The callback's body of a message; None once it has ended, or its session has closed."""
        async with self._redis.pipeline(transaction=False) as pipeline:
            pipeline.hget(self._keys.message(message_id), "payload")
            pipeline.get(self._keys.dead_letter_payload(message_id))
            found = await pipeline.execute(raise_on_error=False)
        return next((each.encode() for each in found if isinstance(each, str)), None)

    async def _dead_ids(self, first: int, last: int) -> list[tuple[str, float]]:
        """Ids of dead letters, each with the time of its end, the newest first."""
        key = self._keys.dead
        found: list[Any] = await self._redis.zrevrange(key, first, last, withscores=True)
        return [(message_id, ended_ms) for message_id, ended_ms in found]

    async def _read_heads(self, ids: Sequence[tuple[str, float]]) -> list[DeadLetterHead]:
        async with self._redis.pipeline(transaction=False) as pipeline:
            for message_id, _ in ids:
                pipeline.hmget(self._keys.message(message_id), "reason", "detail")
                pipeline.pttl(self._keys.dead_letter_payload(message_id))
            found = await pipeline.execute(raise_on_error=False)
        return list(map(_dead_letter_head, ids, found[::2], found[1::2]))

    async def _read_dead_letters(self, ids: Sequence[tuple[str, float]]) -> list[DeadLetter]:
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
        line = _ordering_key_in(await self.payload(message_id))
        arguments = RetryDeadLetterArguments(
            message_id, MARGIN_MS, job_data(message_id), rq_now(), line
        )
        return RetryResult(await self._scripts.run(arguments))

    async def discard(self, message_id: str) -> bool:
        """Take a dead letter off the list and delete its payload; False if there is none."""
        return bool(await self._scripts.run(DiscardArguments(message_id)))


def _ordering_key_in(payload: bytes | None) -> str:
    """The ordering key of a message, for the dialogue that it continues; "" where it has none."""
    if payload is None or is_notification(payload):
        return ""
    try:
        envelope = read_envelope(payload)
    except InvalidMessageError:
        return ""
    return envelope.ordering_key if isinstance(envelope, Envelope) else ""


def _dead_letter(message_id: str, ended_ms: float, record: Any, payload: Any) -> DeadLetter:
    fields = record if isinstance(record, list) else _UNREADABLE
    reason, detail, accepted_ms, leases, facts = fields
    return DeadLetter(
        id=message_id,
        reason=join_reason(reason or "", detail or ""),
        lease_count=_count_of(leases),
        accepted_ms=_count_of(accepted_ms),
        ended_ms=_count_of(f"{ended_ms:.0f}"),
        payload=payload.encode() if isinstance(payload, str) else None,
        facts=read_facts(facts),
    )


def _dead_letter_head(id_: tuple[str, float], record: Any, remaining_ms: Any) -> DeadLetterHead:
    reason, detail = record if isinstance(record, list) else _UNREADABLE[:2]
    is_open = isinstance(remaining_ms, int) and remaining_ms > MARGIN_MS
    return DeadLetterHead(
        id=id_[0],
        reason=join_reason(reason or "", detail or ""),
        ended_ms=_count_of(f"{id_[1]:.0f}"),
        retry_within_ms=remaining_ms - MARGIN_MS if is_open else 0,
    )


def _count_of(stored: object) -> int:
    """Read a number from a record; 0 where it is missing, or spoilt by a foreign hand."""
    return whole_number(stored) or 0


def _group(found: Mapping[str, int], prefix: str) -> dict[str, int]:
    return {k.removeprefix(prefix): n for k, n in sorted(found.items()) if k.startswith(prefix)}
