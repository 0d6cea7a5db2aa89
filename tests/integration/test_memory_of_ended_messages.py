"""What an ended message takes in Redis: a record for some minutes, then enough to know it again."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import redis
from redis.asyncio import Redis
from rq import Queue
from rq.serializers import JSONSerializer

from dingda.shared.ledger.ledger import Ledger
from dingda.shared.ledger.states import Completion, Lease, Outcome
from dingda.shared.ledger.times import RECORD_S, REMEMBER_S
from dingda.shared.queue import JobQueue, message_of_job
from dingda.worker.engine.completer import JobCompleter, ended
from dingda.worker.engine.fetcher import JobFetcher
from dingda.worker.engine.records import StartedJob
from tests.support.builders import KEYS, a_callback, a_message
from tests.support.processes import valkey

ROUNDS, BATCH = 20, 500
RECORD_BYTES, REMEMBERED_BYTES = 512, 150
"""The most that a message may take while its record is kept, and after that."""
MESSAGES_A_SECOND = 100
ALL_BYTES = 150_000_000
"""The most that so many take in the time for which they are known."""


class Growth(NamedTuple):
    """By how much one message makes the server's memory grow, in bytes."""

    record: float
    remembered: float


class Messages:
    """Takes messages from their acceptance to their end, by the scripts that the processes run."""

    def __init__(self, connection: "redis.Redis", client: Redis, jobs: Redis) -> None:
        self._redis = client
        self._ledger = Ledger(client, JobQueue.create("dingda", skill_timeout_s=30))
        queue = Queue("dingda", connection=connection, serializer=JSONSerializer)
        self._fetcher = JobFetcher(queue, jobs, worker_name="w", heartbeat_s=10)
        self._completer = JobCompleter(queue, worker_name="w")
        self._count = 0

    async def end(self, count: int) -> list[str]:
        """Let new messages be answered; returns their ids."""
        self._count += count
        numbers = range(self._count - count, self._count)
        messages = [a_message(msgId=f"msg{n}", senderId=f"s{n % 50}") for n in numbers]
        bodies = [(message, a_callback("天气 北京")) for message in messages]
        await self._ledger.accept(bodies, backlog_limit=count)
        started = await self._fetcher.fetch(count)
        await asyncio.gather(*map(self._answer, started))
        self._completer.complete([ended(job) for job in started], idle=True)
        return [message.id for message in messages]

    async def _answer(self, started: StartedJob) -> None:
        lease = await self._ledger.lease(message_of_job(started.job_id))
        assert isinstance(lease, Lease)
        await self._ledger.claim_send(lease)
        await self._ledger.finish(lease, Completion(Outcome.ANSWERED))

    async def expire(self, ids: list[str]) -> None:
        """Let the time pass by for which their records are kept."""
        await self._redis.delete(*map(KEYS.message, ids))

    async def expiries(self) -> dict[str, int]:
        """Every key, and in how many seconds it expires; 0: never."""
        keys = [key async for key in self._redis.scan_iter("*", count=1000)]
        return {key: max(0, await self._redis.ttl(key)) for key in keys}

    async def used_bytes(self) -> int:
        memory: Any = await self._redis.info("memory")
        return int(memory["used_memory"])


@pytest.fixture
async def messages(tmp_path: Path) -> AsyncIterator[Messages]:
    with valkey(tmp_path, appendonly="no") as server:
        async with (
            Redis.from_url(server.url, decode_responses=True) as client,
            Redis.from_url(server.url) as jobs,
        ):
            with redis.Redis.from_url(server.url) as connection:
                yield Messages(connection, client, jobs)


async def growth(messages: Messages) -> Growth:
    """Measure it over many messages, whose records expire a batch at a time, as they would."""
    await messages.expire(await messages.end(BATCH))  # the scripts, the connections and the lists
    first = await messages.used_bytes()
    records = 0
    for _ in range(ROUNDS):
        before = await messages.used_bytes()
        ids = await messages.end(BATCH)
        records += await messages.used_bytes() - before
        await messages.expire(ids)
    count = ROUNDS * BATCH
    return Growth(records / count, (await messages.used_bytes() - first) / count)


@pytest.mark.slow
async def test_an_ended_message_takes_half_a_kilobyte_and_soon_a_third_of_that(
    messages: Messages,
) -> None:
    found = await growth(messages)
    assert found.record <= RECORD_BYTES
    assert found.remembered <= REMEMBERED_BYTES
    with_record = MESSAGES_A_SECOND * RECORD_S
    without = MESSAGES_A_SECOND * (REMEMBER_S - RECORD_S)
    assert with_record * found.record + without * found.remembered <= ALL_BYTES


async def test_nothing_is_left_of_messages_that_ended_but_what_expires(messages: Messages) -> None:
    await messages.end(BATCH)
    lasting = {
        key for key, lasts_s in (await messages.expiries()).items() if not 0 < lasts_s <= REMEMBER_S
    }
    assert lasting == {KEYS.count, KEYS.histograms, "rq:queues", "rq:worker:w"}
