"""Dingda's own worker: with jobs that do nothing, and filled with real messages."""

from collections.abc import Iterator
from itertools import islice

import uvloop
from redis.asyncio import Redis as AsyncRedis
from rq import Queue
from rq.serializers import JSONSerializer

from benchmarks.baselines.jobs import AT_ONCE, LOOK_UP, QUEUE, marks, redis_url
from benchmarks.callbacks import Callbacks
from dingda.shared.dingtalk.message import Message, parse_message
from dingda.shared.ledger.ledger import Ledger
from dingda.shared.queue import JOB_FUNCTION, JobQueue
from dingda.shared.runtime.redis_address import RedisAddress
from dingda.shared.runtime.redis_clients import create_rq_redis
from dingda.worker.engine.answer_job import AnswerJob, message_id_of
from dingda.worker.engine.concurrent_worker import ConcurrentWorker

_NO_MARK = "-"
"""Means no mark: a job of ours must name a message."""
_CONCURRENCY = 100
_BATCH = 256
_BACKLOG_LIMIT = 10**9


async def work() -> None:
    """Run jobs that do nothing, in the worker that answers messages."""
    redis = AsyncRedis.from_url(redis_url())

    async def nothing(data: bytes) -> None:
        mark = message_id_of(data)
        if mark != _NO_MARK:
            await redis.rpush(mark, 1)

    queue = _queue()
    await ConcurrentWorker(queue, redis, perform=nothing, concurrency=_CONCURRENCY).run()


async def fill(count: int, origin: str, lookup: str) -> None:
    """Queue jobs that do nothing, or with an origin real messages."""
    if origin:
        await _fill_ledger(count, origin, _text(lookup))
    else:
        _fill_queue(count)


def _fill_queue(count: int) -> None:
    queue = _queue()
    jobs = (
        Queue.prepare_data(JOB_FUNCTION, (mark or _NO_MARK,), result_ttl=0) for mark in marks(count)
    )
    while chunk := list(islice(jobs, _BATCH)):
        queue.enqueue_many(chunk)


async def _fill_ledger(count: int, origin: str, text: str) -> None:
    # As the gateway accepts them, in its largest batches.
    async with AsyncRedis.from_url(redis_url(), decode_responses=True) as redis:
        ledger = Ledger(redis, JobQueue.create(QUEUE, skill_timeout_s=30))
        messages = _messages(count, Callbacks("", text=text, origin=origin))
        while batch := list(islice(messages, _BATCH)):
            await ledger.accept(batch, backlog_limit=_BACKLOG_LIMIT)


def _text(lookup: str) -> str:
    """What each message says: a URL is asked by the skill itself."""
    return LOOK_UP if lookup.startswith("http") else lookup or AT_ONCE


def _messages(count: int, callbacks: Callbacks) -> Iterator[tuple[Message, bytes]]:
    for number in range(count):
        body = callbacks.body(number)
        message = parse_message(body)
        if isinstance(message, Message):
            yield message, body


def _queue() -> Queue:
    connection = create_rq_redis(RedisAddress(redis_url()))
    return Queue(QUEUE, connection=connection, job_class=AnswerJob, serializer=JSONSerializer)


if __name__ == "__main__":
    uvloop.run(work())
