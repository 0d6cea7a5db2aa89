import asyncio

import pytest

from dingda.shared.dingtalk.message import Message
from dingda.shared.errors import LeaseLostError
from dingda.shared.ledger.states import AcceptResult, Completion, DeadReason, Failures, Outcome
from dingda.shared.ledger.times import MARGIN_MS
from tests.support.builders import KEYS, SESSION_MS, a_message, now_ms
from tests.support.ledger_harness import (
    ANSWERED,
    APART_MS,
    COMPLETIONS,
    PREPARED,
    STEPS,
    LedgerHarness,
    Step,
    body_of,
)


@pytest.mark.parametrize("completion", COMPLETIONS)
async def test_only_dead_letters_are_listed(
    harness: LedgerHarness, message: Message, completion: Completion
) -> None:
    await harness.ledger.finish(await harness.leased(message), completion)
    listed = [letter.id for letter in await harness.admin.dead_letters()]
    assert listed == ([message.id] if completion.outcome is Outcome.DEAD else [])


async def test_a_dead_letter_tells_what_an_operator_needs(
    harness: LedgerHarness, message: Message
) -> None:
    began_ms = now_ms()
    await harness.ledger.retry(await harness.leased(message), pause_ms=0, prepared=PREPARED)
    await harness.ledger.finish(
        await harness.lease(message), Completion(Outcome.DEAD, DeadReason.FAILED, "130101")
    )
    (letter,) = await harness.admin.dead_letters()
    assert (letter.id, letter.reason, letter.lease_count) == (message.id, "failed: 130101", 2)
    assert letter.payload == body_of(message)
    assert began_ms <= letter.accepted_ms <= letter.ended_ms <= now_ms()


async def test_dead_letters_are_listed_newest_first(
    harness: LedgerHarness, message: Message, other: Message
) -> None:
    for dead in (message, other):
        await harness.die(dead)
        await asyncio.sleep(0.002)
    listed = [letter.id for letter in await harness.admin.dead_letters()]
    assert listed == [other.id, message.id]


async def test_a_dead_letter_shows_no_words(harness: LedgerHarness, message: Message) -> None:
    await harness.die(message)
    shown = repr(await harness.admin.dead_letters())
    assert message.id in shown
    assert "sessionWebhook" not in shown


async def test_a_dead_letters_words_are_forgotten_when_its_session_closes(
    harness: LedgerHarness,
) -> None:
    message = a_message(sessionWebhookExpiredTime=now_ms() + MARGIN_MS + 2_000)
    await harness.die(message)
    forgotten_in_ms = await harness.redis.pttl(KEYS.dead_letter_payload(message.id))
    assert 0 < forgotten_in_ms <= MARGIN_MS + 2_000


async def test_a_dead_letter_of_a_closed_session_has_no_words(
    harness: LedgerHarness, message: Message
) -> None:
    lease = await harness.leased(message)
    await harness.end_session(message)
    await harness.ledger.finish(lease, Completion(Outcome.DEAD, DeadReason.EXPIRED))
    (letter,) = await harness.admin.dead_letters()
    assert (letter.reason, letter.payload) == ("expired", None)
    assert await harness.admin.retry_dead_letter(message.id) == "expired"


async def test_a_retried_dead_letter_begins_again(harness: LedgerHarness, message: Message) -> None:
    first = await harness.leased(message)
    await harness.ledger.claim_notice(first)
    await harness.ledger.retry(first, pause_ms=0, prepared=PREPARED, kinds=("busy",), reason="why")
    await harness.ledger.finish(
        await harness.lease(message), Completion(Outcome.DEAD, DeadReason.FAILED, "130101")
    )
    assert await harness.admin.retry_dead_letter(message.id) == "accepted"
    assert await harness.waiting() == [message.id]
    assert await harness.dead_letter_payload(message) is None
    assert await harness.redis.ttl(KEYS.message(message.id)) == -1
    lease = await harness.lease(message)
    assert (lease.payload, lease.delivery_attempt, lease.prepared) == (body_of(message), 1, None)
    assert lease.failures == Failures()
    assert 0 <= SESSION_MS - MARGIN_MS - lease.remaining_ms < 5_000
    assert await harness.ledger.claim_notice(lease)


async def test_a_retried_dead_letter_is_open_and_counted_as_revived(
    harness: LedgerHarness, message: Message
) -> None:
    await harness.die(message)
    await harness.admin.retry_dead_letter(message.id)
    counts = await harness.counts()
    assert (counts.accepted, counts.revived, counts.open) == (1, 1, 1)
    assert await harness.admin.dead_letters() == []
    await harness.ledger.finish(await harness.lease(message), ANSWERED)
    counts = await harness.counts()
    assert (counts.answered, counts.open) == (1, 0)


async def test_no_total_falls_when_a_dead_letter_is_retried(
    harness: LedgerHarness, message: Message
) -> None:
    await harness.die(message)
    before = await harness.redis.hgetall(KEYS.count)
    await harness.admin.retry_dead_letter(message.id)
    after = await harness.redis.hgetall(KEYS.count)
    assert all(int(after[name]) >= int(total) for name, total in before.items())
    assert (await harness.counts()).dead == {"failed": 1}


