import asyncio

import pytest

from dingda.shared.dingtalk.message import Message
from dingda.shared.dingtalk.reply import Text, to_body
from dingda.shared.errors import LeaseLostError
from dingda.shared.ledger.ledger import DEAD_LETTER_S
from dingda.shared.ledger.states import (
    Completion,
    DeadReason,
    Failures,
    Lease,
    Outcome,
    PreparedReply,
)
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
    world: LedgerHarness, message: Message
) -> None:
    lease = await world.leased(message)
    await world.ledger.retry(lease, pause_ms=60_000, prepared=PREPARED)
    assert await world.ledger.lease(message.id) == "waiting"
    assert await world.ledger.sweep() == 0
    due_in_ms = await world.due_in_ms(message)
    assert due_in_ms is not None
    assert 55_000 < due_in_ms <= 60_000


async def test_a_message_is_enqueued_again_after_its_pause(
    world: LedgerHarness, message: Message
) -> None:
    lease = await world.leased(message)
    await world.ledger.retry(lease, pause_ms=20, prepared=PREPARED)
    await asyncio.sleep(0.03)
    assert await world.ledger.sweep() == 1
    assert await world.waiting() == [message.id]


@pytest.mark.parametrize("sending", [True, False])
async def test_a_retry_sends_the_same_reply(
    world: LedgerHarness, message: Message, *, sending: bool
) -> None:
    first = await world.leased(message)
    if sending:
        await world.ledger.claim_send(first)
    await world.ledger.retry(first, pause_ms=0, prepared=PREPARED)
    second = await world.lease(message)
    assert (second.prepared, second.delivery_attempt) == (PREPARED, 2)
    assert second.payload == body_of(message)


async def test_a_retry_may_send_another_reply(world: LedgerHarness, message: Message) -> None:
    plainer = PreparedReply(
        to_body(Text("抱歉")), Completion(Outcome.DEAD, DeadReason.FAILED, "430104")
    )
    for prepared in (PREPARED, plainer):
        await world.accept(message)
        await world.ledger.retry(await world.lease(message), pause_ms=0, prepared=prepared)
    assert (await world.lease(message)).prepared == plainer


async def test_a_retry_may_ask_the_skill_again(world: LedgerHarness, message: Message) -> None:
    await world.ledger.retry(await world.leased(message), pause_ms=0, prepared=None)
    assert (await world.lease(message)).prepared is None


async def test_a_retry_is_no_death(world: LedgerHarness, message: Message) -> None:
    await world.accept(message)
    for _ in range(5):
        await world.ledger.retry(await world.lease(message), pause_ms=0, prepared=PREPARED)
        assert await world.ledger.sweep() == 1
    assert (await world.lease(message)).delivery_attempt == 6


async def test_failures_are_counted_by_kind_over_retries_deaths_and_hand_backs(
    world: LedgerHarness, message: Message
) -> None:
    await world.accept(message)
    for trouble in ("connection", "busy", "connection"):
        lease = await world.lease(message)
        await world.ledger.retry(lease, pause_ms=0, prepared=PREPARED, trouble=trouble)
    await world.ledger.retry(await world.lease(message), pause_ms=0, prepared=PREPARED)
    await world.ledger.release(await world.lease(message))
    await world.lease(message)
    await world.make_overdue(message)
    await world.ledger.sweep()
    lease = await world.lease(message)
    assert lease.failures == Failures({"connection": 2, "busy": 1})
    assert lease.failures.of("throttled") == 0
    assert lease.delivery_attempt == 5


async def test_what_expires_after_a_retry_says_why_there_was_no_reply(
    world: LedgerHarness, message: Message
) -> None:
    lease = await world.leased(message)
    await world.ledger.retry(
        lease, pause_ms=0, prepared=PREPARED, trouble="busy", reason="errcode -1"
    )
    await world.end_session(message)
    assert await world.ledger.lease(message.id) == "expired"
    (letter,) = await world.admin.dead_letters()
    assert letter.reason == "expired: errcode -1"
    assert (await world.counts()).dead == {"expired": 1}
    assert "failures" not in await world.stored(message)


async def test_what_is_handed_back_is_enqueued_at_the_next_sweep(
    world: LedgerHarness, message: Message
) -> None:
    await world.ledger.release(await world.leased(message))
    assert await world.waiting() == []
    assert await world.ledger.sweep() == 1
    assert await world.waiting() == [message.id]
    assert (await world.lease(message)).prepared is None


async def test_what_is_handed_back_keeps_its_reply(world: LedgerHarness, message: Message) -> None:
    await world.ledger.retry(await world.leased(message), pause_ms=0, prepared=PREPARED)
    await world.ledger.release(await world.lease(message))
    assert (await world.lease(message)).prepared == PREPARED


async def test_a_reply_on_the_wire_is_not_handed_back(
    world: LedgerHarness, message: Message
) -> None:
    lease = await world.leased(message)
    await world.ledger.claim_send(lease)
    with pytest.raises(LeaseLostError):
        await world.ledger.release(lease)
    assert (await world.stored(message))["state"] == "sending"


