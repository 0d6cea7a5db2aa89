import asyncio
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import fakeredis
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rq import Queue
from rq.job import Job, JobStatus
from rq.serializers import JSONSerializer

from shared.errors import LeaseLostError
from shared.ledger import (
    DEAD_LETTER_S,
    LEASE_MS,
    LONGEST_SESSION_MS,
    MARGIN_MS,
    OUTCOME_MS,
    REMEMBER_S,
    UNSTATED_SESSION_MS,
    Acceptance,
    Counts,
    End,
    Ending,
    Lease,
    Ledger,
    Prepared,
)
from shared.message import Message
from shared.queue import JOB_FUNCTION, JobQueue
from shared.reply import Text, to_body
from tests.builders import SESSION_MS, a_callback, a_message, now_ms

HANDOVER_MS = 30
ANSWERED = Ending(End.ANSWERED)
PREPARED = Prepared(to_body(Text("北京 9℃")), ANSWERED)
ENDINGS = [
    ANSWERED,
    Ending(End.UNMATCHED),
    Ending(End.REFUSED),
    Ending(End.DEAD, "failed: ValueError in the skill"),
    Ending(End.DEAD, "expired"),
    Ending(End.DEAD, "unknown: no answer"),
]
OPEN_STATES = {"accepted", "leased", "sending"}


class World:
    """A ledger on a Redis of its own, and what a test wants to see of it and do to it."""

    def __init__(self, server: fakeredis.FakeServer) -> None:
        self.redis = fakeredis.FakeAsyncRedis(server=server, decode_responses=True)
        queue = JobQueue.create("dingda", skill_timeout_s=30)
        self.ledger = Ledger(self.redis, queue, handover_ms=HANDOVER_MS)

    async def accept(self, *messages: Message, backlog_limit: int = 100) -> list[Acceptance]:
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
        return [str(job_id).rpartition("-")[0] for job_id in job_ids]

    async def make_overdue(self, message: Message) -> None:
        """Let the time pass by when somebody must look at a message."""
        assert await self.redis.zscore("dingda:due", message.id) is not None
        await self.redis.zadd("dingda:due", {message.id: 0})

    async def end_session(self, message: Message) -> None:
        """Let the time pass by until which the message could be answered."""
        await self.redis.hset(f"dingda:message:{message.id}", "expires_ms", 1)

    async def stored(self, message: Message) -> dict[str, str]:
        found: Any = await self.redis.hgetall(f"dingda:message:{message.id}")
        return dict(found)

    async def due_in_ms(self, message: Message) -> float | None:
        score: Any = await self.redis.zscore("dingda:due", message.id)
        return None if score is None else float(score) - now_ms()

    async def counts(self) -> Counts:
        return await self.ledger.counts()

    async def check_the_invariant(self) -> None:
        """What is counted is what is stored: accepted = ended + open, in total and by state."""
        states = list[str]()
        async for key in self.redis.scan_iter("dingda:message:*"):
            state: Any = await self.redis.hget(key, "state")
            states.append(str(state))
        counts = await self.counts()
        ended = (counts.answered, counts.unmatched, counts.refused, sum(counts.dead.values()))
        assert ended == tuple(states.count(end.value) for end in End)
        assert counts.open == sum(state in OPEN_STATES for state in states)
        assert counts.accepted == sum(ended) + counts.open == len(states)


def body_of(message: Message) -> bytes:
    return a_callback(f"天气 {message.id}", createAt=0, sessionWebhookExpiredTime=0)


@pytest.fixture
def server() -> fakeredis.FakeServer:
    return fakeredis.FakeServer()


@pytest.fixture
async def world(server: fakeredis.FakeServer) -> AsyncIterator[World]:
    """A world of its own for each test; the invariant must hold whatever the test did."""
    world = World(server)
    yield world
    await world.check_the_invariant()
    await world.redis.aclose()


@pytest.fixture
def message() -> Message:
    return a_message()


@pytest.fixture
def other() -> Message:
    return a_message(msgId="msgBBBB==")


# Accepting


async def test_a_new_message_is_accepted_and_enqueued(world: World, message: Message) -> None:
    assert await world.accept(message) == [Acceptance.ACCEPTED]
    assert await world.waiting() == [message.id]
    counts = await world.counts()
    assert (counts.accepted, counts.open) == (1, 1)


