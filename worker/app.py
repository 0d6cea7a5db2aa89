"""The worker, put together from its settings."""

from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager

from rq import Queue
from rq.serializers import JSONSerializer

from shared.connections import patient, patient_for_rq
from shared.ledger import Ledger
from shared.queue import JobQueue
from shared.settings import Settings
from worker.answer import Answerer
from worker.concurrent import ConcurrentWorker
from worker.delivery import Delivery, create_client
from worker.help import help_skill
from worker.job import AnswerJob
from worker.loading import load_skills
from worker.routing import Router
from worker.sweeper import sweep_forever

_BLOCKING_SKILLS = 32
"""Skills that may block a thread at once."""


@asynccontextmanager
async def open_answerer(settings: Settings) -> AsyncIterator[tuple[Answerer, Ledger]]:
    """Build what answers messages, with connections that close at the end of the context."""
    redis = patient(settings.redis_url.get_secret_value())
    queue = JobQueue.create(settings.queue, skill_timeout_s=settings.skill_timeout)
    ledger = Ledger(redis, queue)
    skills = load_skills(settings.skills)
    threads = ThreadPoolExecutor(_BLOCKING_SKILLS, thread_name_prefix="skill")
    client = create_client()
    try:
        yield (
            Answerer(
                ledger=ledger,
                router=Router([*skills, help_skill(skills)]),
                delivery=Delivery(client, origins=settings.session_webhook_origins),
                threads=threads,
                skill_timeout_s=settings.skill_timeout,
                unmatched=settings.unmatched,
            ),
            ledger,
        )
    finally:
        # A skill that blocks beyond its timeout can't be stopped, and must not stop the process.
        threads.shutdown(wait=False, cancel_futures=True)
        await client.aclose()
        await redis.aclose()


async def run_worker(settings: Settings) -> None:
    """Work until told to stop."""
    connection = patient_for_rq(settings.redis_url.get_secret_value())
    queue = Queue(
        settings.queue, connection=connection, job_class=AnswerJob, serializer=JSONSerializer
    )
    async with open_answerer(settings) as (answerer, ledger):
        worker = ConcurrentWorker(
            queue,
            perform=lambda job: answerer.answer(job.message_id),
            alongside=(lambda: sweep_forever(ledger),),
            concurrency=settings.concurrency,
        )
        await worker.run()
