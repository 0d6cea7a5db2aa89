import asyncio
import zlib
from typing import Any

import fakeredis
import pytest
from rq import Queue
from rq.job import Job, JobStatus
from rq.serializers import JSONSerializer

from dingda.shared.dingtalk.message import Message
from dingda.shared.dingtalk.reply import Text, to_body
from dingda.shared.errors import LeaseLostError
from dingda.shared.ledger.admin import LedgerAdmin
from dingda.shared.ledger.keys import LedgerKeys
from dingda.shared.ledger.ledger import (
    DEAD_LETTER_S,
    LEASE_MS,
    LONGEST_SESSION_MS,
    MARGIN_MS,
    OUTCOME_MS,
    REMEMBER_S,
    UNSTATED_SESSION_MS,
    Ledger,
)
from dingda.shared.ledger.states import (
    AcceptResult,
    Completion,
    Counts,
    DeadReason,
    Lease,
    Outcome,
    PreparedReply,
)
from dingda.shared.queue import JOB_FUNCTION, JobQueue
from tests.support.builders import KEYS, SESSION_MS, a_message, now_ms
from tests.support.ledger_harness import (
    ANSWERED,
    COMPLETIONS,
    HANDOVER_MS,
    LONG,
    PREPARED,
    STEPS,
    LedgerHarness,
    Step,
    body_of,
)


async def test_a_new_message_is_accepted_and_enqueued(
    world: LedgerHarness, message: Message
) -> None:
    assert await world.accept(message) == [AcceptResult.ACCEPTED]
    assert await world.waiting() == [message.id]
    counts = await world.counts()
    assert (counts.accepted, counts.open) == (1, 1)


async def test_what_is_accepted_is_a_job_that_rq_can_run(
    world: LedgerHarness, server: fakeredis.FakeServer, message: Message
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
    world: LedgerHarness, server: fakeredis.FakeServer, message: Message
) -> None:
    await world.accept(message)
    fields: Any = fakeredis.FakeRedis(server=server).hgetall(f"rq:job:{message.id}-1")
    values = [zlib.decompress(fields.pop(b"data")), *fields.values()]
    assert "天气".encode() in body_of(message)
    assert not [value for value in values if "天气".encode() in value or b"session=" in value]
    assert [value for value in values if message.id.encode() in value] == values[:1]


async def test_a_message_that_comes_again_is_a_duplicate(
    world: LedgerHarness, message: Message
) -> None:
    await world.accept(message)
    assert await world.accept(message) == [AcceptResult.DUPLICATE]
    assert await world.waiting() == [message.id]
    assert (await world.counts()).accepted == 1


async def test_a_message_that_stands_twice_in_a_batch_is_accepted_once(
    world: LedgerHarness, message: Message, other: Message
) -> None:
    assert await world.accept(message, other, message) == [
        AcceptResult.ACCEPTED,
        AcceptResult.ACCEPTED,
        AcceptResult.DUPLICATE,
    ]
    assert await world.waiting() == [message.id, other.id]


async def test_a_batch_keeps_its_order(world: LedgerHarness) -> None:
    messages = [a_message(msgId=f"msg{number}") for number in range(20)]
    assert await world.accept(*messages) == [AcceptResult.ACCEPTED] * 20
    assert await world.waiting() == [message.id for message in messages]


async def test_an_empty_batch_is_nothing(world: LedgerHarness) -> None:
    assert await world.accept() == []


@pytest.mark.parametrize("completion", COMPLETIONS)
async def test_a_message_that_comes_again_after_its_end_is_a_duplicate(
    world: LedgerHarness, message: Message, completion: Completion
) -> None:
    await world.ledger.finish(await world.leased(message), completion)
    assert await world.accept(message) == [AcceptResult.DUPLICATE]
    assert await world.waiting() == []


async def test_what_exceeds_the_backlog_is_not_recorded(
    world: LedgerHarness, message: Message, other: Message
) -> None:
    assert await world.accept(message, other, backlog_limit=1) == [
        AcceptResult.ACCEPTED,
        AcceptResult.FULL,
    ]
    assert await world.stored(other) == {}
    assert await world.waiting() == [message.id]
    assert (await world.counts()).accepted == 1


