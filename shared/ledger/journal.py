"""The journal: the messages that ended last, and how it went, in a Redis stream.

An entry is written in the step that ends a message, and nothing that anybody wrote is in it: ids,
times, names and types. The stream has a bound (`DINGDA_JOURNAL`), and the sweeper drops what is
older than a day.
"""

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Any

from redis.asyncio import Redis
from redis.exceptions import ResponseError

from dingda.shared.ledger.facts import MessageFacts, read_facts
from dingda.shared.ledger.keys import LedgerKeys
from dingda.shared.ledger.states import Outcome, join_reason
from dingda.shared.ledger.stored import whole_number
from dingda.shared.queue import JobQueue

_CHUNK = 500


@dataclass(frozen=True, slots=True)
class JournalEntry:
    """One message that has ended. Times are Redis's, in ms since 1970."""

    id: str
    """The ledger's id of the message."""
    outcome: Outcome
    reason: str
    """Of a dead letter `failed`, `expired` or `unknown`; else ""."""
    detail: str
    """What happened in particular, such as `errcode 300001`; "" if there is nothing to add."""
    facts: MessageFacts
    accepted_ms: int | None
    leased_ms: int | None
    """When a worker took it last."""
    sending_ms: int | None
    """When the right to send was claimed last."""
    ended_ms: int
    lease_count: int
    delivery_attempts: int
    """How often the reply, or its last part, was sent or could not be."""
    worker: str
    """RQ's name of the worker that had it last; "" if none had, or RQ has forgotten."""

    @property
    def full_reason(self) -> str:
        """Reason and detail as operators read them: `failed: errcode 300001`."""
        return join_reason(self.reason, self.detail)


async def read_journal(  # noqa: PLR0913 - what an operator may know of a message
    redis: Redis,
    queue: JobQueue,
    *,
    since_ms: int | None = None,
    until_ms: int | None = None,
    id_prefix: str = "",
    msg_id: str = "",
    sender: str = "",
    conversation: str = "",
    skill: str = "",
    outcome: str = "",
    limit: int = 100,
) -> list[JournalEntry]:
    """Read the messages that ended last and match all that is given, the newest first.

    Reads the stream backwards a part at a time, so it costs what it has to pass over. An entry that
    a foreign hand has spoilt is passed over.

    Args:
        redis: a client that decodes responses. What it raises is raised.
        queue: the queue that the messages go through.
        since_ms: they ended then or later, in ms since 1970.
        until_ms: they ended then or earlier.
        id_prefix: the beginning of the ledger's id.
        msg_id: DingTalk's id.
        sender: the staff id, or the encrypted id of a sender who has none.
        conversation: DingTalk's id of the conversation.
        skill: the skill's name.
        outcome: an `Outcome`, or a dead letter's reason.
        limit: how many at the most.
    """
    wanted = {"msg_id": msg_id, "sender": sender, "conversation": conversation, "skill": skill}
    wanted = {name: value for name, value in wanted.items() if value}
    found: list[JournalEntry] = []
    async for entry in _entries(redis, LedgerKeys(queue.name).journal, since_ms, until_ms):
        if len(found) >= limit:
            break
        if (
            entry.id.startswith(id_prefix)
            and (not outcome or outcome in (entry.outcome, entry.reason))
            and all(getattr(entry.facts, name) == value for name, value in wanted.items())
        ):
            found.append(entry)
    return found


async def _entries(
    redis: Redis, key: str, since_ms: int | None, until_ms: int | None
) -> AsyncIterator[JournalEntry]:
    """The readable entries of a time, the newest first."""
    least = "-" if since_ms is None else str(max(0, since_ms))
    most = "+" if until_ms is None else str(max(0, until_ms))
    while True:
        try:
            rows: Any = await redis.xrevrange(key, most, least, count=_CHUNK)
        except ResponseError:  # something else is in its place
            return
        for stream_id, fields in rows:
            if entry := _entry(stream_id, fields):
                yield entry
        if len(rows) < _CHUNK:
            return
        most = f"({rows[-1][0]}"


def _entry(stream_id: str, fields: Mapping[str, str]) -> JournalEntry | None:
    try:
        return JournalEntry(
            id=fields["id"],
            outcome=Outcome(fields["state"]),
            reason=fields["reason"],
            detail=fields["detail"],
            facts=read_facts(fields["facts"]),
            accepted_ms=whole_number(fields["accepted_ms"]),
            leased_ms=whole_number(fields["leased_ms"]),
            sending_ms=whole_number(fields["sending_ms"]),
            ended_ms=int(stream_id.partition("-")[0]),
            lease_count=whole_number(fields["leases"]) or 0,
            delivery_attempts=whole_number(fields["attempts"]) or 0,
            worker=fields["worker"],
        )
    except (LookupError, ValueError, TypeError):
        return None
