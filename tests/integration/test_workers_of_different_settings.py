"""Two workers on one real Redis, of which only one knows a robot: as during a rolling deploy."""

import json
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from dingda.shared.dingtalk.message import Message
from dingda.shared.ledger.admin import LedgerAdmin
from dingda.shared.queue import JobQueue
from dingda.shared.runtime.redis_address import RedisAddress
from dingda.shared.runtime.redis_clients import create_worker_redis
from dingda.shared.runtime.settings import Settings
from dingda.worker.app import WorkerParts, open_answerer
from tests.support.builders import KEYS, a_callback, a_message
from tests.support.processes import SessionWebhook, Valkey, valkey

BLUE, RED = (
    {"code": code, "secret": code, "skills": ["dingda.worker.skills.demo"]}
    for code in ("blue", "red")
)


class Workers(NamedTuple):
    """A worker from before the robot `red` was set up, one from after it, and their Redis."""

    before: WorkerParts
    after: WorkerParts
    redis: Any
    webhook: SessionWebhook

    async def accept(self, robot: str, msg_id: str = "1") -> Message:
        fields = {"robotCode": robot, "msgId": msg_id, "sessionWebhook": self.webhook.url(robot)}
        message = a_message("feed", **fields)
        await self.before.ledger.accept([(message, a_callback("feed", **fields))], backlog_limit=9)
        return message

    async def rest(self, message: Message) -> None:
        """Let the pause before the next attempt pass by, and the sweeper come."""
        await self.redis.hset(KEYS.message(message.id), "not_before_ms", 0)
        await self.redis.zadd(KEYS.due, {message.id: 0})
        await self.before.ledger.sweep()

    async def dead_letters(self) -> list[str]:
        admin = LedgerAdmin(self.redis, JobQueue.create("dingda", skill_timeout_s=30))
        return [letter.reason for letter in await admin.dead_letters()]


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Valkey]:
    with valkey(tmp_path) as server:
        yield server


@pytest.fixture
async def workers(server: Valkey) -> AsyncIterator[Workers]:
    async with AsyncExitStack() as stack:
        webhook = stack.enter_context(SessionWebhook())

        async def worker_of(*robots: dict[str, Any]) -> WorkerParts:
            own: dict[str, Any] = {"robots": json.dumps(robots), "redis_url": server.url}
            settings = Settings(session_webhook_origins=(webhook.origin,), **own)
            return await stack.enter_async_context(open_answerer(settings))

        before, after = await worker_of(BLUE), await worker_of(BLUE, RED)
        redis = create_worker_redis(RedisAddress(server.url))
        stack.push_async_callback(redis.aclose)
        yield Workers(before, after, redis, webhook)


async def test_the_worker_that_does_not_know_the_robot_leaves_its_message_to_the_other(
    workers: Workers,
) -> None:
    message = await workers.accept("red")
    for _ in range(2):
        await workers.before.answerer.answer(message.id)
        assert workers.webhook.posts == []
        await workers.rest(message)
    await workers.after.answerer.answer(message.id)
    assert [post.payload["msgtype"] for post in workers.webhook.posts] == ["feedCard"]
    assert await workers.dead_letters() == []


async def test_no_robot_that_it_knows_is_kept_waiting(workers: Workers) -> None:
    red, blue = await workers.accept("red"), await workers.accept("blue", "2")
    for message in (red, blue):
        await workers.before.answerer.answer(message.id)
    assert await workers.redis.hget(KEYS.message(red.id), "state") == "accepted"
    assert len(workers.webhook.posts) == 1


async def test_a_message_to_a_robot_that_is_gone_ends_with_its_session_and_says_why(
    workers: Workers,
) -> None:
    message = await workers.accept("green")
    for worker in (workers.before, workers.after):
        await worker.answerer.answer(message.id)
        await workers.rest(message)
    await workers.redis.hset(KEYS.message(message.id), "expires_ms", 1)
    await workers.redis.zadd(KEYS.due, {message.id: 0})
    await workers.after.ledger.sweep()
    assert workers.webhook.posts == []
    assert await workers.dead_letters() == [
        "expired: no worker that took it knows its robot (DINGDA_ROBOTS)"
    ]
