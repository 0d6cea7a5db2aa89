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
from dingda.shared.ledger.ledger import Ledger
from dingda.shared.ledger.states import (
    AcceptResult,
    Completion,
    Counts,
    DeadReason,
    Lease,
    LeaseRefusal,
    Outcome,
    PreparedReply,
    RetryResult,
)
from dingda.shared.ledger.times import (
    DEAD_LETTER_S,
    LEASE_MS,
    LONGEST_SESSION_MS,
    MARGIN_MS,
    OUTCOME_MS,
    RECORD_S,
    REMEMBER_S,
    UNSTATED_SESSION_MS,
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
    WELL,
    LedgerHarness,
    Step,
    body_of,
)


async def test_a_new_message_is_accepted_and_enqueued(
    harness: LedgerHarness, message: Message
) -> None:
    assert await harness.accept(message) == [AcceptResult.ACCEPTED]
    assert await harness.waiting() == [message.id]
    counts = await harness.counts()
    assert (counts.accepted, counts.open) == (1, 1)


async def test_an_accepted_message_is_a_job_that_rq_can_run(
    harness: LedgerHarness, server: fakeredis.FakeServer, message: Message
) -> None:
    await harness.accept(message)
    connection = fakeredis.FakeRedis(server=server)
    queue = Queue("dingda", connection=connection, serializer=JSONSerializer)
    assert Queue.all(connection=connection, serializer=JSONSerializer) == [queue]
    job = Job.fetch(queue.job_ids[0], connection=connection, serializer=JSONSerializer)
    assert (job.func_name, list(job.args), job.kwargs) == (JOB_FUNCTION, [message.id], {})
    assert (job.origin, job.get_status()) == ("dingda", JobStatus.QUEUED)
    assert job.created_at is not None
    assert job.enqueued_at is not None


async def test_a_job_holds_nothing_of_a_message_but_its_id(
    harness: LedgerHarness, server: fakeredis.FakeServer, message: Message
) -> None:
    await harness.accept(message)
    fields: Any = fakeredis.FakeRedis(server=server).hgetall(f"rq:job:{message.id}-1")
    values = [zlib.decompress(fields.pop(b"data")), *fields.values()]
    assert "天气".encode() in body_of(message)
    assert not [value for value in values if "天气".encode() in value or b"session=" in value]
    assert [value for value in values if message.id.encode() in value] == values[:1]


async def test_a_message_that_comes_again_is_a_duplicate(
    harness: LedgerHarness, message: Message
) -> None:
    await harness.accept(message)
    assert await harness.accept(message) == [AcceptResult.DUPLICATE]
    assert await harness.waiting() == [message.id]
    assert (await harness.counts()).accepted == 1


async def test_a_message_that_is_twice_in_a_batch_is_accepted_once(
    harness: LedgerHarness, message: Message, other: Message
) -> None:
    assert await harness.accept(message, other, message) == [
        AcceptResult.ACCEPTED,
        AcceptResult.ACCEPTED,
        AcceptResult.DUPLICATE,
    ]
    assert await harness.waiting() == [message.id, other.id]


async def test_a_batch_keeps_its_order(harness: LedgerHarness) -> None:
    messages = [a_message(msgId=f"msg{number}") for number in range(20)]
    assert await harness.accept(*messages) == [AcceptResult.ACCEPTED] * 20
    assert await harness.waiting() == [message.id for message in messages]


async def test_an_empty_batch_is_nothing(harness: LedgerHarness) -> None:
    assert await harness.accept() == []


@pytest.mark.parametrize("completion", COMPLETIONS)
async def test_a_message_that_comes_again_after_its_end_is_a_duplicate(
    harness: LedgerHarness, message: Message, completion: Completion
) -> None:
    await harness.ledger.finish(await harness.leased(message), completion)
    assert await harness.accept(message) == [AcceptResult.DUPLICATE]
    assert await harness.waiting() == []


async def test_a_message_beyond_the_backlog_limit_is_not_recorded(
    harness: LedgerHarness, message: Message, other: Message
) -> None:
    assert await harness.accept(message, other, backlog_limit=1) == [
        AcceptResult.ACCEPTED,
        AcceptResult.FULL,
    ]
    assert await harness.stored(other) == {}
    assert await harness.waiting() == [message.id]
    assert (await harness.counts()).accepted == 1