async def test_what_is_accepted_is_a_job_that_rq_can_run(
    world: World, server: fakeredis.FakeServer, message: Message
) -> None:
    await world.accept(message)
    connection = fakeredis.FakeRedis(server=server)
    queue = Queue("dingda", connection=connection, serializer=JSONSerializer)
    assert Queue.all(connection=connection, serializer=JSONSerializer) == [queue]
    job = Job.fetch(queue.job_ids[0], connection=connection, serializer=JSONSerializer)
    assert (job.func_name, list(job.args), job.kwargs) == (JOB_FUNCTION, [message.id], {})
    assert (job.origin, job.get_status()) == ("dingda", JobStatus.QUEUED)
    assert job.created_at is not None
    assert job.enqueued_at is not None


async def test_a_job_holds_nothing_of_a_message_but_its_id(
    world: World, server: fakeredis.FakeServer, message: Message
) -> None:
    await world.accept(message)
    fields: Any = fakeredis.FakeRedis(server=server).hgetall(f"rq:job:{message.id}-1")
    values = [zlib.decompress(fields.pop(b"data")), *fields.values()]
    assert "天气".encode() in body_of(message)
    assert not [value for value in values if "天气".encode() in value or b"session=" in value]
    assert [value for value in values if message.id.encode() in value] == values[:1]


async def test_a_message_that_comes_again_is_a_duplicate(world: World, message: Message) -> None:
    await world.accept(message)
    assert await world.accept(message) == [Acceptance.DUPLICATE]
    assert await world.waiting() == [message.id]
    assert (await world.counts()).accepted == 1


async def test_a_message_that_stands_twice_in_a_batch_is_accepted_once(
    world: World, message: Message, other: Message
) -> None:
    assert await world.accept(message, other, message) == [
        Acceptance.ACCEPTED,
        Acceptance.ACCEPTED,
        Acceptance.DUPLICATE,
    ]
    assert await world.waiting() == [message.id, other.id]


async def test_a_batch_keeps_its_order(world: World) -> None:
    messages = [a_message(msgId=f"msg{number}") for number in range(20)]
    assert await world.accept(*messages) == [Acceptance.ACCEPTED] * 20
    assert await world.waiting() == [message.id for message in messages]


async def test_an_empty_batch_is_nothing(world: World) -> None:
    assert await world.accept() == []


@pytest.mark.parametrize("ending", ENDINGS)
async def test_a_message_that_comes_again_after_its_end_is_a_duplicate(
    world: World, message: Message, ending: Ending
) -> None:
    await world.ledger.done(await world.leased(message), ending)
    assert await world.accept(message) == [Acceptance.DUPLICATE]
    assert await world.waiting() == []


async def test_what_exceeds_the_backlog_is_not_recorded(
    world: World, message: Message, other: Message
) -> None:
    assert await world.accept(message, other, backlog_limit=1) == [
        Acceptance.ACCEPTED,
        Acceptance.FULL,
    ]
    assert await world.stored(other) == {}
    assert await world.waiting() == [message.id]
    assert (await world.counts()).accepted == 1


async def test_who_was_refused_for_the_backlog_may_come_again(
    world: World, message: Message, other: Message
) -> None:
    await world.accept(message, other, backlog_limit=1)
    await world.pop()
    assert await world.accept(other, backlog_limit=1) == [Acceptance.ACCEPTED]


async def test_a_full_backlog_still_knows_a_duplicate(world: World, message: Message) -> None:
    await world.accept(message)
    assert await world.accept(message, backlog_limit=1) == [Acceptance.DUPLICATE]


# Leasing


async def test_a_lease_holds_what_is_needed_to_answer(world: World, message: Message) -> None:
    lease = await world.leased(message)
    assert (lease.id, lease.payload, lease.attempt) == (message.id, body_of(message), 1)
    assert lease.prepared is None
    assert 0 <= SESSION_MS - MARGIN_MS - lease.left_ms < 5_000


async def test_a_leased_message_cannot_be_leased_again(world: World, message: Message) -> None:
    await world.leased(message)
    assert await world.ledger.lease(message.id) == "leased"


async def test_a_message_whose_reply_is_on_the_wire_cannot_be_leased(
    world: World, message: Message
) -> None:
    await world.ledger.sending(await world.leased(message))
    assert await world.ledger.lease(message.id) == "sending"


@pytest.mark.parametrize("ending", ENDINGS)
async def test_an_ended_message_cannot_be_leased(
    world: World, message: Message, ending: Ending
) -> None:
    await world.ledger.done(await world.leased(message), ending)
    assert await world.ledger.lease(message.id) == ending.end


