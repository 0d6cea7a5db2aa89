"""taskiq with its Redis list broker: `taskiq worker benchmarks.baselines.with_taskiq:broker`."""

from functools import cache

import httpx
from httpx_aiohttp import AiohttpTransport
from redis.asyncio import Redis
from taskiq_redis import ListQueueBroker

from benchmarks.baselines.jobs import ANSWER, marks, redis_url, urls

broker = ListQueueBroker(url=redis_url(), queue_name="bench")


@broker.task(task_name="nothing")
async def nothing(mark: str) -> None:
    """Do nothing; `mark` names the list to push to, if any."""
    if mark:
        await Redis.from_url(redis_url()).rpush(mark, 1)


@broker.task(task_name="reply")
async def reply(url: str, lookup: str) -> None:
    """GET what is to be looked up, if anything, then POST the answer."""
    if lookup:
        (await _client().get(lookup)).raise_for_status()
    (await _client().post(url, json=ANSWER)).raise_for_status()


async def enqueue(message_id: str, url: str) -> None:
    """Take a message as a gateway would."""
    await reply.kicker().with_task_id(message_id).kiq(url, "")


async def fill(count: int, origin: str, lookup: str) -> None:
    """Queue jobs that do nothing, or with an origin those that reply."""
    await broker.startup()
    if origin:
        for url in urls(count, origin):
            await reply.kiq(url, lookup)
    else:
        for mark in marks(count):
            await nothing.kiq(mark)
    await broker.shutdown()


@cache
def _client() -> httpx.AsyncClient:
    # None would be aiohttp's own hundred; 0 is none.
    transport = AiohttpTransport(limits=httpx.Limits(max_connections=0))
    return httpx.AsyncClient(transport=transport, trust_env=False)