async def test_a_message_refused_for_the_backlog_may_come_again(
    harness: LedgerHarness, message: Message, other: Message
) -> None:
    await harness.accept(message, other, backlog_limit=1)
    await harness.pop()
    assert await harness.accept(other, backlog_limit=1) == [AcceptResult.ACCEPTED]


async def test_a_full_backlog_still_knows_a_duplicate(
    harness: LedgerHarness, message: Message
) -> None:
    await harness.accept(message)
    assert await harness.accept(message, backlog_limit=1) == [AcceptResult.DUPLICATE]


async def test_a_message_that_waits_for_another_attempt_counts_as_backlog(
    harness: LedgerHarness, message: Message, other: Message
) -> None:
    lease = await harness.leased(message)
    assert await harness.accept(other, backlog_limit=1) == [AcceptResult.ACCEPTED]
    await harness.pop()
    await harness.lease(other)
    await harness.ledger.retry(lease, pause_ms=60_000, prepared=PREPARED)
    third = a_message(msgId="msgCCCC==")
    assert await harness.accept(third, backlog_limit=1) == [AcceptResult.FULL]
    assert await harness.accept(third, backlog_limit=2) == [AcceptResult.ACCEPTED]


@pytest.mark.parametrize("end", ["leased", "requeued", "expired while it rests", "expired at last"])
async def test_a_message_that_no_longer_rests_is_not_counted_as_resting(
    harness: LedgerHarness, message: Message, end: str
) -> None:
    await harness.ledger.retry(await harness.leased(message), pause_ms=0, prepared=PREPARED)
    assert await harness.redis.scard(KEYS.resting) == 1
    if end.startswith("expired"):
        await harness.end_session(message)
    if end in ("requeued", "expired while it rests"):
        await harness.ledger.sweep()
    else:
        await harness.ledger.lease(message.id)
    assert await harness.redis.scard(KEYS.resting) == 0


async def test_a_lease_holds_what_is_needed_to_answer(
    harness: LedgerHarness, message: Message
) -> None:
    lease = await harness.leased(message)
    assert (lease.id, lease.payload, lease.delivery_attempt) == (message.id, body_of(message), 1)
    assert lease.prepared is None
    assert 0 <= SESSION_MS - MARGIN_MS - lease.remaining_ms < 5_000


async def test_a_leased_message_cannot_be_leased_again(
    harness: LedgerHarness, message: Message
) -> None:
    await harness.leased(message)
    assert await harness.ledger.lease(message.id) == "leased"


async def test_a_message_whose_reply_is_on_the_wire_cannot_be_leased(
    harness: LedgerHarness, message: Message
) -> None:
    await harness.ledger.claim_send(await harness.leased(message))
    assert await harness.ledger.lease(message.id) == "sending"


@pytest.mark.parametrize("completion", COMPLETIONS)
async def test_an_ended_message_cannot_be_leased(
    harness: LedgerHarness, message: Message, completion: Completion
) -> None:
    await harness.ledger.finish(await harness.leased(message), completion)
    assert await harness.ledger.lease(message.id) == completion.outcome.value


async def test_an_unknown_message_cannot_be_leased(
    harness: LedgerHarness, message: Message
) -> None:
    assert await harness.ledger.lease(message.id) == "gone"


async def test_only_one_of_many_workers_gets_the_lease(
    harness: LedgerHarness, message: Message
) -> None:
    await harness.accept(message)
    results = await asyncio.gather(*(harness.ledger.lease(message.id) for _ in range(8)))
    assert [result for result in results if not isinstance(result, Lease)] == ["leased"] * 7


async def test_every_lease_has_a_token_of_its_own(
    harness: LedgerHarness, message: Message, other: Message
) -> None:
    tokens = {(await harness.leased(message)).token, (await harness.leased(other)).token}
    assert len(tokens) == 2
    assert all(len(token) == 16 for token in tokens)


async def test_a_lease_shows_neither_token_nor_words(
    harness: LedgerHarness, message: Message
) -> None:
    lease = await harness.leased(message)
    shown = repr(lease)
    assert message.id in shown
    assert lease.token not in shown
    assert "sessionWebhook" not in shown


async def test_a_lease_lasts_for_its_time(harness: LedgerHarness, message: Message) -> None:
    await harness.leased(message)
    due_in_ms = await harness.due_in_ms(message)
    assert due_in_ms is not None
    assert LEASE_MS - 5_000 < due_in_ms <= LEASE_MS


