"""What the version before this one wrote, which a rolling deploy leaves in Redis.

It stored a reason and its detail as one text.
"""

import pytest

from dingda.shared.dingtalk.message import Message
from dingda.shared.ledger.states import AcceptResult, Completion, DeadReason, Outcome
from dingda.shared.ledger.timeline import read_timelines
from dingda.shared.queue import JobQueue
from tests.support.builders import KEYS
from tests.support.ledger_harness import ANSWERED, LedgerHarness

FORMER = {
    "failed: errcode 300001": Completion(Outcome.DEAD, DeadReason.FAILED, "errcode 300001"),
    "expired": Completion(Outcome.DEAD, DeadReason.EXPIRED),
    "expired: errcode -1": Completion(Outcome.DEAD, DeadReason.EXPIRED, "errcode -1"),
    "unknown: no answer": Completion(Outcome.DEAD, DeadReason.UNKNOWN, "no answer"),
}


async def died_before(harness: LedgerHarness, message: Message, text: str) -> None:
    """Let a message end as it would have in the version before."""
    await harness.ledger.finish(await harness.leased(message), FORMER[text])
    key = KEYS.message(message.id)
    await harness.redis.hset(key, "reason", text)
    await harness.redis.hdel(key, "detail")


@pytest.mark.parametrize("text", FORMER)
async def test_its_dead_letters_are_listed(
    harness: LedgerHarness, message: Message, text: str
) -> None:
    await died_before(harness, message, text)
    (letter,) = await harness.admin.dead_letters()
    assert letter.reason == text


async def test_a_detail_that_it_left_behind_is_not_joined_to_its_own_reason(
    harness: LedgerHarness, message: Message
) -> None:
    await died_before(harness, message, "failed: errcode 300001")
    await harness.redis.hset(KEYS.message(message.id), "detail", "errcode 400001")
    (letter,) = await harness.admin.dead_letters()
    assert letter.reason == "failed: errcode 300001"


@pytest.mark.parametrize("text", FORMER)
async def test_its_dead_letters_can_be_followed(
    harness: LedgerHarness, message: Message, text: str
) -> None:
    await died_before(harness, message, text)
    queue = JobQueue.create("dingda", skill_timeout_s=30)
    (timeline,) = await read_timelines(harness.redis, queue, [message.id])
    assert timeline is not None
    assert timeline.reason == text


@pytest.mark.parametrize("text", FORMER)
async def test_its_dead_letters_are_retried_and_counted_as_revived(
    harness: LedgerHarness, message: Message, text: str
) -> None:
    await died_before(harness, message, text)
    assert await harness.admin.retry_dead_letter(message.id) == "accepted"
    counts = await harness.counts()
    assert (counts.revived, counts.open) == (1, 1)
    await harness.ledger.finish(await harness.lease(message), ANSWERED)
    await harness.check_the_invariant()


async def test_a_dead_letter_that_it_subtracted_on_a_retry_leaves_no_gap_in_the_totals(
    harness: LedgerHarness, message: Message, other: Message
) -> None:
    """Commands of both versions may have retried dead letters of one ledger."""
    await harness.die(message)
    await harness.admin.retry_dead_letter(message.id)
    await harness.redis.hincrby(KEYS.count, "dead:failed", -1)
    await harness.redis.hdel(KEYS.count, "revived")  # as the version before counts it
    assert (await harness.counts()).open == 1
    await harness.ledger.finish(await harness.lease(message), ANSWERED)
    await harness.die(other)
    await harness.admin.retry_dead_letter(other.id)
    counts = await harness.counts()
    assert (counts.accepted, counts.revived, counts.answered, counts.open) == (2, 1, 1, 1)
    assert counts.dead == {"failed": 1}


async def test_what_it_ended_well_is_known_by_its_record_alone(
    harness: LedgerHarness, message: Message
) -> None:
    await harness.ledger.finish(await harness.leased(message), ANSWERED)
    await harness.redis.delete(KEYS.ended(message.id))
    assert await harness.accept(message) == [AcceptResult.DUPLICATE]
    await harness.check_the_invariant()