async def test_an_unknown_message_cannot_be_leased(world: World, message: Message) -> None:
    assert await world.ledger.lease(message.id) == "gone"


async def test_only_one_of_many_workers_gets_the_lease(world: World, message: Message) -> None:
    await world.accept(message)
    results = await asyncio.gather(*(world.ledger.lease(message.id) for _ in range(8)))
    assert [result for result in results if not isinstance(result, Lease)] == ["leased"] * 7


async def test_every_lease_has_a_token_of_its_own(
    world: World, message: Message, other: Message
) -> None:
    tokens = {(await world.leased(message)).token, (await world.leased(other)).token}
    assert len(tokens) == 2
    assert all(len(token) == 16 for token in tokens)


async def test_a_lease_shows_neither_token_nor_words(world: World, message: Message) -> None:
    lease = await world.leased(message)
    shown = repr(lease)
    assert message.id in shown
    assert lease.token not in shown
    assert "sessionWebhook" not in shown


async def test_a_lease_lasts_for_its_time(world: World, message: Message) -> None:
    await world.leased(message)
    due_in_ms = await world.due_in_ms(message)
    assert due_in_ms is not None
    assert LEASE_MS - 5_000 < due_in_ms <= LEASE_MS


async def test_a_leased_message_is_not_handed_on_before_its_time(
    world: World, message: Message
) -> None:
    await world.leased(message)
    await asyncio.sleep(HANDOVER_MS / 1000 * 1.5)
    assert await world.ledger.sweep() == 0
    assert await world.ledger.sweep() == 0
    assert (await world.stored(message))["state"] == "leased"


@pytest.mark.parametrize("left_ms", [MARGIN_MS - 1_000, 0, -(10**9)])
async def test_a_message_is_not_leased_so_shortly_before_its_sessions_end(
    world: World, left_ms: int
) -> None:
    late = a_message(sessionWebhookExpiredTime=now_ms() + left_ms)
    await world.accept(late)
    assert await world.ledger.lease(late.id) == "expired"
    assert (await world.counts()).dead == {"expired": 1}
    assert await world.ledger.lease(late.id) == "dead"


async def test_a_message_is_leased_while_more_than_the_margin_is_left(world: World) -> None:
    late = a_message(sessionWebhookExpiredTime=now_ms() + MARGIN_MS + 2_000)
    lease = await world.leased(late)
    assert 0 < lease.left_ms <= 2_000


async def test_a_session_of_unstated_end_is_taken_to_last_ten_minutes(world: World) -> None:
    lease = await world.leased(a_message(sessionWebhookExpiredTime=None))
    assert 0 <= UNSTATED_SESSION_MS - MARGIN_MS - lease.left_ms < 5_000


@pytest.mark.parametrize("expires_ms", [253_402_300_799_000, 10**19, 10**400])
async def test_a_session_is_not_believed_to_last_for_ever(world: World, expires_ms: int) -> None:
    lease = await world.leased(a_message(sessionWebhookExpiredTime=expires_ms))
    assert 0 <= LONGEST_SESSION_MS - MARGIN_MS - lease.left_ms < 5_000


@pytest.mark.parametrize("expires_ms", [0, -1, -(10**19), -(10**400)])
async def test_a_session_that_never_was_is_expired(world: World, expires_ms: int) -> None:
    message = a_message(sessionWebhookExpiredTime=expires_ms)
    await world.accept(message)
    assert await world.ledger.lease(message.id) == "expired"


# Holding on


async def test_a_renewed_lease_lasts_longer(world: World, message: Message) -> None:
    lease = await world.leased(message)
    await world.make_overdue(message)
    await world.ledger.renew(lease)
    assert await world.ledger.sweep() == 0
    due_in_ms = await world.due_in_ms(message)
    assert due_in_ms is not None
    assert LEASE_MS - 5_000 < due_in_ms <= LEASE_MS


async def test_a_lease_is_not_renewed_while_sending(world: World, message: Message) -> None:
    lease = await world.leased(message)
    await world.ledger.sending(lease)
    with pytest.raises(LeaseLostError):
        await world.ledger.renew(lease)


async def test_the_right_to_send_is_given_once(world: World, message: Message) -> None:
    lease = await world.leased(message)
    await world.ledger.sending(lease)
    with pytest.raises(LeaseLostError):
        await world.ledger.sending(lease)


async def test_sending_may_take_its_time(world: World, message: Message) -> None:
    await world.ledger.sending(await world.leased(message))
    due_in_ms = await world.due_in_ms(message)
    assert due_in_ms is not None
    assert OUTCOME_MS - 5_000 < due_in_ms <= OUTCOME_MS


