import asyncio

import pytest

from dingda.shared.dingtalk.message import Message
from dingda.shared.errors import LeaseLostError
from dingda.shared.ledger.ledger import MARGIN_MS
from dingda.shared.ledger.states import AcceptResult, Completion, DeadReason, Failures, Outcome
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
    world: LedgerHarness, message: Message, completion: Completion
) -> None:
    await world.ledger.finish(await world.leased(message), completion)
    listed = [letter.id for letter in await world.admin.dead_letters()]
    assert listed == ([message.id] if completion.outcome is Outcome.DEAD else [])


async def test_a_dead_letter_tells_what_an_operator_needs(
    world: LedgerHarness, message: Message
) -> None:
    began_ms = now_ms()
    await world.ledger.retry(await world.leased(message), pause_ms=0, prepared=PREPARED)
    await world.ledger.finish(
        await world.lease(message), Completion(Outcome.DEAD, DeadReason.FAILED, "130101")
    )
    (letter,) = await world.admin.dead_letters()
    assert (letter.id, letter.reason, letter.lease_count) == (message.id, "failed: 130101", 2)
    assert letter.payload == body_of(message)
    assert began_ms <= letter.accepted_ms <= letter.ended_ms <= now_ms()


async def test_dead_letters_are_listed_newest_first(
    world: LedgerHarness, message: Message, other: Message
) -> None:
    for dead in (message, other):
        await world.die(dead)
        await asyncio.sleep(0.002)
    listed = [letter.id for letter in await world.admin.dead_letters()]
    assert listed == [other.id, message.id]


async def test_a_dead_letter_shows_no_words(world: LedgerHarness, message: Message) -> None:
    await world.die(message)
    shown = repr(await world.admin.dead_letters())
    assert message.id in shown
    assert "sessionWebhook" not in shown


async def test_a_dead_letters_words_are_forgotten_when_its_session_closes(
    world: LedgerHarness,
) -> None:
    message = a_message(sessionWebhookExpiredTime=now_ms() + MARGIN_MS + 2_000)
    await world.die(message)
    forgotten_in_ms = await world.redis.pttl(KEYS.dead_letter_payload(message.id))
    assert 0 < forgotten_in_ms <= MARGIN_MS + 2_000


async def test_a_dead_letter_of_a_closed_session_has_no_words(
    world: LedgerHarness, message: Message
) -> None:
    lease = await world.leased(message)
    await world.end_session(message)
    await world.ledger.finish(lease, Completion(Outcome.DEAD, DeadReason.EXPIRED))
    (letter,) = await world.admin.dead_letters()
    assert (letter.reason, letter.payload) == ("expired", None)
    assert await world.admin.retry_dead_letter(message.id) == "expired"


async def test_a_revived_message_begins_anew(world: LedgerHarness, message: Message) -> None:
    first = await world.leased(message)
    await world.ledger.claim_notice(first)
    await world.ledger.retry(first, pause_ms=0, prepared=PREPARED, trouble="busy", reason="why")
    await world.ledger.finish(
        await world.lease(message), Completion(Outcome.DEAD, DeadReason.FAILED, "130101")
    )
    assert await world.admin.retry_dead_letter(message.id) == "accepted"
    assert await world.waiting() == [message.id]
    assert await world.dead_letter_payload(message) is None
    assert await world.redis.ttl(KEYS.message(message.id)) == -1
    lease = await world.lease(message)
    assert (lease.payload, lease.delivery_attempt, lease.prepared) == (body_of(message), 1, None)
    assert lease.failures == Failures()
    assert 0 <= SESSION_MS - MARGIN_MS - lease.remaining_ms < 5_000
    assert await world.ledger.claim_notice(lease)


async def test_a_revived_message_is_open_and_dead_no_more(
    world: LedgerHarness, message: Message
) -> None:
    await world.die(message)
    await world.admin.retry_dead_letter(message.id)
    counts = await world.counts()
    assert (counts.accepted, counts.open, sum(counts.dead.values())) == (1, 1, 0)
    assert await world.admin.dead_letters() == []
    await world.ledger.finish(await world.lease(message), ANSWERED)
    assert (await world.counts()).answered == 1


