import asyncio

import pytest

from dingda.shared.dingtalk.message import Message
from dingda.shared.dingtalk.reply import Text, to_body
from dingda.shared.errors import LeaseLostError
from dingda.shared.ledger.states import (
    Completion,
    DeadReason,
    Failures,
    Lease,
    Outcome,
    PreparedReply,
)
from dingda.shared.ledger.times import DEAD_LETTER_S
from tests.support.builders import KEYS, a_message, now_ms
from tests.support.ledger_harness import (
    ANSWERED,
    APART_MS,
    HANDOVER_MS,
    PREPARED,
    LedgerHarness,
    body_of,
)


async def test_a_message_rests_for_the_pause_of_a_retry(
    harness: LedgerHarness, message: Message
) -> None:
    lease = await harness.leased(message)
    await harness.ledger.retry(lease, pause_ms=60_000, prepared=PREPARED)
    assert await harness.ledger.lease(message.id) == "waiting"
    assert await harness.ledger.sweep() == 0
    due_in_ms = await harness.due_in_ms(message)
    assert due_in_ms is not None
    assert 55_000 < due_in_ms <= 60_000


async def test_a_message_is_enqueued_again_after_its_pause(
    harness: LedgerHarness, message: Message
) -> None:
    lease = await harness.leased(message)
    await harness.ledger.retry(lease, pause_ms=20, prepared=PREPARED)
    await asyncio.sleep(0.03)
    assert await harness.ledger.sweep() == 1
    assert await harness.waiting() == [message.id]


async def test_a_session_that_closes_after_a_release_says_why_it_was_released(
    harness: LedgerHarness, message: Message
) -> None:
    lease = await harness.leased(message)
    await harness.ledger.release(lease, pause_ms=60_000, reason="nobody knows its robot")
    await harness.redis.hset(KEYS.message(message.id), "expires_ms", 1)
    await harness.make_overdue(message)
    await harness.ledger.sweep()
    (dead_letter,) = await harness.admin.dead_letters()
    assert dead_letter.reason == "expired: nobody knows its robot"


@pytest.mark.parametrize("sending", [True, False])
async def test_a_retry_sends_the_same_reply(
    harness: LedgerHarness, message: Message, *, sending: bool
) -> None:
    first = await harness.leased(message)
    if sending:
        await harness.ledger.claim_send(first)
    await harness.ledger.retry(first, pause_ms=0, prepared=PREPARED)
    second = await harness.lease(message)
    assert (second.prepared, second.delivery_attempt) == (PREPARED, 2)
    assert second.payload == body_of(message)


async def test_a_retry_may_send_another_reply(harness: LedgerHarness, message: Message) -> None:
    plainer = PreparedReply(
        to_body(Text("抱歉")), Completion(Outcome.DEAD, DeadReason.FAILED, "430104")
    )
    for prepared in (PREPARED, plainer):
        await harness.accept(message)
        await harness.ledger.retry(await harness.lease(message), pause_ms=0, prepared=prepared)
    assert (await harness.lease(message)).prepared == plainer


async def test_a_retry_may_call_the_skill_again(harness: LedgerHarness, message: Message) -> None:
    await harness.ledger.retry(await harness.leased(message), pause_ms=0, prepared=None)
    assert (await harness.lease(message)).prepared is None


async def test_a_retry_is_no_death(harness: LedgerHarness, message: Message) -> None:
    await harness.accept(message)
    for _ in range(5):
        await harness.ledger.retry(await harness.lease(message), pause_ms=0, prepared=PREPARED)
        assert await harness.ledger.sweep() == 1
    assert (await harness.lease(message)).delivery_attempt == 6


async def test_failures_are_counted_by_kind_over_retries_deaths_and_releases(
    harness: LedgerHarness, message: Message
) -> None:
    await harness.accept(message)
    for kind in ("connection", "busy", "connection"):
        lease = await harness.lease(message)
        await harness.ledger.retry(lease, pause_ms=0, prepared=PREPARED, kinds=(kind,))
    await harness.ledger.retry(await harness.lease(message), pause_ms=0, prepared=PREPARED)
    await harness.ledger.release(await harness.lease(message))
    await harness.lease(message)
    await harness.make_overdue(message)
    await harness.ledger.sweep()
    lease = await harness.lease(message)
    assert lease.failures == Failures({"connection": 2, "busy": 1})
    assert lease.failures.of("throttled") == 0
    assert lease.delivery_attempt == 5