async def test_the_asker_is_told_once_to_wait(world: World, message: Message) -> None:
    lease = await world.leased(message)
    assert await world.ledger.notice(lease)
    assert not await world.ledger.notice(lease)


async def test_the_asker_is_told_once_whichever_worker_tells(
    world: World, message: Message
) -> None:
    first = await world.leased(message)
    assert await world.ledger.notice(first)
    await world.ledger.hand_back(first)
    await world.ledger.sweep()
    assert not await world.ledger.notice(await world.lease(message))


async def test_nobody_is_told_to_wait_for_a_reply_on_the_wire(
    world: World, message: Message
) -> None:
    lease = await world.leased(message)
    await world.ledger.sending(lease)
    assert not await world.ledger.notice(lease)


# Losing a lease

STEPS: dict[str, Callable[[Ledger, Lease], Awaitable[None]]] = {
    "renew": Ledger.renew,
    "sending": Ledger.sending,
    "done": lambda ledger, lease: ledger.done(lease, ANSWERED),
    "dead": lambda ledger, lease: ledger.done(lease, Ending(End.DEAD, "failed: late")),
    "retry": lambda ledger, lease: ledger.retry(lease, pause_ms=0, prepared=PREPARED),
    "hand_back": Ledger.hand_back,
}


@pytest.mark.parametrize("step", STEPS.values(), ids=STEPS)
async def test_who_lost_a_lease_can_do_nothing_while_another_holds_it(
    world: World, message: Message, step: Callable[[Ledger, Lease], Awaitable[None]]
) -> None:
    stale, held = await world.taken_over(message)
    before = await world.stored(message)
    with pytest.raises(LeaseLostError):
        await step(world.ledger, stale)
    assert not await world.ledger.notice(stale)
    assert await world.stored(message) == before
    await world.ledger.sending(held)


@pytest.mark.parametrize("step", STEPS.values(), ids=STEPS)
async def test_who_lost_a_lease_can_do_nothing_while_another_sends(
    world: World, message: Message, step: Callable[[Ledger, Lease], Awaitable[None]]
) -> None:
    stale, held = await world.taken_over(message)
    await world.ledger.sending(held)
    with pytest.raises(LeaseLostError):
        await step(world.ledger, stale)
    await world.ledger.done(held, ANSWERED)


@pytest.mark.parametrize("step", STEPS.values(), ids=STEPS)
async def test_who_lost_a_lease_can_do_nothing_before_another_takes_it(
    world: World, message: Message, step: Callable[[Ledger, Lease], Awaitable[None]]
) -> None:
    stale = await world.leased(message)
    await world.make_overdue(message)
    await world.ledger.sweep()
    with pytest.raises(LeaseLostError):
        await step(world.ledger, stale)
    assert (await world.stored(message))["state"] == "accepted"


@pytest.mark.parametrize("step", STEPS.values(), ids=STEPS)
async def test_nothing_can_be_done_after_the_end(
    world: World, message: Message, step: Callable[[Ledger, Lease], Awaitable[None]]
) -> None:
    lease = await world.leased(message)
    await world.ledger.done(lease, Ending(End.REFUSED))
    with pytest.raises(LeaseLostError):
        await step(world.ledger, lease)
    assert (await world.stored(message))["state"] == "refused"
    assert (await world.counts()).refused == 1


@pytest.mark.parametrize("step", STEPS.values(), ids=STEPS)
async def test_nothing_can_be_done_after_giving_it_back(
    world: World, message: Message, step: Callable[[Ledger, Lease], Awaitable[None]]
) -> None:
    lease = await world.leased(message)
    await world.ledger.retry(lease, pause_ms=0, prepared=PREPARED)
    with pytest.raises(LeaseLostError):
        await step(world.ledger, lease)


# Ending


@pytest.mark.parametrize("from_sending", [True, False])
@pytest.mark.parametrize("ending", ENDINGS)
async def test_an_ended_message_keeps_nothing_of_what_was_said(
    world: World, message: Message, ending: Ending, *, from_sending: bool
) -> None:
    first = await world.leased(message)
    await world.ledger.retry(first, pause_ms=0, prepared=PREPARED)
    lease = await world.lease(message)
    if from_sending:
        await world.ledger.sending(lease)
    await world.ledger.done(lease, ending)
    stored = await world.stored(message)
    assert (stored.pop("state"), stored.pop("reason")) == (ending.end, ending.reason)
    assert stored.keys() == {"accepted_ms", "ended_ms", "leases"}
    assert all(value.isdigit() for value in stored.values())
    assert await world.due_in_ms(message) is None


