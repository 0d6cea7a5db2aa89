"""dramatiq: `dramatiq benchmarks.baselines.with_dramatiq`."""

from functools import cache

import dramatiq
import httpx
from dramatiq.brokers.redis import RedisBroker
from redis import Redis
from starlette.concurrency import run_in_threadpool

from benchmarks.baselines.jobs import ANSWER, marks, redis_url, urls

dramatiq.set_broker(RedisBroker(url=redis_url()))


@dramatiq.actor(queue_name="bench")
def nothing(mark: str) -> None:
    """Do nothing; `mark` names the list to push to, if any."""
    if mark:
        _redis().rpush(mark, 1)


@dramatiq.actor(queue_name="bench")
def reply(url: str, lookup: str) -> None:
    """GET what is to be looked up, if anything, then POST the answer."""
    if lookup:
        _client().get(lookup).raise_for_status()
    _client().post(url, json=ANSWER).raise_for_status()


async def enqueue(message_id: str, url: str) -> None:  # noqa: ARG001 - it has no job ids to choose
    """Take a message as a gateway would; dramatiq's client blocks."""
    await run_in_threadpool(reply.send, url, "")


def fill(count: int, origin: str, lookup: str) -> None:
    """Queue jobs that do nothing, or with an origin those that reply."""
    if origin:
        for url in urls(count, origin):
            reply.send(url, lookup)
    else:
        for mark in marks(count):
            nothing.send(mark)


@cache
def _redis() -> Redis:
    return Redis.from_url(redis_url())


@cache
def _client() -> httpx.Client:
    return httpx.Client(trust_env=False, limits=httpx.Limits(max_connections=None))