async def test_who_was_refused_for_the_backlog_may_come_again(
    world: LedgerHarness, message: Message, other: Message
) -> None:
    await world.accept(message, other, backlog_limit=1)
    await world.pop()
    assert await world.accept(other, backlog_limit=1) == [AcceptResult.ACCEPTED]


async def test_a_full_backlog_still_knows_a_duplicate(
    world: LedgerHarness, message: Message
) -> None:
    await world.accept(message)
    assert await world.accept(message, backlog_limit=1) == [AcceptResult.DUPLICATE]


async def test_what_waits_for_another_attempt_counts_as_backlog(
    world: LedgerHarness, message: Message, other: Message
) -> None:
    lease = await world.leased(message)
    assert await world.accept(other, backlog_limit=1) == [AcceptResult.ACCEPTED]
    await world.pop()
    await world.lease(other)
    await world.ledger.retry(lease, pause_ms=60_000, prepared=PREPARED)
    third = a_message(msgId="msgCCCC==")
    assert await world.accept(third, backlog_limit=1) == [AcceptResult.FULL]
    assert await world.accept(third, backlog_limit=2) == [AcceptResult.ACCEPTED]


@pytest.mark.parametrize("end", ["leased", "requeued", "expired while it rests", "expired at last"])
async def test_what_no_longer_rests_is_no_longer_counted_as_resting(
    world: LedgerHarness, message: Message, end: str
) -> None:
    await world.ledger.retry(await world.leased(message), pause_ms=0, prepared=PREPARED)
    assert await world.redis.scard(KEYS.resting) == 1
    if end.startswith("expired"):
        await world.end_session(message)
    if end in ("requeued", "expired while it rests"):
        await world.ledger.sweep()
    else:
        await world.ledger.lease(message.id)
    assert await world.redis.scard(KEYS.resting) == 0


async def test_a_lease_holds_what_is_needed_to_answer(
    world: LedgerHarness, message: Message
) -> None:
    lease = await world.leased(message)
    assert (lease.id, lease.payload, lease.delivery_attempt) == (message.id, body_of(message), 1)
    assert lease.prepared is None
    assert 0 <= SESSION_MS - MARGIN_MS - lease.remaining_ms < 5_000


async def test_a_leased_message_cannot_be_leased_again(
    world: LedgerHarness, message: Message
) -> None:
    await world.leased(message)
    assert await world.ledger.lease(message.id) == "leased"


async def test_a_message_whose_reply_is_on_the_wire_cannot_be_leased(
    world: LedgerHarness, message: Message
) -> None:
    await world.ledger.claim_send(await world.leased(message))
    assert await world.ledger.lease(message.id) == "sending"


@pytest.mark.parametrize("completion", COMPLETIONS)
async def test_an_ended_message_cannot_be_leased(
    world: LedgerHarness, message: Message, completion: Completion
) -> None:
    await world.ledger.finish(await world.leased(message), completion)
    assert await world.ledger.lease(message.id) == completion.outcome.value


async def test_an_unknown_message_cannot_be_leased(world: LedgerHarness, message: Message) -> None:
    assert await world.ledger.lease(message.id) == "gone"


async def test_only_one_of_many_workers_gets_the_lease(
    world: LedgerHarness, message: Message
) -> None:
    await world.accept(message)
    results = await asyncio.gather(*(world.ledger.lease(message.id) for _ in range(8)))
    assert [result for result in results if not isinstance(result, Lease)] == ["leased"] * 7


async def test_every_lease_has_a_token_of_its_own(
    world: LedgerHarness, message: Message, other: Message
) -> None:
    tokens = {(await world.leased(message)).token, (await world.leased(other)).token}
    assert len(tokens) == 2
    assert all(len(token) == 16 for token in tokens)


async def test_a_lease_shows_neither_token_nor_words(
    world: LedgerHarness, message: Message
) -> None:
    lease = await world.leased(message)
    shown = repr(lease)
    assert message.id in shown
    assert lease.token not in shown
    assert "sessionWebhook" not in shown


async def test_a_lease_lasts_for_its_time(world: LedgerHarness, message: Message) -> None:
    await world.leased(message)
    due_in_ms = await world.due_in_ms(message)
    assert due_in_ms is not None
    assert LEASE_MS - 5_000 < due_in_ms <= LEASE_MS