@pytest.mark.parametrize("ending", ENDINGS)
async def test_an_ended_message_is_remembered_for_a_while(
    world: World, message: Message, ending: Ending
) -> None:
    await world.ledger.done(await world.leased(message), ending)
    remember_s = DEAD_LETTER_S if ending.end is End.DEAD else REMEMBER_S
    assert remember_s - 5 < await world.redis.ttl(f"dingda:message:{message.id}") <= remember_s


async def test_an_open_message_is_not_forgotten(world: World, message: Message) -> None:
    await world.leased(message)
    assert await world.redis.ttl(f"dingda:message:{message.id}") == -1


@pytest.mark.parametrize("ending", ENDINGS)
async def test_only_dead_letters_are_listed(world: World, message: Message, ending: Ending) -> None:
    await world.ledger.done(await world.leased(message), ending)
    listed: Any = await world.redis.zrange("dingda:dead", 0, -1)
    assert listed == ([message.id] if ending.end is End.DEAD else [])


async def test_every_end_is_counted_by_its_name(world: World) -> None:
    for number, ending in enumerate(ENDINGS):
        await world.ledger.done(await world.leased(a_message(msgId=f"msg{number}")), ending)
    assert await world.counts() == Counts(
        accepted=6,
        answered=1,
        unmatched=1,
        refused=1,
        dead={"expired": 1, "failed": 1, "unknown": 1},
        ignored={},
    )
    assert (await world.counts()).open == 0


async def test_reasons_are_counted_by_their_first_word(world: World) -> None:
    for number, reason in enumerate(["failed: a", "failed: b", "expired: 130101"]):
        lease = await world.leased(a_message(msgId=f"msg{number}"))
        await world.ledger.done(lease, Ending(End.DEAD, reason))
    assert (await world.counts()).dead == {"failed": 2, "expired": 1}


async def test_nothing_is_swept_after_the_end(world: World, message: Message) -> None:
    await world.ledger.done(await world.leased(message), ANSWERED)
    await asyncio.sleep(HANDOVER_MS / 1000 * 1.5)
    assert await world.ledger.sweep() == 0
    assert await world.ledger.sweep() == 0
    assert await world.waiting() == []


async def test_what_is_ignored_is_counted_apart(world: World) -> None:
    for reason in ("msgtype", "msgtype", "over_quota"):
        await world.ledger.ignore(reason)
    counts = await world.counts()
    assert counts.ignored == {"msgtype": 2, "over_quota": 1}
    assert (counts.accepted, counts.open) == (0, 0)


async def test_at_the_beginning_everything_is_nought(world: World) -> None:
    assert await world.counts() == Counts(0, 0, 0, 0, {}, {})


async def test_the_counts_add_up_after_every_step(world: World, message: Message) -> None:
    steps = [
        world.accept(message),
        world.accept(message),
        world.accept(a_message(msgId="full"), backlog_limit=1),
    ]
    for step in steps:
        await step
        await world.check_the_invariant()
    first = await world.lease(message)
    await world.check_the_invariant()
    await world.ledger.sending(first)
    await world.check_the_invariant()
    await world.ledger.retry(first, pause_ms=0, prepared=PREPARED)
    await world.check_the_invariant()
    second = await world.lease(message)
    await world.check_the_invariant()
    await world.ledger.done(second, ANSWERED)
    await world.check_the_invariant()
    assert (await world.counts()).answered == 1


# Trying again


async def test_a_message_rests_for_the_pause_of_a_retry(world: World, message: Message) -> None:
    lease = await world.leased(message)
    await world.ledger.retry(lease, pause_ms=60_000, prepared=PREPARED)
    assert await world.ledger.lease(message.id) == "waiting"
    assert await world.ledger.sweep() == 0
    due_in_ms = await world.due_in_ms(message)
    assert due_in_ms is not None
    assert 55_000 < due_in_ms <= 60_000


async def test_a_message_is_enqueued_again_after_its_pause(world: World, message: Message) -> None:
    lease = await world.leased(message)
    await world.ledger.retry(lease, pause_ms=20, prepared=PREPARED)
    await asyncio.sleep(0.03)
    assert await world.ledger.sweep() == 1
    assert await world.waiting() == [message.id]


