"""RQ as its documentation has it: pickled jobs, `Queue.enqueue`, its own workers."""

from functools import cache

import httpx
from redis import Redis
from rq import Queue
from starlette.concurrency import run_in_threadpool

from benchmarks.baselines.jobs import ANSWER, QUEUE, marks, redis_url, urls

_CHUNK = 1000


def nothing(mark: str) -> None:
    """Do nothing; `mark` names the list to push to, if any."""
    if mark:
        _redis().rpush(mark, 1)


def reply(url: str, lookup: str) -> None:
    """GET what is to be looked up, if anything, then POST the answer."""
    if lookup:
        _client().get(lookup).raise_for_status()
    _client().post(url, json=ANSWER).raise_for_status()


async def enqueue(message_id: str, url: str) -> None:
    """Take a message as a gateway would: once, off the event loop, because RQ's client blocks."""
    await run_in_threadpool(
        _queue().enqueue, reply, url, "", job_id=message_id, unique=True, result_ttl=60
    )


def fill(count: int, origin: str, lookup: str) -> None:
    """Queue jobs that do nothing, or with an origin those that reply."""
    if origin:
        jobs = [Queue.prepare_data(reply, (url, lookup)) for url in urls(count, origin)]
    else:
        jobs = [Queue.prepare_data(nothing, (mark,)) for mark in marks(count)]
    for start in range(0, count, _CHUNK):
        _queue().enqueue_many(jobs[start : start + _CHUNK])


@cache
def _redis() -> Redis:
    return Redis.from_url(redis_url())


@cache
def _queue() -> Queue:
    return Queue(QUEUE, connection=_redis())


@cache
def _client() -> httpx.Client:
    return httpx.Client(trust_env=False)