async def test_a_retry_ends_with_the_session(world: LedgerHarness, message: Message) -> None:
    await world.ledger.retry(await world.leased(message), pause_ms=0, prepared=PREPARED)
    await world.end_session(message)
    assert await world.ledger.sweep() == 0
    assert (await world.counts()).dead == {"expired": 1}


async def test_a_sweep_of_nothing_does_nothing(world: LedgerHarness) -> None:
    assert await world.ledger.sweep() == 0


async def test_a_dead_workers_message_is_enqueued_again(
    world: LedgerHarness, message: Message
) -> None:
    await world.leased(message)
    await world.make_overdue(message)
    assert await world.ledger.sweep() == 1
    assert await world.waiting() == [message.id]
    assert (await world.stored(message))["leases"] == "1"
    assert isinstance(await world.lease(message), Lease)


async def test_what_comes_back_untried_counts_as_no_attempt(
    world: LedgerHarness, message: Message
) -> None:
    await world.ledger.release(await world.leased(message))
    await world.lease(message)
    await world.make_overdue(message)
    await world.ledger.sweep()
    lease = await world.lease(message)
    assert lease.delivery_attempt == 1
    await world.ledger.retry(lease, pause_ms=0, prepared=PREPARED)
    assert (await world.lease(message)).delivery_attempt == 2


async def test_a_lease_is_renewed_up_to_the_sessions_end_and_no_longer(
    world: LedgerHarness, message: Message
) -> None:
    lease = await world.leased(message)
    await world.end_session(message)
    await world.ledger.renew(lease)
    assert await world.ledger.sweep() == 0
    assert (await world.counts()).dead == {"expired": 1}


async def test_a_message_is_enqueued_again_only_once(
    world: LedgerHarness, message: Message
) -> None:
    await world.leased(message)
    await world.make_overdue(message)
    assert sum(await asyncio.gather(*(world.ledger.sweep() for _ in range(5)))) == 1
    assert await world.ledger.sweep() == 0
    assert await world.waiting() == [message.id]


async def test_every_job_of_a_message_has_an_id_of_its_own(
    world: LedgerHarness, message: Message
) -> None:
    await world.accept(message)
    first = await world.pop()
    await world.lease(message)
    await world.make_overdue(message)
    await world.ledger.sweep()
    second = await world.pop()
    assert (first, second) == (f"{message.id}-1", f"{message.id}-2")


async def test_a_message_over_which_three_workers_died_is_given_up_and_named(
    world: LedgerHarness, message: Message, caplog: pytest.LogCaptureFixture
) -> None:
    await world.accept(message)
    for enqueued in (1, 1, 0):
        await world.lease(message)
        await world.make_overdue(message)
        assert await world.ledger.sweep() == enqueued
    stored = await world.stored(message)
    assert (stored["state"], stored["reason"]) == ("dead", "failed")
    assert stored["detail"] == "workers died over it"
    assert f"message {message.id[:8]} is given up: 3 workers died over it" in caplog.text
    assert (await world.counts()).dead == {"failed": 1}


async def test_messages_that_died_together_have_their_last_chance_apart(
    world: LedgerHarness,
) -> None:
    messages = [a_message(msgId=f"msg{number}") for number in range(3)]
    await world.accept(*messages)
    for enqueued in (3, 1):
        for message in messages:
            await world.lease(message)
            await world.make_overdue(message)
        assert await world.ledger.sweep() == enqueued
    waits_ms = sorted([await world.due_in_ms(message) or 0.0 for message in messages])
    assert 0 < waits_ms[1] <= APART_MS < waits_ms[2] <= 2 * APART_MS
    for _ in (1, 2):
        assert await world.ledger.sweep() == 0
        await asyncio.sleep(APART_MS / 1000)
        assert await world.ledger.sweep() == 1
    deaths = [(await world.stored(message))["deaths"] for message in messages]
    assert deaths == ["2", "2", "2"]
    await world.check_the_invariant()


async def test_a_last_chance_is_not_waited_for_beyond_the_sessions_end(
    world: LedgerHarness,
) -> None:
    messages = [a_message(msgId=f"msg{number}") for number in range(2)]
    await world.accept(*messages)
    for _ in (1, 2):
        for message in messages:
            await world.lease(message)
            await world.make_overdue(message)
        await world.ledger.sweep()
    (rests,) = [
        m
        for m in messages
        if (await world.stored(m))["state"] == "accepted"
        and "not_before_ms" in await world.stored(m)
    ]
    await world.end_session(rests)
    await world.make_overdue(rests)
    await world.ledger.sweep()
    assert (await world.counts()).dead == {"expired": 1}
    await world.check_the_invariant()


async def test_a_reply_of_unknown_outcome_is_never_sent_again(
    world: LedgerHarness, message: Message
) -> None:
    lease = await world.leased(message)
    await world.ledger.claim_send(lease)
    await world.make_overdue(message)
    assert await world.ledger.sweep() == 0
    assert await world.waiting() == []
    assert await world.ledger.lease(message.id) == "dead"
    assert (await world.counts()).dead == {"unknown": 1}
    with pytest.raises(LeaseLostError):
        await world.ledger.finish(lease, ANSWERED)