@pytest.mark.parametrize("sending", [True, False])
async def test_a_retry_sends_the_same_reply(
    world: World, message: Message, *, sending: bool
) -> None:
    first = await world.leased(message)
    if sending:
        await world.ledger.sending(first)
    await world.ledger.retry(first, pause_ms=0, prepared=PREPARED)
    second = await world.lease(message)
    assert (second.prepared, second.attempt) == (PREPARED, 2)
    assert second.payload == body_of(message)


async def test_a_retry_may_send_another_reply(world: World, message: Message) -> None:
    plainer = Prepared(to_body(Text("抱歉")), Ending(End.DEAD, "failed: 430104"))
    for prepared in (PREPARED, plainer):
        await world.accept(message)
        await world.ledger.retry(await world.lease(message), pause_ms=0, prepared=prepared)
    assert (await world.lease(message)).prepared == plainer


async def test_a_retry_may_ask_the_skill_again(world: World, message: Message) -> None:
    await world.ledger.retry(await world.leased(message), pause_ms=0, prepared=None)
    assert (await world.lease(message)).prepared is None


async def test_a_retry_is_no_death(world: World, message: Message) -> None:
    await world.accept(message)
    for _ in range(5):
        await world.ledger.retry(await world.lease(message), pause_ms=0, prepared=PREPARED)
        assert await world.ledger.sweep() == 1
    assert (await world.lease(message)).attempt == 6


async def test_what_is_handed_back_is_enqueued_at_the_next_sweep(
    world: World, message: Message
) -> None:
    await world.ledger.hand_back(await world.leased(message))
    assert await world.waiting() == []
    assert await world.ledger.sweep() == 1
    assert await world.waiting() == [message.id]
    assert (await world.lease(message)).prepared is None


async def test_what_is_handed_back_keeps_its_reply(world: World, message: Message) -> None:
    await world.ledger.retry(await world.leased(message), pause_ms=0, prepared=PREPARED)
    await world.ledger.hand_back(await world.lease(message))
    assert (await world.lease(message)).prepared == PREPARED


async def test_a_reply_on_the_wire_is_not_handed_back(world: World, message: Message) -> None:
    lease = await world.leased(message)
    await world.ledger.sending(lease)
    with pytest.raises(LeaseLostError):
        await world.ledger.hand_back(lease)
    assert (await world.stored(message))["state"] == "sending"


async def test_a_retry_ends_with_the_session(world: World, message: Message) -> None:
    await world.ledger.retry(await world.leased(message), pause_ms=0, prepared=PREPARED)
    await world.end_session(message)
    assert await world.ledger.sweep() == 0
    assert (await world.counts()).dead == {"expired": 1}


# Sweeping


async def test_a_sweep_of_nothing_does_nothing(world: World) -> None:
    assert await world.ledger.sweep() == 0


async def test_a_dead_workers_message_is_enqueued_again(world: World, message: Message) -> None:
    await world.leased(message)
    await world.make_overdue(message)
    assert await world.ledger.sweep() == 1
    assert await world.waiting() == [message.id]
    assert (await world.lease(message)).attempt == 2


async def test_a_message_is_enqueued_again_only_once(world: World, message: Message) -> None:
    await world.leased(message)
    await world.make_overdue(message)
    assert sum(await asyncio.gather(*(world.ledger.sweep() for _ in range(5)))) == 1
    assert await world.ledger.sweep() == 0
    assert await world.waiting() == [message.id]


async def test_every_job_of_a_message_has_an_id_of_its_own(world: World, message: Message) -> None:
    await world.accept(message)
    first = await world.pop()
    await world.lease(message)
    await world.make_overdue(message)
    await world.ledger.sweep()
    second = await world.pop()
    assert (first, second) == (f"{message.id}-1", f"{message.id}-2")


async def test_a_message_over_which_three_workers_died_is_given_up(
    world: World, message: Message
) -> None:
    await world.accept(message)
    for enqueued in (1, 1, 0):
        await world.lease(message)
        await world.make_overdue(message)
        assert await world.ledger.sweep() == enqueued
    stored = await world.stored(message)
    assert (stored["state"], stored["reason"]) == ("dead", "failed: workers died over it")
    assert (await world.counts()).dead == {"failed": 1}


async def test_a_reply_of_unknown_outcome_is_never_sent_again(
    world: World, message: Message
) -> None:
    lease = await world.leased(message)
    await world.ledger.sending(lease)
    await world.make_overdue(message)
    assert await world.ledger.sweep() == 0
    assert await world.waiting() == []
    assert await world.ledger.lease(message.id) == "dead"
    assert (await world.counts()).dead == {"unknown": 1}
    with pytest.raises(LeaseLostError):
        await world.ledger.done(lease, ANSWERED)