async def test_a_leased_message_is_not_handed_on_before_its_time(
    harness: LedgerHarness, message: Message
) -> None:
    await harness.leased(message)
    await asyncio.sleep(HANDOVER_MS / 1000 * 1.5)
    assert await harness.ledger.sweep() == 0
    assert await harness.ledger.sweep() == 0
    assert (await harness.stored(message))["state"] == "leased"


@pytest.mark.parametrize("remaining_ms", [MARGIN_MS - 1_000, 0, -(10**9)])
async def test_a_message_is_not_leased_so_shortly_before_its_sessions_end(
    harness: LedgerHarness, remaining_ms: int
) -> None:
    late = a_message(sessionWebhookExpiredTime=now_ms() + remaining_ms)
    await harness.accept(late)
    assert await harness.ledger.lease(late.id) == "expired"
    assert (await harness.counts()).dead == {"expired": 1}
    assert await harness.ledger.lease(late.id) == "dead"


async def test_a_message_is_leased_while_more_than_the_margin_is_left(
    harness: LedgerHarness,
) -> None:
    late = a_message(sessionWebhookExpiredTime=now_ms() + MARGIN_MS + 2_000)
    lease = await harness.leased(late)
    assert 0 < lease.remaining_ms <= 2_000


async def test_a_session_of_unstated_end_is_taken_to_last_ten_minutes(
    harness: LedgerHarness,
) -> None:
    lease = await harness.leased(a_message(sessionWebhookExpiredTime=None))
    assert 0 <= UNSTATED_SESSION_MS - MARGIN_MS - lease.remaining_ms < 5_000


@pytest.mark.parametrize("expires_ms", [253_402_300_799_000, 10**19, 10**400])
async def test_a_session_is_not_believed_to_last_for_ever(
    harness: LedgerHarness, expires_ms: int
) -> None:
    lease = await harness.leased(a_message(sessionWebhookExpiredTime=expires_ms))
    assert 0 <= LONGEST_SESSION_MS - MARGIN_MS - lease.remaining_ms < 5_000


@pytest.mark.parametrize("expires_ms", [0, -1, -(10**19), -(10**400)])
async def test_a_session_that_never_was_is_expired(harness: LedgerHarness, expires_ms: int) -> None:
    message = a_message(sessionWebhookExpiredTime=expires_ms)
    await harness.accept(message)
    assert await harness.ledger.lease(message.id) == "expired"


async def test_a_renewed_lease_lasts_longer(harness: LedgerHarness, message: Message) -> None:
    lease = await harness.leased(message)
    await harness.make_overdue(message)
    await harness.ledger.renew(lease)
    assert await harness.ledger.sweep() == 0
    due_in_ms = await harness.due_in_ms(message)
    assert due_in_ms is not None
    assert LEASE_MS - 5_000 < due_in_ms <= LEASE_MS


async def test_a_lease_is_not_renewed_while_sending(
    harness: LedgerHarness, message: Message
) -> None:
    lease = await harness.leased(message)
    await harness.ledger.claim_send(lease)
    with pytest.raises(LeaseLostError):
        await harness.ledger.renew(lease)


async def test_the_right_to_send_is_given_once(harness: LedgerHarness, message: Message) -> None:
    lease = await harness.leased(message)
    await harness.ledger.claim_send(lease)
    with pytest.raises(LeaseLostError):
        await harness.ledger.claim_send(lease)


async def test_sending_may_take_its_time(harness: LedgerHarness, message: Message) -> None:
    await harness.ledger.claim_send(await harness.leased(message))
    due_in_ms = await harness.due_in_ms(message)
    assert due_in_ms is not None
    assert OUTCOME_MS - 5_000 < due_in_ms <= OUTCOME_MS


async def test_the_sender_is_told_once_to_wait(harness: LedgerHarness, message: Message) -> None:
    lease = await harness.leased(message)
    assert await harness.ledger.claim_notice(lease)
    assert not await harness.ledger.claim_notice(lease)


async def test_the_sender_is_told_once_whichever_worker_tells(
    harness: LedgerHarness, message: Message
) -> None:
    first = await harness.leased(message)
    assert await harness.ledger.claim_notice(first)
    await harness.ledger.release(first)
    await harness.ledger.sweep()
    assert not await harness.ledger.claim_notice(await harness.lease(message))


