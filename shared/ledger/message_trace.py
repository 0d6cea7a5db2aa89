"""All that Redis knows of one message, found by the ledger's id of it or by DingTalk's."""

from collections.abc import AsyncIterator, Awaitable
from dataclasses import dataclass
from typing import Any, cast

from redis.asyncio import Redis
from redis.exceptions import ResponseError

from dingda.shared.ledger.facts import MessageFacts, read_facts
from dingda.shared.ledger.journal import JournalEntry, read_journal
from dingda.shared.ledger.keys import LedgerKeys
from dingda.shared.ledger.stored import whole_number
from dingda.shared.ledger.timeline import MessageTimeline, read_timelines
from dingda.shared.queue import JobQueue

_ID_DIGITS, _MIN_DIGITS = 64, 4
_CHUNK = 500
_ENOUGH = 50
"""How many entries of one message, which ends again each time that it is revived, are looked at."""


@dataclass(frozen=True, slots=True)
class MessageTrace:
    """One message: its way so far, and what was noted of it."""

    id: str
    timeline: MessageTimeline
    facts: MessageFacts
    delivery_attempts: int
    """How often the reply, or its last part, was sent or could not be."""


async def read_message(redis: Redis, queue: JobQueue, wanted: str) -> MessageTrace | None:
    """Find a message, open or ended, and read what is known of it.

    Args:
        redis: a client that decodes responses. What it raises is raised.
        queue: the queue that the messages go through.
        wanted: the ledger's id of it or at least its first four digits; or DingTalk's msgId. That
            one looks at the journal and at all messages that are open or dead letters: the ledger's
            id can't be computed from it, since a robot's own user id is part of that as well.

    Returns:
        The message; None if nothing is known of it, or if more than one fits.
    """
    ids = {wanted} if _is_id(wanted, _ID_DIGITS) else await _find(redis, queue, wanted)
    if len(ids) != 1:
        return None
    (message_id,) = ids
    (timeline,) = await read_timelines(redis, queue, [message_id])
    payload, facts, failed = await _record(redis, LedgerKeys(queue.name).message(message_id))
    if timeline and not timeline.ended:
        noted = read_facts(facts) if facts else MessageFacts.of_payload((payload or "").encode())
        return MessageTrace(message_id, timeline, noted, whole_number(failed) or 0)
    entries = await read_journal(redis, queue, id_prefix=message_id, limit=1)
    if entries:
        return _ended(entries[0])
    return MessageTrace(message_id, timeline, read_facts(facts), 0) if timeline else None


async def _record(redis: Redis, key: str) -> tuple[Any, Any, Any]:
    """What is noted in a message's record besides its timeline."""
    try:
        payload, facts, failed = await cast(
            "Awaitable[list[Any]]", redis.hmget(key, "payload", "facts", "attempts")
        )
    except ResponseError:  # something else is in its place
        return None, None, None
    return payload, facts, failed


def _ended(entry: JournalEntry) -> MessageTrace:
    timeline = MessageTimeline(
        state=entry.outcome,
        reason=entry.full_reason,
        accepted_ms=entry.accepted_ms or 0,
        leased_ms=entry.leased_ms,
        sending_ms=entry.sending_ms,
        ended_ms=entry.ended_ms,
        lease_count=entry.lease_count,
        retry_at_ms=None,
        worker=entry.worker,
    )
    return MessageTrace(entry.id, timeline, entry.facts, entry.delivery_attempts)


def _is_id(text: str, digits: int) -> bool:
    """Whether a text is an id of the ledger's, or its beginning, of at least so many digits."""
    return digits <= len(text) <= _ID_DIGITS and set(text) <= set("0123456789abcdef")


async def _find(redis: Redis, queue: JobQueue, wanted: str) -> set[str]:
    """The ids that begin with what is wanted; else those of messages that DingTalk calls so."""
    if _is_id(wanted, _MIN_DIGITS):
        found = {message_id async for message_id in _kept_ids(redis, queue)}
        entries = await read_journal(redis, queue, id_prefix=wanted, limit=_ENOUGH)
        if fits := {*(id_ for id_ in found if id_.startswith(wanted)), *(e.id for e in entries)}:
            return fits
    entries = await read_journal(redis, queue, msg_id=wanted, limit=_ENOUGH)
    return {entry.id for entry in entries} or await _find_kept(redis, queue, wanted)


async def _kept_ids(redis: Redis, queue: JobQueue) -> AsyncIterator[str]:
    """The ids of all open messages and dead letters."""
    keys = LedgerKeys(queue.name)
    async with redis.pipeline(transaction=False) as pipeline:
        for key in (keys.queued, keys.due, keys.dead):
            pipeline.zrange(key, 0, -1)
        pipeline.smembers(keys.resting)
        found = await pipeline.execute(raise_on_error=False)
    for ids in found:
        if not isinstance(ids, Exception):
            for message_id in ids:
                yield message_id


async def _find_kept(redis: Redis, queue: JobQueue, msg_id: str) -> set[str]:
    """The ids of open messages and dead letters that DingTalk calls so."""
    keys, fits = LedgerKeys(queue.name), set[str]()
    ids = [message_id async for message_id in _kept_ids(redis, queue)]
    for begin in range(0, len(ids), _CHUNK):
        chunk = ids[begin : begin + _CHUNK]
        async with redis.pipeline(transaction=False) as pipeline:
            for message_id in chunk:
                pipeline.hmget(keys.message(message_id), "payload", "facts")
            records = await pipeline.execute(raise_on_error=False)
        for message_id, record in zip(chunk, records, strict=True):
            payload, facts = record if isinstance(record, list) else (None, None)
            if _msg_id_of(payload, facts, msg_id) == msg_id:
                fits.add(message_id)
    return fits


def _msg_id_of(payload: str | None, facts: str | None, wanted: str) -> str:
    """DingTalk's id of a kept message, as far as it may be the one that is wanted."""
    if facts:
        return read_facts(facts).msg_id
    # Reading all bodies would take long; JSON may write a slash in two ways.
    if not payload or wanted not in payload.replace("\\/", "/"):
        return ""
    return MessageFacts.of_payload(payload.encode()).msg_id
