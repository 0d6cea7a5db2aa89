"""A ledger on a Redis of its own, for the tests of the ledger."""

from collections.abc import Awaitable, Callable
from typing import Any

import fakeredis

from dingda.shared.dingtalk.message import Message
from dingda.shared.dingtalk.reply import Text, to_body
from dingda.shared.ledger.admin import LedgerAdmin
from dingda.shared.ledger.ledger import Ledger
from dingda.shared.ledger.states import (
    AcceptResult,
    Completion,
    Counts,
    DeadReason,
    Lease,
    Outcome,
    PreparedReply,
    read_outcome,
)
from dingda.shared.queue import JobQueue, message_of_job
from tests.support.builders import KEYS, a_callback, now_ms

HANDOVER_MS = 30
APART_MS = 300
JOURNAL = 1_000
ANSWERED = Completion(Outcome.ANSWERED)
PREPARED = PreparedReply(to_body(Text("北京 9℃")), ANSWERED)
LONG = PreparedReply(b'"1"', ANSWERED, (b'"2"', b'"3"'))
"""A reply in three parts."""
COMPLETIONS = [
    ANSWERED,
    Completion(Outcome.UNMATCHED),
    Completion(Outcome.DECLINED),
    Completion(Outcome.DEAD, DeadReason.FAILED, "ValueError in the skill"),
    Completion(Outcome.DEAD, DeadReason.EXPIRED),
    Completion(Outcome.DEAD, DeadReason.UNKNOWN, "no answer"),
]
WELL = COMPLETIONS[:3]
"""The ends that leave no dead letter."""
OPEN_STATES = {"accepted", "leased", "sending"}
Step = Callable[[Ledger, Lease], Awaitable[Any]]
STEPS: dict[str, Step] = {
    "renew": Ledger.renew,
    "claim_send": Ledger.claim_send,
    "finish": lambda ledger, lease: ledger.finish(lease, ANSWERED),
    "dead": lambda ledger, lease: ledger.finish(
        lease, Completion(Outcome.DEAD, DeadReason.FAILED, "late")
    ),
    "retry": lambda ledger, lease: ledger.retry(lease, pause_ms=0, prepared=PREPARED),
    "release": Ledger.release,
    "next_part": lambda ledger, lease: ledger.next_part(lease, LONG.next),
}
"""What the holder of a lease can do."""


class LedgerHarness:
    """A ledger on a Redis of its own, with what tests do to it and read from it."""

    def __init__(self, server: fakeredis.FakeServer) -> None:
        self.redis = fakeredis.FakeAsyncRedis(server=server, decode_responses=True)
        queue = JobQueue.create("dingda", skill_timeout_s=30)
        self.queue = queue
        self.admin = LedgerAdmin(self.redis, queue)
        self.ledger = Ledger(
            self.redis, queue, journal=JOURNAL, handover_ms=HANDOVER_MS, apart_ms=APART_MS
        )

    async def accept(self, *messages: Message, backlog_limit: int = 100) -> list[AcceptResult]:
        """Accept messages, each with a body that says its id."""
        pairs = [(message, body_of(message)) for message in messages]
        return await self.ledger.accept(pairs, backlog_limit=backlog_limit)

    async def leased(self, message: Message) -> Lease:
        """Accept a message, take its job off the queue and lease it, as a worker does."""
        await self.accept(message)
        await self.pop()
        return await self.lease(message)

    async def lease(self, message: Message) -> Lease:
        lease = await self.ledger.lease(message.id)
        assert isinstance(lease, Lease)
        return lease

    async def taken_over(self, message: Message) -> tuple[Lease, Lease]:
        """Let a first worker lose a message to a second one."""
        first = await self.leased(message)
        await self.make_overdue(message)
        await self.ledger.sweep()
        await self.pop()
        return first, await self.lease(message)

    async def pop(self) -> str | None:
        """Take the next job off the queue, as RQ does."""
        job_id: Any = await self.redis.lpop("rq:queue:dingda")
        return None if job_id is None else str(job_id)

    async def waiting(self) -> list[str]:
        """The messages whose jobs are on the queue, in order."""
        job_ids: Any = await self.redis.lrange("rq:queue:dingda", 0, -1)
        return [message_of_job(str(job_id)) for job_id in job_ids]

    async def make_overdue(self, message: Message) -> None:
        """Let the time pass by when a sweeper must look at a message."""
        assert await self.redis.zscore(KEYS.due, message.id) is not None
        await self.redis.zadd(KEYS.due, {message.id: 0})

    async def end_session(self, message: Message) -> None:
        """Let the time pass by until which the message could be answered."""
        await self.redis.hset(KEYS.message(message.id), "expires_ms", 1)

    async def stored(self, message: Message) -> dict[str, str]:
        found: Any = await self.redis.hgetall(KEYS.message(message.id))
        return dict(found)

    async def dead_letter_payload(self, message: Message) -> bytes | None:
        """The callback's body that a dead letter keeps."""
        kept: Any = await self.redis.get(KEYS.dead_letter_payload(message.id))
        return None if kept is None else str(kept).encode()

    async def die(self, message: Message) -> None:
        completion = Completion(Outcome.DEAD, DeadReason.FAILED, "ValueError in the skill")
        await self.ledger.finish(await self.leased(message), completion)

    async def due_in_ms(self, message: Message) -> float | None:
        score: Any = await self.redis.zscore(KEYS.due, message.id)
        return None if score is None else float(score) - now_ms()

    async def counts(self) -> Counts:
        return await self.admin.counts()

    async def check_the_invariant(self) -> None:
        """What is counted is what is stored: accepted + revived = ended + open; and by state."""
        states = list[str]()
        without_record = {key async for key in self.redis.scan_iter(KEYS.ended("*"))}
        async for key in self.redis.scan_iter(KEYS.message("*")):
            states.append(str(await self.redis.hget(key, "state")))
            without_record.discard(KEYS.ended(key.removeprefix(KEYS.message(""))))
        for key in without_record:
            states += filter(None, [read_outcome(await self.redis.get(key))])
        counts = await self.counts()
        dead = sum(counts.dead.values()) - counts.revived
        ended = (counts.answered, counts.unmatched, counts.declined, dead)
        assert ended == tuple(states.count(end.value) for end in Outcome)
        assert counts.open == sum(state in OPEN_STATES for state in states)
        assert counts.accepted == sum(ended) + counts.open == len(states)
        assert counts.accepted + counts.revived == counts.ended + counts.open


def body_of(message: Message) -> bytes:
    return a_callback(f"天气 {message.id}", createAt=0, sessionWebhookExpiredTime=0)