async def test_a_swept_dead_letter_keeps_nothing_of_what_was_said(
    world: World, message: Message
) -> None:
    await world.ledger.sending(await world.leased(message))
    await world.make_overdue(message)
    await world.ledger.sweep()
    stored = await world.stored(message)
    assert stored.keys() == {"state", "reason", "accepted_ms", "ended_ms", "leases"}
    ttl_s = await world.redis.ttl(f"dingda:message:{message.id}")
    assert DEAD_LETTER_S - 5 < ttl_s <= DEAD_LETTER_S
    assert await world.redis.zscore("dingda:dead", message.id) is not None


async def test_a_dead_workers_message_is_dead_once_its_session_is_over(
    world: World, message: Message
) -> None:
    await world.leased(message)
    await world.make_overdue(message)
    await world.end_session(message)
    assert await world.ledger.sweep() == 0
    assert (await world.counts()).dead == {"expired": 1}


async def test_a_message_that_was_taken_but_never_leased_is_enqueued_again(
    world: World, message: Message
) -> None:
    await world.accept(message)
    await world.pop()
    assert await world.ledger.sweep() == 0
    assert await world.ledger.sweep() == 0
    await asyncio.sleep(HANDOVER_MS / 1000 * 1.5)
    assert await world.ledger.sweep() == 1
    assert await world.waiting() == [message.id]
    assert (await world.lease(message)).attempt == 1


async def test_a_message_that_waits_in_the_queue_is_not_enqueued_again(
    world: World, message: Message, other: Message
) -> None:
    await world.accept(message, other)
    await world.pop()
    await world.ledger.sweep()
    await asyncio.sleep(HANDOVER_MS / 1000 * 1.5)
    assert await world.ledger.sweep() == 1
    assert await world.waiting() == [other.id, message.id]
    assert await world.due_in_ms(other) is None


async def test_messages_that_nobody_takes_wait_as_long_as_need_be(
    world: World, message: Message, other: Message
) -> None:
    await world.accept(message, other)
    for _ in range(3):
        assert await world.ledger.sweep() == 0
        await asyncio.sleep(HANDOVER_MS / 1000)
    assert await world.waiting() == [message.id, other.id]


async def test_messages_are_enqueued_again_when_rqs_queue_is_lost(
    world: World, message: Message, other: Message
) -> None:
    await world.accept(message, other)
    await world.redis.delete("rq:queue:dingda")
    await world.ledger.sweep()
    await asyncio.sleep(HANDOVER_MS / 1000 * 1.5)
    assert await world.ledger.sweep() == 2
    assert sorted(await world.waiting()) == sorted([message.id, other.id])


async def test_a_message_taken_late_is_not_enqueued_again(world: World, message: Message) -> None:
    await world.accept(message)
    await world.pop()
    await world.ledger.sweep()
    await world.lease(message)
    await asyncio.sleep(HANDOVER_MS / 1000 * 1.5)
    assert await world.ledger.sweep() == 0


async def test_a_job_that_was_never_taken_is_no_death(world: World, message: Message) -> None:
    await world.accept(message)
    for _ in range(5):
        await world.pop()
        await world.ledger.sweep()
        await world.make_overdue(message)
        assert await world.ledger.sweep() == 1
    assert (await world.lease(message)).attempt == 1


async def test_a_foreign_job_at_the_head_of_the_queue_does_no_harm(
    world: World, message: Message
) -> None:
    await world.accept(message)
    await world.redis.lpush("rq:queue:dingda", "somebody_elses")
    assert await world.ledger.sweep() == 0
    assert await world.due_in_ms(message) is None


async def test_a_message_that_is_gone_is_swept_away(world: World, message: Message) -> None:
    await world.redis.zadd("dingda:due", {message.id: 0})
    assert await world.ledger.sweep() == 0
    assert await world.due_in_ms(message) is None


async def test_old_dead_letters_leave_the_list(world: World, message: Message) -> None:
    await world.ledger.done(await world.leased(message), Ending(End.DEAD, "failed: a"))
    week_ms = DEAD_LETTER_S * 1000
    await world.redis.zadd("dingda:dead", {"old": now_ms() - week_ms - 1, "new": now_ms() - 1_000})
    await world.ledger.sweep()
    listed: Any = await world.redis.zrange("dingda:dead", 0, -1)
    assert listed == ["new", message.id]


