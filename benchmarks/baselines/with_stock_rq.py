"""RQ with the reply that tutorials show: `httpx.post`, which opens a client for each job."""

import httpx
from redis import Redis
from rq import Queue

from benchmarks.baselines.jobs import ANSWER, QUEUE, redis_url, urls


def reply(url: str) -> None:
    """POST the answer."""
    httpx.post(url, json=ANSWER).raise_for_status()


def fill(count: int, origin: str, lookup: str) -> None:  # noqa: ARG001 - it looks nothing up
    """Queue jobs that reply."""
    queue = Queue(QUEUE, connection=Redis.from_url(redis_url()))
    queue.enqueue_many([Queue.prepare_data(reply, (url,)) for url in urls(count, origin)])
