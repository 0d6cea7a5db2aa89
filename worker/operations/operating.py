"""What an operator asks the ledger: how things stand, and what became of the dead letters.

What others have chosen, such as a group's name, is shown as one line that a terminal can't obey.
"""

import json
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any

from redis.asyncio import Redis
from rq.utils import utcparse

from dingda.shared.dingtalk.message import Message, parse_message
from dingda.shared.errors import InvalidMessageError
from dingda.shared.ledger.admin import LedgerAdmin
from dingda.shared.ledger.keys import LedgerKeys
from dingda.shared.ledger.states import DeadLetter, RetryResult
from dingda.shared.queue import JobQueue, message_of_job
from dingda.shared.runtime.logs import printable

_SILENCE = timedelta(seconds=30)
"""How long a worker may say nothing: it beats every ten seconds."""
_SHORT = 12
"""How much of an id is shown; any beginning that fits one letter names it."""
_REFUSALS = {
    RetryResult.EXPIRED: "its session has closed, so DingTalk would not take a reply any more",
    RetryResult.GONE: "there is no such message",
}


@dataclass(frozen=True, slots=True)
class Status:
    """How things stand; ages are in seconds, the rest are counts."""

    accepted: int
    answered: int
    unmatched: int
    refused: int
    dead: dict[str, int]
    ignored: dict[str, int]
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
        open=counts.open,
        queued=queued,
        oldest_s=await admin.age_s(message_of_job(head)) if head else 0.0,
        in_flight=due,
        workers=workers,
    )


async def is_working(redis: Redis, queue: JobQueue, *, host: str, now: datetime) -> bool:
    """Whether a worker of a host has lately told RQ that it lives, as only a loop that turns does.

    Args:
        redis: a client that decodes responses.
        queue: the RQ queue.
        host: the name of the host.
        now: the present.
    """
    for key in await redis.smembers(queue.workers_key):
        facts: list[Any] = await redis.hmget(key, "hostname", "last_heartbeat")
        hostname, heartbeat = facts
        with suppress(ValueError):
            if hostname == host and heartbeat and now - utcparse(heartbeat) < _SILENCE:
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


def show_letters(letters: Sequence[DeadLetter], *, as_json: bool, now_s: float) -> str:
    """A line for each dead letter, the newest first, or a JSON list. Never what was said."""
    facts = [_facts(letter, now_s) for letter in letters]
    if as_json:
        return to_json(facts)
    if not facts:
        return "no dead letters"
    return "\n".join(
        f"{_short(fact['id'])}  {fact['age_s']:>7.0f} s ago  leased {fact['lease_count']}×  "
        f"{_shown(fact['conversation'] or '-')}  {_shown(fact['reason'])}"
        for fact in facts
    )


async def retry_letter(admin: LedgerAdmin, letter: DeadLetter) -> tuple[bool, str]:
    """Try a dead letter again; whether it is on its way, and a sentence about it."""
    result = await admin.retry_dead_letter(letter.id)
    if result is RetryResult.ACCEPTED:
        return True, f"{_short(letter.id)}  accepted again"
    why = _REFUSALS.get(result, f"it is {result}")
    return False, f"{_short(letter.id)}  not retried: {why}"


def find_letter(letters: Sequence[DeadLetter], name: str) -> DeadLetter | None:
    """The one letter whose id begins with a name; None if there is none, or several."""
    fitting = [letter for letter in letters if letter.id.startswith(name)]
    return fitting[0] if len(fitting) == 1 else None


def show_letter(letter: DeadLetter, *, as_json: bool, now_s: float) -> str:
    """All that may be told of a dead letter, a line for each fact, or a JSON object."""
    facts = _facts(letter, now_s)
    if as_json:
        return to_json(facts)
    return "\n".join(f"{name:12} {_shown(value)}" for name, value in facts.items())


def _shown(value: object) -> str:
    return printable(str(value))


def _short(message_id: object) -> str:
    return _shown(str(message_id)[:_SHORT])


def to_json(facts: object) -> str:
    """As JSON, whose own escapes stand for what a terminal might obey."""
    return "".join(
        c if c.isprintable() else json.dumps(c)[1:-1] for c in json.dumps(facts, ensure_ascii=False)
    )


def _facts(letter: DeadLetter, now_s: float) -> dict[str, object]:
    return {
        "id": letter.id,
        "reason": letter.reason,
        "lease_count": letter.lease_count,
        "age_s": round(now_s - letter.ended_ms / 1000, 1),
        "waited_s": round((letter.ended_ms - letter.accepted_ms) / 1000, 1),
        "conversation": _conversation(letter),
        "can_retry": letter.payload is not None,
    }


def _conversation(letter: DeadLetter) -> str:
    try:
        message = parse_message(letter.payload or b"")
    except InvalidMessageError:
        return ""
    return message.conversation_title if isinstance(message, Message) else ""