async def test_a_leased_message_is_not_handed_on_before_its_time(
    world: LedgerHarness, message: Message
) -> None:
    await world.leased(message)
    await asyncio.sleep(HANDOVER_MS / 1000 * 1.5)
    assert await world.ledger.sweep() == 0
    assert await world.ledger.sweep() == 0
    assert (await world.stored(message))["state"] == "leased"


@pytest.mark.parametrize("left_ms", [MARGIN_MS - 1_000, 0, -(10**9)])
async def test_a_message_is_not_leased_so_shortly_before_its_sessions_end(
    world: LedgerHarness, left_ms: int
) -> None:
    late = a_message(sessionWebhookExpiredTime=now_ms() + left_ms)
    await world.accept(late)
    assert await world.ledger.lease(late.id) == "expired"
    assert (await world.counts()).dead == {"expired": 1}
    assert await world.ledger.lease(late.id) == "dead"


async def test_a_message_is_leased_while_more_than_the_margin_is_left(world: LedgerHarness) -> None:
    late = a_message(sessionWebhookExpiredTime=now_ms() + MARGIN_MS + 2_000)
    lease = await world.leased(late)
    assert 0 < lease.remaining_ms <= 2_000


async def test_a_session_of_unstated_end_is_taken_to_last_ten_minutes(world: LedgerHarness) -> None:
    lease = await world.leased(a_message(sessionWebhookExpiredTime=None))
    assert 0 <= UNSTATED_SESSION_MS - MARGIN_MS - lease.remaining_ms < 5_000


@pytest.mark.parametrize("expires_ms", [253_402_300_799_000, 10**19, 10**400])
async def test_a_session_is_not_believed_to_last_for_ever(
    world: LedgerHarness, expires_ms: int
) -> None:
    lease = await world.leased(a_message(sessionWebhookExpiredTime=expires_ms))
    assert 0 <= LONGEST_SESSION_MS - MARGIN_MS - lease.remaining_ms < 5_000


@pytest.mark.parametrize("expires_ms", [0, -1, -(10**19), -(10**400)])
async def test_a_session_that_never_was_is_expired(world: LedgerHarness, expires_ms: int) -> None:
    message = a_message(sessionWebhookExpiredTime=expires_ms)
    await world.accept(message)
    assert await world.ledger.lease(message.id) == "expired"


async def test_a_renewed_lease_lasts_longer(world: LedgerHarness, message: Message) -> None:
    lease = await world.leased(message)
    await world.make_overdue(message)
    await world.ledger.renew(lease)
    assert await world.ledger.sweep() == 0
    due_in_ms = await world.due_in_ms(message)
    assert due_in_ms is not None
    assert LEASE_MS - 5_000 < due_in_ms <= LEASE_MS


async def test_a_lease_is_not_renewed_while_sending(world: LedgerHarness, message: Message) -> None:
    lease = await world.leased(message)
    await world.ledger.claim_send(lease)
    with pytest.raises(LeaseLostError):
        await world.ledger.renew(lease)


async def test_the_right_to_send_is_given_once(world: LedgerHarness, message: Message) -> None:
    lease = await world.leased(message)
    await world.ledger.claim_send(lease)
    with pytest.raises(LeaseLostError):
        await world.ledger.claim_send(lease)


async def test_sending_may_take_its_time(world: LedgerHarness, message: Message) -> None:
    await world.ledger.claim_send(await world.leased(message))
    due_in_ms = await world.due_in_ms(message)
    assert due_in_ms is not None
    assert OUTCOME_MS - 5_000 < due_in_ms <= OUTCOME_MS


async def test_the_asker_is_told_once_to_wait(world: LedgerHarness, message: Message) -> None:
    lease = await world.leased(message)
    assert await world.ledger.claim_notice(lease)
    assert not await world.ledger.claim_notice(lease)


async def test_the_asker_is_told_once_whichever_worker_tells(
    world: LedgerHarness, message: Message
) -> None:
    first = await world.leased(message)
    assert await world.ledger.claim_notice(first)
    await world.ledger.release(first)
    await world.ledger.sweep()
    assert not await world.ledger.claim_notice(await world.lease(message))


async def test_nobody_is_told_to_wait_for_a_reply_on_the_wire(
    world: LedgerHarness, message: Message
) -> None:
    lease = await world.leased(message)
    await world.ledger.claim_send(lease)
    assert not await world.ledger.claim_notice(lease)