async def test_a_swept_dead_letter_is_listed_and_remembered(
    world: LedgerHarness, message: Message
) -> None:
    await world.ledger.claim_send(await world.leased(message))
    await world.make_overdue(message)
    await world.ledger.sweep()
    stored = await world.stored(message)
    times = {"accepted_ms", "leased_ms", "sending_ms", "ended_ms"}
    assert stored.keys() == times | {"state", "reason", "detail", "leases", "job"}
    ttl_s = await world.redis.ttl(KEYS.message(message.id))
    assert DEAD_LETTER_S - 5 < ttl_s <= DEAD_LETTER_S
    assert [letter.id for letter in await world.admin.dead_letters()] == [message.id]


async def test_a_dead_workers_message_is_dead_once_its_session_is_over(
    world: LedgerHarness, message: Message
) -> None:
    await world.leased(message)
    await world.make_overdue(message)
    await world.end_session(message)
    assert await world.ledger.sweep() == 0
    assert (await world.counts()).dead == {"expired": 1}


async def test_a_message_that_was_taken_but_never_leased_is_enqueued_again(
    world: LedgerHarness, message: Message
) -> None:
    await world.accept(message)
    await world.pop()
    assert await world.ledger.sweep() == 0
    assert await world.ledger.sweep() == 0
    await asyncio.sleep(HANDOVER_MS / 1000 * 1.5)
    assert await world.ledger.sweep() == 1
    assert await world.waiting() == [message.id]
    assert (await world.lease(message)).delivery_attempt == 1


async def test_a_message_that_waits_in_the_queue_is_not_enqueued_again(
    world: LedgerHarness, message: Message, other: Message
) -> None:
    await world.accept(message, other)
    await world.pop()
    await world.ledger.sweep()
    await asyncio.sleep(HANDOVER_MS / 1000 * 1.5)
    assert await world.ledger.sweep() == 1
    assert await world.waiting() == [other.id, message.id]
    assert await world.due_in_ms(other) is None


async def test_messages_that_nobody_takes_wait_as_long_as_need_be(
    world: LedgerHarness, message: Message, other: Message
) -> None:
    await world.accept(message, other)
    for _ in range(3):
        assert await world.ledger.sweep() == 0
        await asyncio.sleep(HANDOVER_MS / 1000)
    assert await world.waiting() == [message.id, other.id]


async def test_messages_are_enqueued_again_when_rqs_queue_is_lost(
    world: LedgerHarness, message: Message, other: Message
) -> None:
    await world.accept(message, other)
    await world.redis.delete("rq:queue:dingda")
    await world.ledger.sweep()
    await asyncio.sleep(HANDOVER_MS / 1000 * 1.5)
    assert await world.ledger.sweep() == 2
    assert sorted(await world.waiting()) == sorted([message.id, other.id])


async def test_a_message_taken_late_is_not_enqueued_again(
    world: LedgerHarness, message: Message
) -> None:
    await world.accept(message)
    await world.pop()
    await world.ledger.sweep()
    await world.lease(message)
    await asyncio.sleep(HANDOVER_MS / 1000 * 1.5)
    assert await world.ledger.sweep() == 0


async def test_a_job_that_was_never_taken_is_no_death(
    world: LedgerHarness, message: Message
) -> None:
    await world.accept(message)
    for _ in range(5):
        await world.pop()
        await world.ledger.sweep()
        await world.make_overdue(message)
        assert await world.ledger.sweep() == 1
    assert (await world.lease(message)).delivery_attempt == 1


async def test_a_foreign_job_at_the_head_of_the_queue_does_no_harm(
    world: LedgerHarness, message: Message
) -> None:
    await world.accept(message)
    await world.redis.lpush("rq:queue:dingda", "somebody_elses")
    assert await world.ledger.sweep() == 0
    assert await world.due_in_ms(message) is None


async def test_a_message_that_is_gone_is_swept_away(world: LedgerHarness, message: Message) -> None:
    await world.redis.zadd(KEYS.due, {message.id: 0})
    assert await world.ledger.sweep() == 0
    assert await world.due_in_ms(message) is None


async def test_old_dead_letters_leave_the_list(world: LedgerHarness, message: Message) -> None:
    await world.die(message)
    week_ms = DEAD_LETTER_S * 1000
    await world.redis.zadd(KEYS.dead, {"old": now_ms() - week_ms - 1, "new": now_ms() - 9_000})
    await world.ledger.sweep()
    assert [letter.id for letter in await world.admin.dead_letters()] == [message.id, "new"]


async def test_more_than_one_sweep_can_carry_is_left_for_the_next(world: LedgerHarness) -> None:
    messages = [a_message(msgId=f"msg{number}") for number in range(501)]
    await world.accept(*messages, backlog_limit=501)
    await world.redis.zadd(KEYS.due, {message.id: 0 for message in messages})
    assert [await world.ledger.sweep() for _ in range(3)] == [500, 1, 0]