async def test_a_message_that_expires_after_a_retry_says_why_there_was_no_reply(
    harness: LedgerHarness, message: Message
) -> None:
    lease = await harness.leased(message)
    await harness.ledger.retry(
        lease, pause_ms=0, prepared=PREPARED, kinds=("busy",), reason="errcode -1"
    )
    await harness.end_session(message)
    assert await harness.ledger.lease(message.id) == "expired"
    (letter,) = await harness.admin.dead_letters()
    assert letter.reason == "expired: errcode -1"
    assert (await harness.counts()).dead == {"expired": 1}
    assert "failures" not in await harness.stored(message)


async def test_a_released_message_is_enqueued_at_the_next_sweep(
    harness: LedgerHarness, message: Message
) -> None:
    await harness.ledger.release(await harness.leased(message))
    assert await harness.waiting() == []
    assert await harness.ledger.sweep() == 1
    assert await harness.waiting() == [message.id]
    assert (await harness.lease(message)).prepared is None


async def test_a_released_message_keeps_its_reply(harness: LedgerHarness, message: Message) -> None:
    await harness.ledger.retry(await harness.leased(message), pause_ms=0, prepared=PREPARED)
    await harness.ledger.release(await harness.lease(message))
    assert (await harness.lease(message)).prepared == PREPARED


async def test_a_message_whose_reply_is_on_the_wire_is_not_released(
    harness: LedgerHarness, message: Message
) -> None:
    lease = await harness.leased(message)
    await harness.ledger.claim_send(lease)
    with pytest.raises(LeaseLostError):
        await harness.ledger.release(lease)
    assert (await harness.stored(message))["state"] == "sending"


async def test_a_retry_ends_with_the_session(harness: LedgerHarness, message: Message) -> None:
    await harness.ledger.retry(await harness.leased(message), pause_ms=0, prepared=PREPARED)
    await harness.end_session(message)
    assert await harness.ledger.sweep() == 0
    assert (await harness.counts()).dead == {"expired": 1}


async def test_a_sweep_of_nothing_does_nothing(harness: LedgerHarness) -> None:
    assert await harness.ledger.sweep() == 0


async def test_a_dead_workers_message_is_enqueued_again(
    harness: LedgerHarness, message: Message
) -> None:
    await harness.leased(message)
    await harness.make_overdue(message)
    assert await harness.ledger.sweep() == 1
    assert await harness.waiting() == [message.id]
    assert (await harness.stored(message))["leases"] == "1"
    assert isinstance(await harness.lease(message), Lease)


async def test_a_message_that_comes_back_untried_counts_no_attempt(
    harness: LedgerHarness, message: Message
) -> None:
    await harness.ledger.release(await harness.leased(message))
    await harness.lease(message)
    await harness.make_overdue(message)
    await harness.ledger.sweep()
    lease = await harness.lease(message)
    assert lease.delivery_attempt == 1
    await harness.ledger.retry(lease, pause_ms=0, prepared=PREPARED)
    assert (await harness.lease(message)).delivery_attempt == 2


async def test_a_lease_is_renewed_up_to_the_sessions_end_and_no_longer(
    harness: LedgerHarness, message: Message
) -> None:
    lease = await harness.leased(message)
    await harness.end_session(message)
    await harness.ledger.renew(lease)
    assert await harness.ledger.sweep() == 0
    assert (await harness.counts()).dead == {"expired": 1}


async def test_a_message_is_enqueued_again_only_once(
    harness: LedgerHarness, message: Message
) -> None:
    await harness.leased(message)
    await harness.make_overdue(message)
    assert sum(await asyncio.gather(*(harness.ledger.sweep() for _ in range(5)))) == 1
    assert await harness.ledger.sweep() == 0
    assert await harness.waiting() == [message.id]


