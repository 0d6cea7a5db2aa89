"""RQ's registries never call a message failed that was answered, whatever became of its workers."""

from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
import redis
from redis.asyncio import Redis as AsyncRedis
from rq import Queue, SimpleWorker
from rq.job import Job, JobStatus
from rq.serializers import JSONSerializer

from dingda.shared.ledger.admin import LedgerAdmin
from dingda.shared.ledger.ledger import Ledger
from dingda.shared.ledger.states import Completion, DeadReason, Lease, Outcome
from dingda.shared.queue import JobQueue
from dingda.worker.engine.completer import JobCompleter, ended
from dingda.worker.engine.fetcher import JobFetcher
from dingda.worker.engine.records import StartedJob
from tests.support.builders import KEYS, a_callback, a_message
from tests.support.processes import Valkey, valkey

MESSAGE = a_message()
ANSWERED = Completion(Outcome.ANSWERED)
FAILED = Completion(Outcome.DEAD, DeadReason.FAILED, "KeyError in the skill")
result_ttls = pytest.mark.parametrize("result_ttl_s", [0, 60], ids=["forgotten", "kept"])


class Bot:
    """One message in a ledger on a real server, and the steps of a worker and of RQ."""

    def __init__(self, url: str, result_ttl_s: int) -> None:
        self.blocking = redis.Redis.from_url(url)
        self.redis = AsyncRedis.from_url(url, decode_responses=True)
        self.raw = AsyncRedis.from_url(url)
        self.queue = Queue("dingda", connection=self.blocking, serializer=JSONSerializer)
        jobs = JobQueue.create("dingda", skill_timeout_s=30, result_ttl_s=result_ttl_s)
        self.ledger = Ledger(self.redis, jobs, handover_ms=0)
        self.admin = LedgerAdmin(self.redis, jobs)
        self.completer = JobCompleter(self.queue, worker_name="w")

    async def accept(self) -> None:
        await self.ledger.accept([(MESSAGE, a_callback())], backlog_limit=10)

    async def start(self) -> StartedJob:
        """Fetch the message's job, as a worker does."""
        fetcher = JobFetcher(self.queue, self.raw, worker_name="w", heartbeat_s=10)
        (started,) = await fetcher.fetch(1)
        return started

    async def lease(self) -> Lease:
        lease = await self.ledger.lease(MESSAGE.id)
        assert isinstance(lease, Lease)
        return lease

    async def answer(self) -> None:
        """Answer the message as another worker does, all the way."""
        started = await self.start()
        await self.ledger.finish(await self.lease(), ANSWERED)
        self.completer.complete([ended(started)], idle=True)

    async def hand_on(self) -> None:
        """Let the sweeper put a message whose worker is gone on the queue again."""
        await self.redis.zadd(KEYS.due, {MESSAGE.id: 0})
        assert await self.ledger.sweep() == 1

    def tidy(self) -> None:
        """Let RQ tidy, long after the heartbeats of all jobs have been missed."""
        wip = self.queue.started_job_registry
        members: Any = self.blocking.zrange(wip.key, 0, -1)
        for member in members:
            self.blocking.zadd(wip.key, {member: 1})
            self.blocking.delete(f"rq:execution:{member.decode()}")
        for job_id in self.queue.intermediate_queue.get_job_ids():
            self.blocking.set(self.queue.intermediate_queue.get_first_seen_key(job_id), 1)
        worker = SimpleWorker([self.queue], connection=self.blocking, serializer=JSONSerializer)
        worker.run_maintenance_tasks()  # type: ignore[no-untyped-call]

    @property
    def failed(self) -> list[Any]:
        return list(self.queue.failed_job_registry.get_job_ids(cleanup=False))

    def lasting_jobs(self) -> list[Any]:
        """Records of jobs that nothing will ever remove."""
        keys: Any = self.blocking.keys(f"{Job.redis_job_namespace_prefix}*")
        return [key for key in keys if self.blocking.ttl(key) == -1]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Valkey]:
    with valkey(tmp_path_factory.mktemp("valkey")) as server:
        yield server