@pytest.mark.parametrize("step", STEPS.values(), ids=STEPS)
async def test_who_lost_a_lease_can_do_nothing_while_another_holds_it(
    world: LedgerHarness, message: Message, step: Step
) -> None:
    stale, held = await world.taken_over(message)
    before = await world.stored(message)
    with pytest.raises(LeaseLostError):
        await step(world.ledger, stale)
    assert not await world.ledger.claim_notice(stale)
    assert await world.stored(message) == before
    await world.ledger.claim_send(held)


@pytest.mark.parametrize("step", STEPS.values(), ids=STEPS)
async def test_who_lost_a_lease_can_do_nothing_while_another_sends(
    world: LedgerHarness, message: Message, step: Step
) -> None:
    stale, held = await world.taken_over(message)
    await world.ledger.claim_send(held)
    with pytest.raises(LeaseLostError):
        await step(world.ledger, stale)
    await world.ledger.finish(held, ANSWERED)


@pytest.mark.parametrize("step", STEPS.values(), ids=STEPS)
async def test_who_lost_a_lease_can_do_nothing_before_another_takes_it(
    world: LedgerHarness, message: Message, step: Step
) -> None:
    stale = await world.leased(message)
    await world.make_overdue(message)
    await world.ledger.sweep()
    with pytest.raises(LeaseLostError):
        await step(world.ledger, stale)
    assert (await world.stored(message))["state"] == "accepted"


@pytest.mark.parametrize("step", STEPS.values(), ids=STEPS)
async def test_nothing_can_be_done_after_the_end(
    world: LedgerHarness, message: Message, step: Step
) -> None:
    lease = await world.leased(message)
    await world.ledger.finish(lease, Completion(Outcome.DECLINED))
    with pytest.raises(LeaseLostError):
        await step(world.ledger, lease)
    assert (await world.stored(message))["state"] == "refused"
    assert (await world.counts()).declined == 1


@pytest.mark.parametrize("step", STEPS.values(), ids=STEPS)
async def test_nothing_can_be_done_after_giving_it_back(
    world: LedgerHarness, message: Message, step: Step
) -> None:
    lease = await world.leased(message)
    await world.ledger.retry(lease, pause_ms=0, prepared=PREPARED)
    with pytest.raises(LeaseLostError):
        await step(world.ledger, lease)


@pytest.mark.parametrize("from_sending", [True, False])
@pytest.mark.parametrize("completion", COMPLETIONS)
async def test_of_what_was_said_only_a_dead_letter_keeps_the_words(
    world: LedgerHarness, message: Message, completion: Completion, *, from_sending: bool
) -> None:
    first = await world.leased(message)
    await world.ledger.retry(first, pause_ms=0, prepared=PREPARED)
    lease = await world.lease(message)
    if from_sending:
        await world.ledger.claim_send(lease)
    await world.ledger.finish(lease, completion)
    stored = await world.stored(message)
    assert (stored.pop("state"), stored.pop("reason")) == (
        completion.outcome,
        completion.reason or "",
    )
    assert stored.pop("detail") == completion.detail
    times = {"accepted_ms", "leased_ms", "ended_ms"} | ({"sending_ms"} if from_sending else set())
    assert stored.keys() == times | {"leases", "job"}
    assert all(value.isdigit() for value in stored.values())
    assert await world.dead_letter_payload(message) == (
        body_of(message) if completion.outcome is Outcome.DEAD else None
    )
    assert await world.due_in_ms(message) is None


@pytest.mark.parametrize("completion", COMPLETIONS)
async def test_an_ended_message_is_remembered_for_a_while(
    world: LedgerHarness, message: Message, completion: Completion
) -> None:
    await world.ledger.finish(await world.leased(message), completion)
    remember_s = DEAD_LETTER_S if completion.outcome is Outcome.DEAD else REMEMBER_S
    assert remember_s - 5 < await world.redis.ttl(KEYS.message(message.id)) <= remember_s


async def test_an_open_message_is_not_forgotten(world: LedgerHarness, message: Message) -> None:
    await world.leased(message)
    assert await world.redis.ttl(KEYS.message(message.id)) == -1