async def test_a_revived_message_may_see_as_many_deaths_as_any(
    world: LedgerHarness, message: Message
) -> None:
    await world.accept(message)
    for _ in range(3):
        await world.lease(message)
        await world.make_overdue(message)
        await world.ledger.sweep()
    await world.admin.retry_dead_letter(message.id)
    await asyncio.sleep(APART_MS / 1000)
    for enqueued in (1, 1, 0):
        await world.lease(message)
        await world.make_overdue(message)
        assert await world.ledger.sweep() == enqueued


async def test_a_revived_message_is_swept_like_any_other(
    world: LedgerHarness, message: Message
) -> None:
    await world.die(message)
    await world.admin.retry_dead_letter(message.id)
    await world.pop()
    await world.ledger.sweep()
    await world.make_overdue(message)
    assert await world.ledger.sweep() == 1


@pytest.mark.parametrize("step", STEPS.values(), ids=STEPS)
async def test_who_held_a_message_before_it_was_revived_can_do_nothing(
    world: LedgerHarness, message: Message, step: Step
) -> None:
    stale = await world.leased(message)
    await world.ledger.finish(stale, Completion(Outcome.DEAD, DeadReason.FAILED, "a"))
    await world.admin.retry_dead_letter(message.id)
    for _ in ("not leased yet", "leased"):
        with pytest.raises(LeaseLostError):
            await step(world.ledger, stale)
        await world.ledger.lease(message.id)


async def test_a_message_is_revived_once(world: LedgerHarness, message: Message) -> None:
    await world.die(message)
    await asyncio.gather(*(world.admin.retry_dead_letter(message.id) for _ in range(5)))
    assert await world.waiting() == [message.id]
    assert (await world.counts()).open == 1


async def test_a_message_whose_session_is_about_to_close_is_not_revived(
    world: LedgerHarness,
) -> None:
    message = a_message(sessionWebhookExpiredTime=now_ms() + MARGIN_MS - 1_000)
    await world.accept(message)
    assert await world.ledger.lease(message.id) == "expired"
    assert await world.dead_letter_payload(message) == body_of(message)
    assert await world.admin.retry_dead_letter(message.id) == "expired"
    assert len(await world.admin.dead_letters()) == 1


@pytest.mark.parametrize(
    "completion", [ANSWERED, Completion(Outcome.UNMATCHED), Completion(Outcome.DECLINED)]
)
async def test_a_message_that_ended_well_is_neither_revived_nor_dropped(
    world: LedgerHarness, message: Message, completion: Completion
) -> None:
    await world.ledger.finish(await world.leased(message), completion)
    assert await world.admin.retry_dead_letter(message.id) == completion.outcome.value
    assert not await world.admin.discard(message.id)
    assert await world.waiting() == []


async def test_an_open_message_is_neither_revived_nor_dropped(
    world: LedgerHarness, message: Message
) -> None:
    lease = await world.leased(message)
    assert await world.admin.retry_dead_letter(message.id) == "leased"
    assert not await world.admin.discard(message.id)
    assert await world.waiting() == []
    await world.ledger.claim_send(lease)


async def test_an_unknown_message_is_neither_revived_nor_dropped(
    world: LedgerHarness, message: Message
) -> None:
    assert await world.admin.retry_dead_letter(message.id) == "gone"
    assert not await world.admin.discard(message.id)
    assert await world.waiting() == []


async def test_a_dropped_letter_is_forgotten_but_counted(
    world: LedgerHarness, message: Message
) -> None:
    await world.die(message)
    assert await world.admin.discard(message.id)
    assert await world.admin.dead_letters() == []
    assert await world.dead_letter_payload(message) is None
    assert (await world.counts()).dead == {"failed": 1}
    assert await world.accept(message) == [AcceptResult.DUPLICATE]
    assert not await world.admin.discard(message.id)
    assert await world.admin.retry_dead_letter(message.id) == "expired"


async def test_a_messages_age_is_told(world: LedgerHarness, message: Message) -> None:
    await world.accept(message)
    accepted_ms = now_ms() - 90_000
    await world.redis.hset(KEYS.message(message.id), "accepted_ms", accepted_ms)
    assert 90 <= await world.admin.age_s(message.id) < 95


async def test_an_unknown_message_has_no_age(world: LedgerHarness, message: Message) -> None:
    assert await world.admin.age_s(message.id) == 0