@pytest.fixture
async def bot(server: Valkey, result_ttl_s: int) -> AsyncIterator[Bot]:
    bot = Bot(server.url, result_ttl_s)
    bot.blocking.flushall()
    await bot.accept()
    yield bot
    bot.tidy()
    assert (await bot.admin.counts()).answered == 1
    assert bot.failed == []
    assert bot.lasting_jobs() == []
    bot.blocking.close()
    await bot.redis.aclose()
    await bot.raw.aclose()


@result_ttls
async def test_a_worker_that_died_after_the_answer_and_before_it_told_rq(bot: Bot) -> None:
    await bot.start()
    await bot.ledger.finish(await bot.lease(), ANSWERED)
    bot.tidy()
    assert bot.failed == []


@result_ttls
async def test_a_worker_that_died_before_another_one_answered(bot: Bot) -> None:
    await bot.start()
    await bot.lease()
    await bot.hand_on()
    await bot.answer()


@result_ttls
async def test_a_job_that_rq_found_abandoned_before_another_worker_answered(bot: Bot) -> None:
    await bot.start()
    await bot.lease()
    bot.tidy()
    assert len(bot.failed) == 1
    await bot.hand_on()
    await bot.answer()


@result_ttls
@pytest.mark.parametrize("recorded", ["before", "after"])
async def test_a_worker_that_was_stopped_before_another_one_answered(
    bot: Bot, recorded: str
) -> None:
    started = await bot.start()
    await bot.ledger.release(await bot.lease())
    gone = ended(started, JobStatus.FAILED, "the worker ended before the job did")
    if recorded == "before":
        bot.completer.complete([gone], idle=True)
    await bot.hand_on()
    if recorded == "after":
        bot.completer.complete([gone], idle=True)
    await bot.answer()


@result_ttls
async def test_a_worker_that_died_between_the_queue_and_the_start(bot: Bot) -> None:
    bot.blocking.lmove(bot.queue.key, bot.queue.intermediate_queue_key)
    await bot.ledger.sweep()  # it is off the queue
    await bot.hand_on()
    await bot.answer()
    assert bot.blocking.llen(bot.queue.intermediate_queue_key) == 0


@result_ttls
@pytest.mark.parametrize("status", [JobStatus.FAILED, JobStatus.STOPPED])
async def test_what_goes_wrong_after_the_answer_is_no_failure(bot: Bot, status: JobStatus) -> None:
    started = await bot.start()
    await bot.ledger.finish(await bot.lease(), ANSWERED)
    bot.completer.complete([ended(started, status, "stopped on request")], idle=True)
    finished = bot.queue.finished_job_registry.get_job_ids(cleanup=False)
    assert finished in ([], [started.job_id])
    assert bool(finished) == bool(bot.blocking.exists(f"rq:job:{started.job_id}"))


@result_ttls
async def test_a_dead_letter_that_is_answered_when_it_is_retried(bot: Bot) -> None:
    started = await bot.start()
    await bot.ledger.finish(await bot.lease(), FAILED)
    bot.completer.complete([ended(started, JobStatus.FAILED, "KeyError")], idle=True)
    assert bot.failed == [started.job_id]
    await bot.admin.retry_dead_letter(MESSAGE.id)
    await bot.answer()


@result_ttls
async def test_a_job_that_was_tidied_away_while_its_worker_answered(bot: Bot) -> None:
    started = await bot.start()
    lease = await bot.lease()
    bot.tidy()
    assert bot.failed == [started.job_id]
    await bot.ledger.finish(lease, ANSWERED)
    assert bot.failed == []
    bot.completer.complete([ended(started)], idle=True)


@result_ttls
async def test_a_job_whose_attempt_ended_well_stays_as_rq_has_it(
    bot: Bot, result_ttl_s: int
) -> None:
    started = await bot.start()
    await bot.ledger.release(await bot.lease(), pause_ms=0)
    bot.completer.complete([ended(started)], idle=True)
    await bot.hand_on()
    status = bot.blocking.hget(f"rq:job:{started.job_id}", "status")
    assert status == (b"finished" if result_ttl_s else None)
    await bot.answer()
