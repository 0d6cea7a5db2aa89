"""`dingda status` and `dingda worker alive`: the totals, the queue and the workers."""

from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any

from redis.asyncio import Redis
from rq.utils import utcparse

from dingda.shared.ledger.admin import LedgerAdmin
from dingda.shared.ledger.keys import LedgerKeys
from dingda.shared.queue import JobQueue, message_of_job
from dingda.shared.runtime.command_line import to_json
from dingda.shared.runtime.logs import printable

_HEARTBEAT_TIMEOUT = timedelta(seconds=30)
"""How long a worker may send no heartbeat: it sends one every ten seconds."""


@dataclass(frozen=True, slots=True)
class Status:
    """The state of the bot; ages are in seconds, the rest are counts."""

    accepted: int
    answered: int
    unmatched: int
    refused: int
    dead: dict[str, int]
    ignored: dict[str, int]
    revived: int
    open: int
    queued: int
    oldest_s: float
    in_flight: int
    workers: int


async def read_status(redis: Redis, admin: LedgerAdmin, queue: JobQueue) -> Status:
    """Read the totals, the queue and the workers.

    Args:
        redis: a client that decodes responses.
        admin: the operators' view of the ledger.
        queue: the RQ queue.
    """
    counts = await admin.counts()
    _, queue_key = queue.keys
    async with redis.pipeline(transaction=False) as pipeline:
        pipeline.llen(queue_key)
        pipeline.lindex(queue_key, 0)
        pipeline.scard(queue.workers_key)
        pipeline.zcard(LedgerKeys(queue.name).due)
        queued, head, workers, due = await pipeline.execute()
    return Status(
        accepted=counts.accepted,
        answered=counts.answered,
        unmatched=counts.unmatched,
        refused=counts.declined,
        dead=counts.dead,
        ignored=counts.ignored,
        revived=counts.revived,
        open=counts.open,
        queued=queued,
        oldest_s=await admin.age_s(message_of_job(head)) if head else 0.0,
        in_flight=due,
        workers=workers,
    )


async def is_working(redis: Redis, queue: JobQueue, *, host: str, now: datetime) -> bool:
    """Whether a worker on this host has sent a heartbeat lately; a blocked loop sends none.

    Args:
        redis: a client that decodes responses.
        queue: the RQ queue.
        host: the host's name.
        now: the present.
    """
    for key in await redis.smembers(queue.workers_key):
        facts: list[Any] = await redis.hmget(key, "hostname", "last_heartbeat")
        hostname, heartbeat = facts
        with suppress(ValueError):
            if hostname == host and heartbeat and now - utcparse(heartbeat) < _HEARTBEAT_TIMEOUT:
                return True
    return False


def show_status(status: Status, *, as_json: bool) -> str:
    """A line for each figure, or one JSON object."""
    facts = asdict(status)
    if as_json:
        return to_json(facts)
    lines = []
    for name, value in facts.items():
        shown = value
        if isinstance(value, dict):
            shown = ", ".join(f"{printable(k)} {n}" for k, n in value.items()) or 0
        lines.append(f"{name:10} {shown}")
    return "\n".join(lines)