async def test_every_job_of_a_message_has_an_id_of_its_own(
    harness: LedgerHarness, message: Message
) -> None:
    await harness.accept(message)
    first = await harness.pop()
    await harness.lease(message)
    await harness.make_overdue(message)
    await harness.ledger.sweep()
    second = await harness.pop()
    assert (first, second) == (f"{message.id}-1", f"{message.id}-2")


async def test_a_message_over_which_three_workers_died_is_given_up_and_named(
    harness: LedgerHarness, message: Message, caplog: pytest.LogCaptureFixture
) -> None:
    await harness.accept(message)
    for enqueued in (1, 1, 0):
        await harness.lease(message)
        await harness.make_overdue(message)
        assert await harness.ledger.sweep() == enqueued
    stored = await harness.stored(message)
    assert (stored["state"], stored["reason"]) == ("dead", "failed")
    assert stored["detail"] == "workers died over it"
    assert f"message {message.id[:8]} is given up: 3 workers died over it" in caplog.text
    assert (await harness.counts()).dead == {"failed": 1}


async def test_messages_that_died_together_have_their_last_chance_apart(
    harness: LedgerHarness,
) -> None:
    messages = [a_message(msgId=f"msg{number}") for number in range(3)]
    await harness.accept(*messages)
    for enqueued in (3, 1):
        for message in messages:
            await harness.lease(message)
            await harness.make_overdue(message)
        assert await harness.ledger.sweep() == enqueued
    waits_ms = sorted([await harness.due_in_ms(message) or 0.0 for message in messages])
    assert 0 < waits_ms[1] <= APART_MS < waits_ms[2] <= 2 * APART_MS
    for _ in (1, 2):
        assert await harness.ledger.sweep() == 0
        await asyncio.sleep(APART_MS / 1000)
        assert await harness.ledger.sweep() == 1
    deaths = [(await harness.stored(message))["deaths"] for message in messages]
    assert deaths == ["2", "2", "2"]
    await harness.check_the_invariant()


async def test_a_last_chance_is_not_waited_for_beyond_the_sessions_end(
    harness: LedgerHarness,
) -> None:
    messages = [a_message(msgId=f"msg{number}") for number in range(2)]
    await harness.accept(*messages)
    for _ in (1, 2):
        for message in messages:
            await harness.lease(message)
            await harness.make_overdue(message)
        await harness.ledger.sweep()
    (rests,) = [
        m
        for m in messages
        if (await harness.stored(m))["state"] == "accepted"
        and "not_before_ms" in await harness.stored(m)
    ]
    await harness.end_session(rests)
    await harness.make_overdue(rests)
    await harness.ledger.sweep()
    assert (await harness.counts()).dead == {"expired": 1}
    await harness.check_the_invariant()


async def test_a_reply_of_unknown_outcome_is_never_sent_again(
    harness: LedgerHarness, message: Message
) -> None:
    lease = await harness.leased(message)
    await harness.ledger.claim_send(lease)
    await harness.make_overdue(message)
    assert await harness.ledger.sweep() == 0
    assert await harness.waiting() == []
    assert await harness.ledger.lease(message.id) == "dead"
    assert (await harness.counts()).dead == {"unknown": 1}
    with pytest.raises(LeaseLostError):
        await harness.ledger.finish(lease, ANSWERED)


async def test_a_swept_dead_letter_is_listed_and_remembered(
    harness: LedgerHarness, message: Message
) -> None:
    await harness.ledger.claim_send(await harness.leased(message))
    await harness.make_overdue(message)
    await harness.ledger.sweep()
    stored = await harness.stored(message)
    times = {"accepted_ms", "leased_ms", "sending_ms", "ended_ms"}
    assert stored.keys() == times | {"state", "reason", "detail", "leases", "job", "facts"}
    ttl_s = await harness.redis.ttl(KEYS.message(message.id))
    assert DEAD_LETTER_S - 5 < ttl_s <= DEAD_LETTER_S
    assert [letter.id for letter in await harness.admin.dead_letters()] == [message.id]


async def test_a_dead_workers_message_is_dead_once_its_session_is_over(
    harness: LedgerHarness, message: Message
) -> None:
    await harness.leased(message)
    await harness.make_overdue(message)
    await harness.end_session(message)
    assert await harness.ledger.sweep() == 0
    assert (await harness.counts()).dead == {"expired": 1}


