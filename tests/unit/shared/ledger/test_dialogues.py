"""A dialogue in the ledger: taken by one message, the same for each attempt, and changed once."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from dingda.shared.dingtalk.message import Message, single_chat_key
from dingda.shared.ledger.dialogues import CLOSED, LATE, LEFT_ALONE, opened
from dingda.shared.ledger.states import Completion, DeadReason, Lease, Outcome
from tests.support.builders import KEYS, a_message, now_ms
from tests.support.ledger_harness import ANSWERED, PREPARED, WELL, LedgerHarness

ASKING, ANSWER, NEXT = (a_message(msgId=f"said-{number}") for number in range(3))
SINGLE = a_message(msgId="single", conversationType="1", conversationId="cidSINGLE==")
OTHERS = a_message(msgId="others", senderId="$:LWCP_v1:$other", senderStaffId="0002")
KEY = KEYS.dialogue(ASKING.ordering_key)
QUESTION = '{"skill": "duty", "step": "pick"}'
ASKED = opened(QUESTION, expires_ms=300_000)
FAILED = Completion(Outcome.DEAD, DeadReason.FAILED, "ValueError in the skill")
EXPIRED = Completion(Outcome.DEAD, DeadReason.EXPIRED)
UNKNOWN = Completion(Outcome.DEAD, DeadReason.UNKNOWN, "no answer")


async def ask(harness: LedgerHarness, after: str = ASKED, message: Message = ASKING) -> None:
    """Answer a message with a question."""
    lease = await harness.leased(message)
    await harness.ledger.claim_send(lease, dialogue_after=after)
    await harness.ledger.finish(lease, ANSWERED)


async def is_asked(harness: LedgerHarness) -> bool:
    return bool(await harness.redis.exists(KEY))


async def released(harness: LedgerHarness, lease: Lease) -> None:
    await harness.ledger.release(lease)


async def failed_for_now(harness: LedgerHarness, lease: Lease) -> None:
    await harness.ledger.retry(lease, pause_ms=0, prepared=PREPARED)


async def died(harness: LedgerHarness, _: Lease) -> None:
    await harness.make_overdue(ANSWER)
    await harness.ledger.sweep()


async def test_the_next_message_of_the_sender_continues_it(harness: LedgerHarness) -> None:
    await ask(harness)
    assert (await harness.leased(ANSWER)).dialogue == QUESTION


async def test_nothing_is_continued_where_nothing_was_asked(harness: LedgerHarness) -> None:
    assert (await harness.leased(ANSWER)).dialogue == ""


async def test_nobody_else_continues_it(harness: LedgerHarness) -> None:
    await ask(harness)
    assert (await harness.leased(OTHERS)).dialogue == ""


async def test_it_is_asked_at_the_end_of_the_message_and_not_before(harness: LedgerHarness) -> None:
    lease = await harness.leased(ASKING)
    await harness.ledger.claim_send(lease, dialogue_after=ASKED)
    assert not await is_asked(harness)
    await harness.ledger.finish(lease, ANSWERED)
    assert await is_asked(harness)


@pytest.mark.parametrize("again", [released, failed_for_now, died])
async def test_each_attempt_sees_the_same(
    harness: LedgerHarness, again: Callable[[LedgerHarness, Lease], Awaitable[None]]
) -> None:
    await ask(harness)
    lease = await harness.leased(ANSWER)
    await again(harness, lease)
    await harness.redis.hdel(KEYS.message(ANSWER.id), "not_before_ms")
    assert (await harness.lease(ANSWER)).dialogue == QUESTION


async def test_each_attempt_sees_the_same_though_its_time_has_passed(
    harness: LedgerHarness,
) -> None:
    await ask(harness)
    lease = await harness.leased(ANSWER)
    kept: Any = await harness.redis.hget(KEYS.message(ANSWER.id), "dialogue")
    until_ms, rest = str(kept).split(" ", 1)
    passed = f"{int(until_ms) - 299_000} {rest}"
    await harness.redis.hset(KEYS.message(ANSWER.id), "dialogue", passed)
    await harness.ledger.release(lease)
    assert (await harness.lease(ANSWER)).dialogue == QUESTION


async def test_only_one_of_two_messages_continues_it(harness: LedgerHarness) -> None:
    await ask(harness)
    first = await harness.leased(ANSWER)
    second = await harness.leased(NEXT)
    assert (first.dialogue, second.dialogue) == (QUESTION, "")


async def test_one_that_has_lost_its_place_leaves_it_to_nobody(harness: LedgerHarness) -> None:
    await ask(harness)
    throttled = await harness.leased(ANSWER)
    await harness.ledger.retry(throttled, pause_ms=60_000, prepared=PREPARED)
    assert (await harness.leased(NEXT)).dialogue == ""


async def test_a_message_from_before_the_question_that_lost_its_place_does_not_continue_it(
    harness: LedgerHarness,
) -> None:
    old = await harness.leased(NEXT)
    await harness.ledger.retry(old, pause_ms=60_000, prepared=None)
    await harness.redis.hset(KEYS.message(NEXT.id), "accepted_ms", now_ms() - 1_000)
    await ask(harness)
    await harness.redis.hdel(KEYS.message(NEXT.id), "not_before_ms")
    assert (await harness.lease(NEXT)).dialogue == ""
    assert await is_asked(harness)


async def test_what_follows_at_once_continues_it_when_its_turn_has_come(
    harness: LedgerHarness,
) -> None:
    asking = await harness.leased(ASKING)
    answer = await harness.leased(ANSWER)
    assert answer.dialogue == ""
    assert await harness.ledger.park(answer)
    await harness.ledger.finish(asking, ANSWERED, dialogue_after=ASKED)
    assert (await harness.lease(ANSWER)).dialogue == QUESTION


@pytest.mark.parametrize("completion", WELL)
async def test_a_message_that_closes_it_has_consumed_it(
    harness: LedgerHarness, completion: Completion
) -> None:
    await ask(harness)
    await harness.ledger.finish(await harness.leased(ANSWER), completion, dialogue_after=CLOSED)
    assert (await harness.leased(NEXT)).dialogue == ""


@pytest.mark.parametrize("completion", [*WELL, FAILED, EXPIRED])
async def test_a_message_that_led_to_nothing_leaves_it_open(
    harness: LedgerHarness, completion: Completion
) -> None:
    await ask(harness)
    before: Any = await harness.redis.get(KEY)
    await harness.ledger.finish(await harness.leased(ANSWER), completion)
    assert await harness.redis.get(KEY) == before
    assert (await harness.leased(NEXT)).dialogue == QUESTION


async def test_the_next_question_takes_the_place_of_this_one(harness: LedgerHarness) -> None:
    await ask(harness)
    lease = await harness.leased(ANSWER)
    await harness.ledger.finish(lease, ANSWERED, dialogue_after=opened("{}", expires_ms=1_000))
    assert (await harness.leased(NEXT)).dialogue == "{}"


async def test_a_reply_that_failed_for_good_asks_nothing(harness: LedgerHarness) -> None:
    lease = await harness.leased(ASKING)
    await harness.ledger.claim_send(lease, dialogue_after=ASKED)
    await harness.ledger.finish(lease, FAILED)
    assert not await is_asked(harness)


async def test_a_reply_of_unknown_fate_was_most_likely_shown_and_asks(
    harness: LedgerHarness,
) -> None:
    lease = await harness.leased(ASKING)
    await harness.ledger.claim_send(lease, dialogue_after=ASKED)
    await harness.ledger.finish(lease, UNKNOWN)
    assert (await harness.leased(ANSWER)).dialogue == QUESTION


async def test_so_does_one_whose_worker_died_while_sending(harness: LedgerHarness) -> None:
    lease = await harness.leased(ASKING)
    await harness.ledger.claim_send(lease, dialogue_after=ASKED)
    await harness.make_overdue(ASKING)
    await harness.ledger.sweep()
    assert (await harness.leased(ANSWER)).dialogue == QUESTION


async def test_a_retry_keeps_what_its_prepared_reply_asks(harness: LedgerHarness) -> None:
    lease = await harness.leased(ASKING)
    await harness.ledger.retry(lease, pause_ms=0, prepared=PREPARED, dialogue_after=ASKED)
    lease = await harness.lease(ASKING)
    await harness.ledger.claim_send(lease)
    await harness.ledger.finish(lease, ANSWERED)
    assert await is_asked(harness)


async def test_a_sentence_in_the_place_of_the_reply_asks_nothing(harness: LedgerHarness) -> None:
    lease = await harness.leased(ASKING)
    await harness.ledger.claim_send(lease, dialogue_after=ASKED)
    await harness.ledger.retry(lease, pause_ms=0, prepared=PREPARED, dialogue_after=LEFT_ALONE)
    lease = await harness.lease(ASKING)
    await harness.ledger.claim_send(lease)
    await harness.ledger.finish(lease, UNKNOWN)
    assert not await is_asked(harness)


async def test_an_operators_retry_continues_what_is_still_open(harness: LedgerHarness) -> None:
    await ask(harness)
    await harness.ledger.finish(await harness.leased(ANSWER), FAILED)
    await harness.admin.retry_dead_letter(ANSWER.id)
    assert (await harness.lease(ANSWER)).dialogue == QUESTION


async def test_an_operators_retry_does_not_continue_what_was_answered_since(
    harness: LedgerHarness,
) -> None:
    await ask(harness)
    await harness.ledger.finish(await harness.leased(ANSWER), FAILED)
    await harness.ledger.finish(await harness.leased(NEXT), ANSWERED, dialogue_after=CLOSED)
    await harness.admin.retry_dead_letter(ANSWER.id)
    assert (await harness.lease(ANSWER)).dialogue == ""


async def test_a_dead_letter_keeps_nothing_of_it(harness: LedgerHarness) -> None:
    await ask(harness)
    lease = await harness.leased(ANSWER)
    await harness.ledger.claim_send(lease, dialogue_after=ASKED)
    await harness.ledger.finish(lease, FAILED)
    assert not {"dialogue", "dialogue_after"} & (await harness.stored(ANSWER)).keys()


async def test_an_answer_in_time_is_in_time_however_late_it_is_leased(
    harness: LedgerHarness,
) -> None:
    await ask(harness, opened(QUESTION, expires_ms=60_000))
    await harness.accept(ANSWER)
    await harness.redis.hincrby(KEYS.message(ANSWER.id), "accepted_ms", 59_000)
    assert (await harness.lease(ANSWER)).dialogue == QUESTION


async def test_an_answer_after_its_time_is_told_so_at_each_attempt_and_once(
    harness: LedgerHarness,
) -> None:
    await ask(harness, opened(QUESTION, expires_ms=60_000))
    await harness.accept(ANSWER)
    await harness.redis.hincrby(KEYS.message(ANSWER.id), "accepted_ms", 61_000)
    lease = await harness.lease(ANSWER)
    assert lease.dialogue == LATE
    await harness.ledger.release(lease)
    lease = await harness.lease(ANSWER)
    assert lease.dialogue == LATE
    await harness.ledger.finish(lease, ANSWERED)
    assert (await harness.leased(NEXT)).dialogue == ""


async def test_it_goes_from_redis_an_hour_and_a_half_after_its_time(
    harness: LedgerHarness,
) -> None:
    await ask(harness, opened(QUESTION, expires_ms=60_000))
    remaining_ms = await harness.redis.pttl(KEY)
    assert 0 < remaining_ms - 60_000 <= 90 * 60_000


async def test_what_is_asked_privately_in_a_group_goes_on_in_the_single_chat(
    harness: LedgerHarness,
) -> None:
    elsewhere = single_chat_key(ASKING.robot_code, ASKING.sender_staff_id)
    await ask(harness, opened(QUESTION, expires_ms=60_000, elsewhere=elsewhere))
    assert (await harness.leased(ANSWER)).dialogue == ""
    assert (await harness.leased(SINGLE)).dialogue == QUESTION


@pytest.mark.parametrize("code", ["", "normal"])
def test_the_single_chat_of_a_robot_without_a_code_of_its_own_is_not_known(code: str) -> None:
    assert single_chat_key(code, "0001") == ""
    single = a_message(conversationType="1", robotCode=code)
    assert single.ordering_key == a_message(robotCode=code).ordering_key


@pytest.mark.parametrize("kind", ["list", "nonsense"])
async def test_what_a_foreign_hand_has_put_there_asks_nothing(
    harness: LedgerHarness, kind: str
) -> None:
    if kind == "list":
        await harness.redis.rpush(KEY, "x")
    else:
        await harness.redis.set(KEY, "x")
    lease = await harness.leased(ASKING)
    assert lease.dialogue == ""
    await harness.ledger.finish(lease, ANSWERED, dialogue_after=ASKED)
    assert (await harness.leased(ANSWER)).dialogue == QUESTION
