"""A message whose session has closed: its reply is pushed to where it came from, once."""

import json
from typing import Any

from dingda.shared.dingtalk.message import Message
from dingda.shared.ledger.times import LATE_MS
from dingda.shared.queue import JobQueue
from dingda.shared.runtime.clock import wall_clock_ms
from dingda.skill import Context
from tests.support.builders import KEYS
from tests.support.worker_harness import CountingSkill, WorkerHarness, open_worker, well


async def closed(here: WorkerHarness, *, ago_ms: int = 60_000, **fields: Any) -> Message:
    """A message that nobody has taken before its session closed."""
    message = await here.accept(**fields)
    await here.redis.hset(KEYS.message(message.id), "expires_ms", wall_clock_ms() - ago_ms)
    return message


async def answer_pushes(here: WorkerHarness) -> None:
    """Take whatever waits on the queue, as a worker does."""
    queue = JobQueue.create("dingda", skill_timeout_s=30)
    for job_id in await here.redis.lrange(queue.keys[1], 0, -1):
        await here.answerer.answer(job_id.partition("-")[0])


async def pushed_texts(here: WorkerHarness) -> list[str]:
    await answer_pushes(here)
    return [json.loads(json.loads(body)["msgParam"])["content"] for body in here.pushed.bodies]


async def test_the_answer_to_a_group_is_pushed_to_the_group() -> None:
    async with open_worker(well, late_ms=LATE_MS) as here:
        message = await closed(here, conversationId="cidA==")
        await here.answer(message)
        assert await here.state(message) == "answered: pushed, as its session had closed"
        assert here.chat.taken == []
        assert await pushed_texts(here) == ["好"]
        assert json.loads(here.pushed.bodies[0])["openConversationId"] == "cidA=="


async def test_the_answer_in_a_single_chat_is_pushed_to_the_sender() -> None:
    async with open_worker(well, late_ms=LATE_MS) as here:
        message = await closed(here, conversationType="1", senderStaffId="0007")
        await here.answer(message)
        await pushed_texts(here)
        assert json.loads(here.pushed.bodies[0])["userIds"] == ["0007"]


async def test_a_message_that_is_answered_twice_late_is_pushed_once() -> None:
    async with open_worker(well, late_ms=LATE_MS) as here:
        message = await closed(here, conversationId="cidA==")
        stored = await here.stored(message)
        await here.answer(message)
        # As if the worker had died between the push and the message's end.
        await here.redis.delete(KEYS.ended(message.id), KEYS.message(message.id))
        await here.redis.hset(KEYS.message(message.id), mapping=stored)
        await here.redis.hincrby(KEYS.count, "answered", -1)
        await here.answer(message)
        assert await pushed_texts(here) == ["好"]


async def test_a_skill_that_outlives_the_session_is_answered_by_a_push() -> None:
    async def slow(ctx: Context) -> str:
        del ctx
        return "好"

    async with open_worker(slow, late_ms=LATE_MS) as here:
        message = await here.accept(conversationId="cidA==")
        here.chat.script = [503]
        await here.answer(message)
        await here.redis.hset(KEYS.message(message.id), "expires_ms", wall_clock_ms() - 1)
        await here.rest(message)
        await here.answer(message)
        assert await pushed_texts(here) == ["好"]
        assert (await here.counts()).dead == {}


async def test_where_nothing_can_be_pushed_no_skill_is_called_for_it() -> None:
    skill = CountingSkill()
    async with open_worker(skill.tell, late_ms=LATE_MS, can_push_late=False) as here:
        message = await closed(here, conversationId="cidA==")
        await here.answer(message)
        assert (await here.state(message), skill.asked) == ("dead: expired", 0)


async def test_an_answer_that_comes_more_than_an_hour_late_is_none() -> None:
    async with open_worker(well, late_ms=LATE_MS) as here:
        message = await closed(here, ago_ms=LATE_MS + 1)
        await here.answer(message)
        assert await here.state(message) == "dead: expired"


async def test_the_sweeper_hands_a_closed_message_to_a_worker_before_it_ends_it() -> None:
    async with open_worker(well, late_ms=LATE_MS) as here:
        message = await closed(here, conversationId="cidA==")
        await here.redis.zadd(KEYS.due, {message.id: 0})
        await here.ledger.sweep()
        assert (await here.stored(message))["state"] == "accepted"
        await here.answer(message)
        assert await pushed_texts(here) == ["好"]


async def test_without_an_account_a_closed_message_expires_as_ever() -> None:
    async with open_worker(well) as here:
        message = await closed(here)
        await here.redis.zadd(KEYS.due, {message.id: 0})
        await here.ledger.sweep()
        assert await here.state(message) == "dead: expired"
