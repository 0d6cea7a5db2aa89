from typing import Any

import pytest

from dingda.shared.dingtalk.message import Message
from dingda.shared.ledger.states import Completion, DeadReason, Outcome
from dingda.shared.ledger.timeline import MessageTimeline, read_timelines
from dingda.shared.queue import JobQueue
from tests.support.builders import KEYS, now_ms
from tests.support.ledger_harness import ANSWERED, PREPARED, LedgerHarness

QUEUE = JobQueue.create("dingda", skill_timeout_s=30)


async def told(world: LedgerHarness, message: Message) -> MessageTimeline:
    (story,) = await read_timelines(world.redis, QUEUE, [message.id])
    assert story is not None
    return story


def steps(story: MessageTimeline) -> list[int]:
    times = (story.accepted_ms, story.leased_ms, story.sending_ms, story.ended_ms)
    return [time for time in times if time is not None]


async def test_a_message_that_nobody_accepted_has_no_story(
    world: LedgerHarness, message: Message
) -> None:
    assert await read_timelines(world.redis, QUEUE, [message.id]) == [None]


async def test_stories_come_in_the_order_asked_for(
    world: LedgerHarness, message: Message, other: Message
) -> None:
    await world.accept(other)
    first, second = await read_timelines(world.redis, QUEUE, [message.id, other.id])
    assert (first, second is not None) == (None, True)


async def test_an_accepted_message_waits_for_a_worker(
    world: LedgerHarness, message: Message
) -> None:
    await world.accept(message)
    story = await told(world, message)
    assert (story.state, story.lease_count, story.worker, story.ended) == ("accepted", 0, "", False)
    assert len(steps(story)) == 1
    assert abs(story.accepted_ms - now_ms()) < 5_000


async def test_each_step_has_its_time(world: LedgerHarness, message: Message) -> None:
    lease = await world.leased(message)
    assert len(steps(await told(world, message))) == 2
    await world.ledger.claim_send(lease)
    assert (await told(world, message)).state == "sending"
    await world.ledger.finish(lease, ANSWERED)
    story = await told(world, message)
    assert (story.state, story.lease_count, story.ended) == ("answered", 1, True)
    assert len(steps(story)) == 4
    assert steps(story) == sorted(steps(story))


async def test_a_dead_letter_tells_why(world: LedgerHarness, message: Message) -> None:
    await world.ledger.finish(
        await world.leased(message), Completion(Outcome.DEAD, DeadReason.FAILED, "ValueError")
    )
    story = await told(world, message)
    assert (story.state, story.reason) == ("dead", "failed: ValueError")


async def test_who_took_it_is_named_as_rq_names_the_worker(
    world: LedgerHarness, message: Message
) -> None:
    await world.accept(message)
    job_id = await world.pop()
    await world.redis.hset(f"rq:job:{job_id}", "worker_name", "a1b2")
    assert (await told(world, message)).worker == "a1b2"


async def test_a_delivery_that_is_put_off_says_until_when(
    world: LedgerHarness, message: Message
) -> None:
    lease = await world.leased(message)
    await world.ledger.claim_send(lease)
    await world.ledger.retry(lease, pause_ms=60_000, prepared=PREPARED)
    story = await told(world, message)
    assert story.state == "accepted"
    assert story.retry_at_ms is not None
    assert 0 < story.retry_at_ms - now_ms() <= 60_000


async def test_what_an_earlier_attempt_sent_is_no_step_of_this_one(
    world: LedgerHarness, message: Message
) -> None:
    first = await world.leased(message)
    await world.ledger.claim_send(first)
    await world.redis.hset(KEYS.message(message.id), "sending_ms", 1)
    await world.ledger.retry(first, pause_ms=0, prepared=PREPARED)
    await world.lease(message)
    story = await told(world, message)
    assert (story.lease_count, story.sending_ms) == (2, None)


@pytest.mark.parametrize("field", ["leased_ms", "sending_ms", "ended_ms"])
async def test_a_revived_dead_letter_begins_anew(
    world: LedgerHarness, message: Message, field: str
) -> None:
    lease = await world.leased(message)
    await world.ledger.claim_send(lease)
    await world.ledger.finish(lease, Completion(Outcome.DEAD, DeadReason.FAILED, "ValueError"))
    assert await world.admin.retry_dead_letter(message.id) == "accepted"
    stored: Any = await world.stored(message)
    assert field not in stored