async def test_nobody_is_told_to_wait_for_a_reply_on_the_wire(
    harness: LedgerHarness, message: Message
) -> None:
    lease = await harness.leased(message)
    await harness.ledger.claim_send(lease)
    assert not await harness.ledger.claim_notice(lease)


@pytest.mark.parametrize("step", STEPS.values(), ids=STEPS)
async def test_a_lost_lease_allows_nothing_while_another_worker_holds_the_message(
    harness: LedgerHarness, message: Message, step: Step
) -> None:
    stale, held = await harness.taken_over(message)
    before = await harness.stored(message)
    with pytest.raises(LeaseLostError):
        await step(harness.ledger, stale)
    assert not await harness.ledger.claim_notice(stale)
    assert await harness.stored(message) == before
    await harness.ledger.claim_send(held)


@pytest.mark.parametrize("step", STEPS.values(), ids=STEPS)
async def test_a_lost_lease_allows_nothing_while_another_worker_sends(
    harness: LedgerHarness, message: Message, step: Step
) -> None:
    stale, held = await harness.taken_over(message)
    await harness.ledger.claim_send(held)
    with pytest.raises(LeaseLostError):
        await step(harness.ledger, stale)
    await harness.ledger.finish(held, ANSWERED)


@pytest.mark.parametrize("step", STEPS.values(), ids=STEPS)
async def test_a_lost_lease_allows_nothing_before_another_worker_leases_the_message(
    harness: LedgerHarness, message: Message, step: Step
) -> None:
    stale = await harness.leased(message)
    await harness.make_overdue(message)
    await harness.ledger.sweep()
    with pytest.raises(LeaseLostError):
        await step(harness.ledger, stale)
    assert (await harness.stored(message))["state"] == "accepted"


@pytest.mark.parametrize("step", STEPS.values(), ids=STEPS)
async def test_nothing_can_be_done_after_the_end(
    harness: LedgerHarness, message: Message, step: Step
) -> None:
    lease = await harness.leased(message)
    await harness.ledger.finish(lease, Completion(Outcome.DECLINED))
    with pytest.raises(LeaseLostError):
        await step(harness.ledger, lease)
    assert (await harness.stored(message))["state"] == "refused"
    assert (await harness.counts()).declined == 1


@pytest.mark.parametrize("step", STEPS.values(), ids=STEPS)
async def test_nothing_can_be_done_after_the_release(
    harness: LedgerHarness, message: Message, step: Step
) -> None:
    lease = await harness.leased(message)
    await harness.ledger.retry(lease, pause_ms=0, prepared=PREPARED)
    with pytest.raises(LeaseLostError):
        await step(harness.ledger, lease)


@pytest.mark.parametrize("from_sending", [True, False])
@pytest.mark.parametrize("completion", COMPLETIONS)
async def test_only_a_dead_letter_keeps_its_payload(
    harness: LedgerHarness, message: Message, completion: Completion, *, from_sending: bool
) -> None:
    first = await harness.leased(message)
    await harness.ledger.retry(first, pause_ms=0, prepared=PREPARED)
    lease = await harness.lease(message)
    if from_sending:
        await harness.ledger.claim_send(lease)
    await harness.ledger.finish(lease, completion)
    stored = {name: value for name, value in (await harness.stored(message)).items() if value}
    assert stored.pop("state") == completion.outcome
    assert (stored.pop("reason", ""), stored.pop("detail", "")) == (
        completion.reason or "",
        completion.detail,
    )
    times = {"accepted_ms", "leased_ms", "ended_ms"} | ({"sending_ms"} if from_sending else set())
    facts = {"facts"} if completion.outcome is Outcome.DEAD else set()
    assert stored.keys() == times | {"leases", "job"} | facts
    assert all(value.isdigit() for name, value in stored.items() if name != "facts")
    assert await harness.dead_letter_payload(message) == (
        body_of(message) if completion.outcome is Outcome.DEAD else None
    )
    assert await harness.due_in_ms(message) is None


@pytest.mark.parametrize("completion", COMPLETIONS)
async def test_an_ended_message_is_remembered_for_a_while(
    harness: LedgerHarness, message: Message, completion: Completion
) -> None:
    await harness.ledger.finish(await harness.leased(message), completion)
    is_dead = completion.outcome is Outcome.DEAD
    key, remember_s = (
        (KEYS.message(message.id), DEAD_LETTER_S)
        if is_dead
        else (KEYS.ended(message.id), REMEMBER_S)
    )
    assert remember_s - 5 < await harness.redis.ttl(key) <= remember_s