async def test_a_message_may_be_revived_and_die_any_number_of_times(
    harness: LedgerHarness, message: Message
) -> None:
    await harness.die(message)
    for _ in range(3):
        await harness.admin.retry_dead_letter(message.id)
        completion = Completion(Outcome.DEAD, DeadReason.FAILED, "again")
        await harness.ledger.finish(await harness.lease(message), completion)
    counts = await harness.counts()
    assert (counts.accepted, counts.revived, counts.dead, counts.open) == (1, 3, {"failed": 4}, 0)


async def test_a_retry_of_what_has_been_retried_counts_nothing(
    harness: LedgerHarness, message: Message
) -> None:
    await harness.die(message)
    await harness.admin.retry_dead_letter(message.id)
    await harness.admin.retry_dead_letter(message.id)
    assert (await harness.counts()).revived == 1


async def test_a_retried_dead_letter_may_see_as_many_deaths_as_any_message(
    harness: LedgerHarness, message: Message
) -> None:
    await harness.accept(message)
    for _ in range(3):
        await harness.lease(message)
        await harness.make_overdue(message)
        await harness.ledger.sweep()
    await harness.admin.retry_dead_letter(message.id)
    await asyncio.sleep(APART_MS / 1000)
    for enqueued in (1, 1, 0):
        await harness.lease(message)
        await harness.make_overdue(message)
        assert await harness.ledger.sweep() == enqueued


async def test_a_retried_dead_letter_is_swept_like_any_message(
    harness: LedgerHarness, message: Message
) -> None:
    await harness.die(message)
    await harness.admin.retry_dead_letter(message.id)
    await harness.pop()
    await harness.ledger.sweep()
    await harness.make_overdue(message)
    assert await harness.ledger.sweep() == 1


@pytest.mark.parametrize("step", STEPS.values(), ids=STEPS)
async def test_a_lease_from_before_the_retry_allows_nothing(
    harness: LedgerHarness, message: Message, step: Step
) -> None:
    stale = await harness.leased(message)
    await harness.ledger.finish(stale, Completion(Outcome.DEAD, DeadReason.FAILED, "a"))
    await harness.admin.retry_dead_letter(message.id)
    for _ in ("not leased yet", "leased"):
        with pytest.raises(LeaseLostError):
            await step(harness.ledger, stale)
        await harness.ledger.lease(message.id)


async def test_a_dead_letter_is_retried_once(harness: LedgerHarness, message: Message) -> None:
    await harness.die(message)
    await asyncio.gather(*(harness.admin.retry_dead_letter(message.id) for _ in range(5)))
    assert await harness.waiting() == [message.id]
    assert (await harness.counts()).open == 1


async def test_a_dead_letter_whose_session_is_about_to_close_is_not_retried(
    harness: LedgerHarness,
) -> None:
    message = a_message(sessionWebhookExpiredTime=now_ms() + MARGIN_MS - 1_000)
    await harness.accept(message)
    assert await harness.ledger.lease(message.id) == "expired"
    assert await harness.dead_letter_payload(message) == body_of(message)
    assert await harness.admin.retry_dead_letter(message.id) == "expired"
    assert len(await harness.admin.dead_letters()) == 1


@pytest.mark.parametrize(
    "completion", [ANSWERED, Completion(Outcome.UNMATCHED), Completion(Outcome.DECLINED)]
)
async def test_a_message_that_ended_well_is_neither_retried_nor_discarded(
    harness: LedgerHarness, message: Message, completion: Completion
) -> None:
    await harness.ledger.finish(await harness.leased(message), completion)
    assert await harness.admin.retry_dead_letter(message.id) == completion.outcome.value
    assert not await harness.admin.discard(message.id)
    assert await harness.waiting() == []


async def test_an_open_message_is_neither_retried_nor_discarded(
    harness: LedgerHarness, message: Message
) -> None:
    lease = await harness.leased(message)
    assert await harness.admin.retry_dead_letter(message.id) == "leased"
    assert not await harness.admin.discard(message.id)
    assert await harness.waiting() == []
    await harness.ledger.claim_send(lease)


async def test_an_unknown_message_is_neither_retried_nor_discarded(
    harness: LedgerHarness, message: Message
) -> None:
    assert await harness.admin.retry_dead_letter(message.id) == "gone"
    assert not await harness.admin.discard(message.id)
    assert await harness.waiting() == []


async def test_a_discarded_dead_letter_is_forgotten_but_counted(
    harness: LedgerHarness, message: Message
) -> None:
    await harness.die(message)
    assert await harness.admin.discard(message.id)
    assert await harness.admin.dead_letters() == []
    assert await harness.dead_letter_payload(message) is None
    assert (await harness.counts()).dead == {"failed": 1}
    assert await harness.accept(message) == [AcceptResult.DUPLICATE]
    assert not await harness.admin.discard(message.id)
    assert await harness.admin.retry_dead_letter(message.id) == "expired"


async def test_a_messages_age_is_told(harness: LedgerHarness, message: Message) -> None:
    await harness.accept(message)
    accepted_ms = now_ms() - 90_000
    await harness.redis.hset(KEYS.message(message.id), "accepted_ms", accepted_ms)
    assert 90 <= await harness.admin.age_s(message.id) < 95


async def test_an_unknown_message_has_no_age(harness: LedgerHarness, message: Message) -> None:
    assert await harness.admin.age_s(message.id) == 0