async def test_a_message_that_was_taken_but_never_leased_is_enqueued_again(
    harness: LedgerHarness, message: Message
) -> None:
    await harness.accept(message)
    await harness.pop()
    assert await harness.ledger.sweep() == 0
    assert await harness.ledger.sweep() == 0
    await asyncio.sleep(HANDOVER_MS / 1000 * 1.5)
    assert await harness.ledger.sweep() == 1
    assert await harness.waiting() == [message.id]
    assert (await harness.lease(message)).delivery_attempt == 1


async def test_a_message_that_waits_in_the_queue_is_not_enqueued_again(
    harness: LedgerHarness, message: Message, other: Message
) -> None:
    await harness.accept(message, other)
    await harness.pop()
    await harness.ledger.sweep()
    await asyncio.sleep(HANDOVER_MS / 1000 * 1.5)
    assert await harness.ledger.sweep() == 1
    assert await harness.waiting() == [other.id, message.id]
    assert await harness.due_in_ms(other) is None


async def test_messages_that_nobody_takes_wait_as_long_as_need_be(
    harness: LedgerHarness, message: Message, other: Message
) -> None:
    await harness.accept(message, other)
    for _ in range(3):
        assert await harness.ledger.sweep() == 0
        await asyncio.sleep(HANDOVER_MS / 1000)
    assert await harness.waiting() == [message.id, other.id]


async def test_messages_are_enqueued_again_when_rqs_queue_is_lost(
    harness: LedgerHarness, message: Message, other: Message
) -> None:
    await harness.accept(message, other)
    await harness.redis.delete("rq:queue:dingda")
    await harness.ledger.sweep()
    await asyncio.sleep(HANDOVER_MS / 1000 * 1.5)
    assert await harness.ledger.sweep() == 2
    assert sorted(await harness.waiting()) == sorted([message.id, other.id])


async def test_a_message_taken_late_is_not_enqueued_again(
    harness: LedgerHarness, message: Message
) -> None:
    await harness.accept(message)
    await harness.pop()
    await harness.ledger.sweep()
    await harness.lease(message)
    await asyncio.sleep(HANDOVER_MS / 1000 * 1.5)
    assert await harness.ledger.sweep() == 0


async def test_a_job_that_was_never_taken_is_no_death(
    harness: LedgerHarness, message: Message
) -> None:
    await harness.accept(message)
    for _ in range(5):
        await harness.pop()
        await harness.ledger.sweep()
        await harness.make_overdue(message)
        assert await harness.ledger.sweep() == 1
    assert (await harness.lease(message)).delivery_attempt == 1


async def test_a_foreign_job_at_the_head_of_the_queue_does_no_harm(
    harness: LedgerHarness, message: Message
) -> None:
    await harness.accept(message)
    await harness.redis.lpush("rq:queue:dingda", "somebody_elses")
    assert await harness.ledger.sweep() == 0
    assert await harness.due_in_ms(message) is None


async def test_a_message_that_is_gone_is_swept_away(
    harness: LedgerHarness, message: Message
) -> None:
    await harness.redis.zadd(KEYS.due, {message.id: 0})
    assert await harness.ledger.sweep() == 0
    assert await harness.due_in_ms(message) is None


async def test_old_dead_letters_leave_the_list(harness: LedgerHarness, message: Message) -> None:
    await harness.die(message)
    week_ms = DEAD_LETTER_S * 1000
    await harness.redis.zadd(KEYS.dead, {"old": now_ms() - week_ms - 1, "new": now_ms() - 9_000})
    await harness.ledger.sweep()
    assert [letter.id for letter in await harness.admin.dead_letters()] == [message.id, "new"]


async def test_more_than_one_sweep_can_carry_is_left_for_the_next(harness: LedgerHarness) -> None:
    messages = [a_message(msgId=f"msg{n}", senderId=f"$:LWCP_v1:${n}") for n in range(501)]
    await harness.accept(*messages, backlog_limit=501)
    await harness.redis.zadd(KEYS.due, {message.id: 0 for message in messages})
    assert [await harness.ledger.sweep() for _ in range(3)] == [500, 1, 0]