async def test_every_end_is_counted_by_its_name(world: LedgerHarness) -> None:
    for number, completion in enumerate(COMPLETIONS):
        await world.ledger.finish(await world.leased(a_message(msgId=f"msg{number}")), completion)
    assert await world.counts() == Counts(
        accepted=6,
        answered=1,
        unmatched=1,
        declined=1,
        dead={"expired": 1, "failed": 1, "unknown": 1},
        ignored={},
    )
    assert (await world.counts()).open == 0


async def test_dead_letters_are_counted_by_their_reasons(world: LedgerHarness) -> None:
    reasons = [(DeadReason.FAILED, "a"), (DeadReason.FAILED, "b"), (DeadReason.EXPIRED, "130101")]
    for number, (reason, detail) in enumerate(reasons):
        lease = await world.leased(a_message(msgId=f"msg{number}"))
        await world.ledger.finish(lease, Completion(Outcome.DEAD, reason, detail))
    assert (await world.counts()).dead == {"failed": 2, "expired": 1}


async def test_nothing_is_swept_after_the_end(world: LedgerHarness, message: Message) -> None:
    await world.ledger.finish(await world.leased(message), ANSWERED)
    await asyncio.sleep(HANDOVER_MS / 1000 * 1.5)
    assert await world.ledger.sweep() == 0
    assert await world.ledger.sweep() == 0
    assert await world.waiting() == []


async def test_what_is_ignored_is_counted_apart(world: LedgerHarness) -> None:
    for reason in ("msgtype", "msgtype", "over_quota"):
        await world.ledger.ignore(reason)
    counts = await world.counts()
    assert counts.ignored == {"msgtype": 2, "over_quota": 1}
    assert (counts.accepted, counts.open) == (0, 0)


async def test_at_the_beginning_everything_is_nought(world: LedgerHarness) -> None:
    assert await world.counts() == Counts(0, 0, 0, 0, {}, {})


async def test_the_counts_add_up_after_every_step(world: LedgerHarness, message: Message) -> None:
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
    await world.ledger.claim_send(first)
    await world.check_the_invariant()
    await world.ledger.retry(first, pause_ms=0, prepared=PREPARED)
    await world.check_the_invariant()
    second = await world.lease(message)
    await world.check_the_invariant()
    await world.ledger.finish(second, ANSWERED)
    await world.check_the_invariant()
    assert (await world.counts()).answered == 1


async def test_a_queue_of_another_name_shares_nothing(
    world: LedgerHarness, message: Message
) -> None:
    await world.accept(message)
    queue, keys = JobQueue.create("acme", skill_timeout_s=30), LedgerKeys("acme")
    acme = Ledger(world.redis, queue)
    assert await LedgerAdmin(world.redis, queue).counts() == Counts(0, 0, 0, 0, {}, {})
    assert await acme.lease(message.id) == "gone"
    await acme.accept([(message, body_of(message))], backlog_limit=1)
    assert await world.redis.llen("rq:queue:acme") == 1
    await world.redis.delete(keys.message(message.id), keys.count)


@pytest.mark.parametrize("completion", COMPLETIONS)
def test_a_prepared_reply_is_read_as_it_was_written(completion: Completion) -> None:
    prepared = PreparedReply(to_body(Text("北京\n9℃ \0😀")), completion)
    assert PreparedReply.from_json(prepared.to_json()) == prepared


@pytest.mark.parametrize("prepared", [LONG, LONG.next, LONG.next.next])
def test_the_parts_of_a_reply_are_read_as_they_were_written(prepared: PreparedReply) -> None:
    assert PreparedReply.from_json(prepared.to_json()) == prepared


def test_a_reply_that_was_kept_by_a_version_without_parts_is_read() -> None:
    kept = '["{\\"msgtype\\":\\"text\\"}", "dead", "failed: 430104"]'
    expected = PreparedReply(
        b'{"msgtype":"text"}', Completion(Outcome.DEAD, DeadReason.FAILED, "430104")
    )
    assert PreparedReply.from_json(kept) == expected
    assert expected.to_json() == kept


def test_a_part_says_which_it_is() -> None:
    parts = [LONG.part, LONG.next.part, LONG.next.next.part, PREPARED.part]
    assert parts == ["part 1 of 3", "part 2 of 3", "part 3 of 3", ""]


def test_a_prepared_reply_shows_no_words() -> None:
    assert "北京" in PREPARED.body.decode()
    assert "body" not in repr(PREPARED)