async def test_more_than_one_sweep_can_carry_is_left_for_the_next(world: World) -> None:
    messages = [a_message(msgId=f"msg{number}") for number in range(501)]
    await world.accept(*messages, backlog_limit=501)
    await world.redis.zadd("dingda:due", {message.id: 0 for message in messages})
    assert [await world.ledger.sweep() for _ in range(3)] == [500, 1, 0]


async def test_a_queue_of_another_name_shares_nothing(world: World, message: Message) -> None:
    await world.accept(message)
    acme = Ledger(world.redis, JobQueue.create("acme", skill_timeout_s=30))
    assert await acme.counts() == Counts(0, 0, 0, 0, {}, {})
    assert await acme.lease(message.id) == "gone"
    await acme.accept([(message, body_of(message))], backlog_limit=1)
    assert await world.redis.llen("rq:queue:acme") == 1
    await world.redis.delete(f"acme:message:{message.id}", "acme:count")


# What is written down


@pytest.mark.parametrize("ending", ENDINGS)
def test_a_prepared_reply_is_read_as_it_was_written(ending: Ending) -> None:
    prepared = Prepared(to_body(Text("北京\n9℃ \0😀")), ending)
    assert Prepared.from_json(prepared.to_json()) == prepared


def test_a_prepared_reply_shows_no_words() -> None:
    assert "北京" in PREPARED.body.decode()
    assert "body" not in repr(PREPARED)


# Whatever happens, in whatever order

MESSAGES = [a_message(msgId=f"msg{number}") for number in range(3)]
HAPPENINGS = st.tuples(
    st.sampled_from(
        ["accept", "pop", "lease", "lease", "overdue", "sweep", "end session", *STEPS, "sending"]
    ),
    st.sampled_from(MESSAGES),
    st.integers(0, 3),
)


class Story:
    """What became of the messages, as an onlooker sees it."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.leases = list[Lease]()
        self.on_the_wire = dict[str, Lease]()

    async def happen(self, what: str, message: Message, which: int) -> None:
        if what in STEPS:
            await self._step(what, which)
        elif what == "accept":
            await self.world.accept(message)
        elif what == "pop":
            await self.world.pop()
        elif what == "sweep":
            await self.world.ledger.sweep()
        elif what == "lease":
            await self._lease(message)
        elif what == "overdue":
            await self.world.redis.zadd("dingda:due", {message.id: 0}, xx=True)
        elif (await self.world.stored(message)).get("state") in OPEN_STATES:
            await self.world.end_session(message)

    async def _lease(self, message: Message) -> None:
        lease = await self.world.ledger.lease(message.id)
        if isinstance(lease, Lease):
            assert message.id not in self.on_the_wire, "a reply may have been sent already"
            self.leases.insert(0, lease)

    async def _step(self, step: str, which: int) -> None:
        if which >= len(self.leases):
            return
        lease = self.leases[which]
        try:
            await STEPS[step](self.world.ledger, lease)
        except LeaseLostError:
            return
        assert self.on_the_wire.get(lease.id, lease) is lease, "another worker is sending"
        if step == "sending":
            assert lease.id not in self.on_the_wire, "two replies"
            self.on_the_wire[lease.id] = lease
        elif step == "retry":
            self.on_the_wire.pop(lease.id, None)

    async def end(self) -> None:
        """Let healthy workers and a sweeper do their work for a while."""
        for _ in range(4):
            for message in MESSAGES:
                await self.world.redis.zadd("dingda:due", {message.id: 0}, xx=True)
            await self.world.ledger.sweep()
            while job_id := await self.world.pop():
                lease = await self.world.ledger.lease(job_id.rpartition("-")[0])
                if isinstance(lease, Lease):
                    await self.world.ledger.done(lease, ANSWERED)


@settings(deadline=None, max_examples=60)
@given(st.lists(HAPPENINGS, min_size=5, max_size=40))
async def test_whatever_happens_no_reply_is_sent_twice_and_every_message_ends(
    happenings: list[tuple[str, Message, int]],
) -> None:
    world = World(fakeredis.FakeServer())
    story = Story(world)
    for happening in happenings:
        await story.happen(*happening)
        await world.check_the_invariant()
    await story.end()
    await world.check_the_invariant()
    assert (await world.counts()).open == 0
    for message in MESSAGES:
        assert "payload" not in await world.stored(message)
    await world.redis.aclose()
