"""Timestamps of one message's state transitions, by Redis's clock, as the scripts wrote them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from redis.asyncio import Redis

from dingda.shared.ledger.keys import LedgerKeys
from dingda.shared.ledger.states import MessageState, Outcome, join_reason, read_outcome
from dingda.shared.ledger.stored import whole_number
from dingda.shared.queue import JobQueue, job_id_of

_FIELDS = (
    *("state", "reason", "detail", "accepted_ms", "leased_ms", "sending_ms"),
    *("ended_ms", "leases", "not_before_ms", "job"),
)


@dataclass(frozen=True, slots=True)
class MessageTimeline:
    """What the ledger and RQ know of one message; times in ms since 1970.

    >>> timeline = dingtalk.ask("咖啡").story
    >>> timeline.state, timeline.lease_count
    ('answered', 1)
    """

    state: str
    """A `MessageState`, as it is stored."""
    reason: str
    """For a dead letter: `failed: …`, `expired` or `unknown: …`."""
    accepted_ms: int
    """When it was stored and put on the queue; 0 once only the state is known of it, some minutes
    after its end."""
    leased_ms: int | None
    """When a worker took it last; its skill begins here."""
    sending_ms: int | None
    """When the reply was claimed to be sent, after that; the skill is done."""
    ended_ms: int | None
    lease_count: int
    """How often it was leased."""
    retry_at_ms: int | None
    """When it may be leased again, after a delivery that failed for now."""
    worker: str
    """The worker that leased it last, by RQ's name; "" if none has, or RQ has forgotten."""

    @property
    def ended(self) -> bool:
        """Whether it has come to its end."""
        return self.state in frozenset(Outcome)


async def read_timelines(
    redis: Redis, queue: JobQueue, message_ids: Sequence[str]
) -> list[MessageTimeline | None]:
    """Read timelines of messages in two round trips; None where the ledger knows nothing.

    Args:
        redis: a client that decodes responses. What it raises is raised.
        queue: the queue that the messages go through.
        message_ids: the ledger's ids of them.
    """
    keys = LedgerKeys(queue.name)
    async with redis.pipeline(transaction=False) as pipeline:
        for message_id in message_ids:
            pipeline.hmget(keys.message(message_id), *_FIELDS)
            pipeline.get(keys.ended(message_id))
        found = await pipeline.execute(raise_on_error=False)
        rows = list(map(_row, found[::2], found[1::2]))
        for message_id, (*_, job) in zip(message_ids, rows, strict=True):
            pipeline.hget(queue.job_key(job_id_of(message_id, job)), "worker_name")
        workers = await pipeline.execute(raise_on_error=False)
    return [
        _timeline(row, worker if isinstance(worker, str) else "")
        for row, worker in zip(rows, workers, strict=True)
    ]


def _row(record: Any, remembered: Any) -> Sequence[Any]:
    """The fields of a record; where there is none, at most the state is known."""
    if isinstance(record, list) and record[0] is not None:
        return record
    return [read_outcome(remembered), *[None] * (len(_FIELDS) - 1)]


def _timeline(row: Sequence[Any], worker: str) -> MessageTimeline | None:
    state, reason, detail, accepted, leased, sending, ended, leases, not_before, _ = row
    if state is None:
        return None
    leased_ms, sending_ms = whole_number(leased), whole_number(sending)
    # A claim by an earlier attempt is no step of this one.
    stale = leased_ms is None or sending_ms is None or sending_ms < leased_ms
    return MessageTimeline(
        state=state,
        reason=join_reason(reason or "", detail or ""),
        accepted_ms=whole_number(accepted) or 0,
        leased_ms=leased_ms,
        sending_ms=None if stale else sending_ms,
        ended_ms=whole_number(ended),
        lease_count=whole_number(leases) or 0,
        retry_at_ms=whole_number(not_before) if state == MessageState.ACCEPTED else None,
        worker=worker,
    )
