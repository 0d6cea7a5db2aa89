from typing import Any

import pytest

from dingda.shared.dingtalk.message import Message
from dingda.shared.ledger.states import Completion, DeadReason, Outcome
from dingda.shared.ledger.timeline import MessageTimeline, read_timelines
from dingda.shared.queue import JobQueue
from tests.support.builders import KEYS, now_ms
from tests.support.ledger_harness import ANSWERED, PREPARED, WELL, LedgerHarness

QUEUE = JobQueue.create("dingda", skill_timeout_s=30)


async def told(harness: LedgerHarness, message: Message) -> MessageTimeline:
    (story,) = await read_timelines(harness.redis, QUEUE, [message.id])
    assert story is not None
    return story


def steps(story: MessageTimeline) -> list[int]:
    times = (story.accepted_ms, story.leased_ms, story.sending_ms, story.ended_ms)
    return [time for time in times if time is not None]


async def test_a_message_that_was_never_accepted_has_no_timeline(
    harness: LedgerHarness, message: Message
) -> None:
    assert await read_timelines(harness.redis, QUEUE, [message.id]) == [None]


async def test_timelines_come_in_the_order_asked_for(
    harness: LedgerHarness, message: Message, other: Message
) -> None:
    await harness.accept(other)
    first, second = await read_timelines(harness.redis, QUEUE, [message.id, other.id])
    assert (first, second is not None) == (None, True)


async def test_an_accepted_message_waits_for_a_worker(
    harness: LedgerHarness, message: Message
) -> None:
    await harness.accept(message)
    story = await told(harness, message)
    assert (story.state, story.lease_count, story.worker, story.ended) == ("accepted", 0, "", False)
    assert len(steps(story)) == 1
    assert abs(story.accepted_ms - now_ms()) < 5_000


async def test_each_step_has_its_time(harness: LedgerHarness, message: Message) -> None:
    lease = await harness.leased(message)
    assert len(steps(await told(harness, message))) == 2
    await harness.ledger.claim_send(lease)
    assert (await told(harness, message)).state == "sending"
    await harness.ledger.finish(lease, ANSWERED)
    story = await told(harness, message)
    assert (story.state, story.lease_count, story.ended) == ("answered", 1, True)
    assert len(steps(story)) == 4
    assert steps(story) == sorted(steps(story))


@pytest.mark.parametrize("completion", WELL)
async def test_of_a_message_whose_record_has_expired_the_state_is_known(
    harness: LedgerHarness, message: Message, completion: Completion
) -> None:
    await harness.ledger.finish(await harness.leased(message), completion)
    await harness.redis.delete(KEYS.message(message.id))
    story = await told(harness, message)
    assert (story.state, story.ended) == (completion.outcome, True)
    assert (story.accepted_ms, story.leased_ms, story.ended_ms) == (0, None, None)


@pytest.mark.parametrize("planted", ["answered", "0", ""])
async def test_of_a_message_of_which_nothing_readable_is_left_nothing_is_known(
    harness: LedgerHarness, message: Message, planted: str
) -> None:
    await harness.redis.set(KEYS.ended(message.id), planted)
    assert await read_timelines(harness.redis, QUEUE, [message.id]) == [None]


async def test_a_dead_letter_tells_why(harness: LedgerHarness, message: Message) -> None:
    await harness.ledger.finish(
        await harness.leased(message), Completion(Outcome.DEAD, DeadReason.FAILED, "ValueError")
    )
    story = await told(harness, message)
    assert (story.state, story.reason) == ("dead", "failed: ValueError")


async def test_the_worker_is_named_as_rq_names_it(harness: LedgerHarness, message: Message) -> None:
    await harness.accept(message)
    job_id = await harness.pop()
    await harness.redis.hset(f"rq:job:{job_id}", "worker_name", "a1b2")
    assert (await told(harness, message)).worker == "a1b2"


async def test_a_delivery_that_is_put_off_says_until_when(
    harness: LedgerHarness, message: Message
) -> None:
    lease = await harness.leased(message)
    await harness.ledger.claim_send(lease)
    await harness.ledger.retry(lease, pause_ms=60_000, prepared=PREPARED)
    story = await told(harness, message)
    assert story.state == "accepted"
    assert story.retry_at_ms is not None
    assert 0 < story.retry_at_ms - now_ms() <= 60_000


async def test_a_claim_of_an_earlier_attempt_is_no_step_of_this_one(
    harness: LedgerHarness, message: Message
) -> None:
    first = await harness.leased(message)
    await harness.ledger.claim_send(first)
    await harness.redis.hset(KEYS.message(message.id), "sending_ms", 1)
    await harness.ledger.retry(first, pause_ms=0, prepared=PREPARED)
    await harness.lease(message)
    story = await told(harness, message)
    assert (story.lease_count, story.sending_ms) == (2, None)


@pytest.mark.parametrize("field", ["leased_ms", "sending_ms", "ended_ms"])
async def test_a_retried_dead_letter_starts_over(
    harness: LedgerHarness, message: Message, field: str
) -> None:
    lease = await harness.leased(message)
    await harness.ledger.claim_send(lease)
    await harness.ledger.finish(lease, Completion(Outcome.DEAD, DeadReason.FAILED, "ValueError"))
    assert await harness.admin.retry_dead_letter(message.id) == "accepted"
    stored: Any = await harness.stored(message)
    assert field not in stored