@pytest.mark.parametrize("completion", WELL)
async def test_a_message_that_ended_well_is_known_although_its_record_has_expired(
    harness: LedgerHarness, message: Message, completion: Completion
) -> None:
    await harness.ledger.finish(await harness.leased(message), completion)
    assert 0 < await harness.redis.ttl(KEYS.message(message.id)) <= RECORD_S
    await harness.redis.delete(KEYS.message(message.id))
    assert await harness.accept(message) == [AcceptResult.DUPLICATE]
    assert await harness.ledger.lease(message.id) is LeaseRefusal.GONE
    assert await harness.admin.retry_dead_letter(message.id) is RetryResult.GONE
    assert await harness.waiting() == []


async def test_an_open_message_is_not_forgotten(harness: LedgerHarness, message: Message) -> None:
    await harness.leased(message)
    assert await harness.redis.ttl(KEYS.message(message.id)) == -1


async def test_every_end_is_counted_by_its_name(harness: LedgerHarness) -> None:
    for number, completion in enumerate(COMPLETIONS):
        await harness.ledger.finish(
            await harness.leased(a_message(msgId=f"msg{number}")), completion
        )
    assert await harness.counts() == Counts(
        accepted=6,
        answered=1,
        unmatched=1,
        declined=1,
        dead={"expired": 1, "failed": 1, "unknown": 1},
        ignored={},
    )
    assert (await harness.counts()).open == 0


async def test_dead_letters_are_counted_by_their_reasons(harness: LedgerHarness) -> None:
    reasons = [(DeadReason.FAILED, "a"), (DeadReason.FAILED, "b"), (DeadReason.EXPIRED, "130101")]
    for number, (reason, detail) in enumerate(reasons):
        lease = await harness.leased(a_message(msgId=f"msg{number}"))
        await harness.ledger.finish(lease, Completion(Outcome.DEAD, reason, detail))
    assert (await harness.counts()).dead == {"failed": 2, "expired": 1}


async def test_nothing_is_swept_after_the_end(harness: LedgerHarness, message: Message) -> None:
    await harness.ledger.finish(await harness.leased(message), ANSWERED)
    await asyncio.sleep(HANDOVER_MS / 1000 * 1.5)
    assert await harness.ledger.sweep() == 0
    assert await harness.ledger.sweep() == 0
    assert await harness.waiting() == []


async def test_an_ignored_callback_is_counted_apart(harness: LedgerHarness) -> None:
    for reason in ("msgtype", "msgtype", "over_quota"):
        await harness.ledger.ignore(reason)
    counts = await harness.counts()
    assert counts.ignored == {"msgtype": 2, "over_quota": 1}
    assert (counts.accepted, counts.open) == (0, 0)


async def test_at_the_beginning_everything_is_nought(harness: LedgerHarness) -> None:
    assert await harness.counts() == Counts(0, 0, 0, 0, {}, {})


async def test_the_counts_add_up_after_every_step(harness: LedgerHarness, message: Message) -> None:
    steps = [
        harness.accept(message),
        harness.accept(message),
        harness.accept(a_message(msgId="full"), backlog_limit=1),
    ]
    for step in steps:
        await step
        await harness.check_the_invariant()
    first = await harness.lease(message)
    await harness.check_the_invariant()
    await harness.ledger.claim_send(first)
    await harness.check_the_invariant()
    await harness.ledger.retry(first, pause_ms=0, prepared=PREPARED)
    await harness.check_the_invariant()
    second = await harness.lease(message)
    await harness.check_the_invariant()
    await harness.ledger.finish(second, ANSWERED)
    await harness.check_the_invariant()
    assert (await harness.counts()).answered == 1


async def test_a_queue_of_another_name_shares_nothing(
    harness: LedgerHarness, message: Message
) -> None:
    await harness.accept(message)
    queue, keys = JobQueue.create("acme", skill_timeout_s=30), LedgerKeys("acme")
    acme = Ledger(harness.redis, queue)
    assert await LedgerAdmin(harness.redis, queue).counts() == Counts(0, 0, 0, 0, {}, {})
    assert await acme.lease(message.id) == "gone"
    await acme.accept([(message, body_of(message))], backlog_limit=1)
    assert await harness.redis.llen("rq:queue:acme") == 1
    await harness.redis.delete(keys.message(message.id), keys.count)


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
