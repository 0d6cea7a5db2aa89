"""The worker, put together from its settings."""

from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager

import httpx
from rq import Queue
from rq.serializers import JSONSerializer

from shared.connections import patient, patient_for_rq
from shared.errors import SettingsError
from shared.ledger import Ledger
from shared.queue import JobQueue
from shared.settings import Settings
from worker import delivery, http
from worker.answer import Answerer
from worker.backend import Limits
from worker.cache import RedisCache
from worker.concurrent import ConcurrentWorker
from worker.conversation import Conversation
from worker.database import Databases
from worker.delivery import Delivery
from worker.dingtalk import DingTalk
from worker.flood import FloodLimits
from worker.help import help_skill
from worker.http import Http
from worker.job import AnswerJob, message_id_of
from worker.loading import load_skill_settings, load_skills
from worker.routing import Router
from worker.services import Services
from worker.sweeper import sweep_forever
from worker.way_out import WayOut

_BLOCKING_CALLS = 32
"""Skills that may block a thread at once."""


@asynccontextmanager
async def open_answerer(settings: Settings) -> AsyncIterator[tuple[Answerer, Ledger]]:
    """Build what answers messages, with connections that close at the end of the context."""
    redis = patient(settings.redis_url.get_secret_value())
    queue = JobQueue.create(settings.queue, skill_timeout_s=settings.skill_timeout)
    ledger = Ledger(redis, queue)
    skills = load_skills(settings.skills)
    threads = ThreadPoolExecutor(_BLOCKING_CALLS, thread_name_prefix="skill")
    cache = RedisCache(redis, prefix=settings.queue)
    databases = Databases()
    way_out = WayOut(settings.proxy_url.get_secret_value(), settings.no_proxy)
    async with (
        http.create_client(way_out) as backends,
        delivery.create_client(way_out) as replies,
    ):
        to_backends = Http(backends)
        dingtalk = _dingtalk(settings, to_backends, replies, cache)
        conversation = Conversation(
            router=Router([*skills, help_skill(skills)]),
            services=Services(
                http=to_backends,
                cache=cache,
                databases=databases,
                dingtalk=dingtalk,
                settings=load_skill_settings(skills),
            ),
            threads=threads,
            skill_timeout_s=settings.skill_timeout,
            unmatched=settings.unmatched,
        )
        answerer = Answerer(
            ledger=ledger,
            conversation=conversation,
            delivery=Delivery(replies, origins=settings.session_webhook_origins),
            dingtalk=dingtalk,
            floods=FloodLimits(
                redis,
                prefix=settings.queue,
                per_sender=settings.sender_limit,
                per_conversation=settings.conversation_limit,
            ),
            notice_after_s=settings.notice_after,
        )
        try:
            yield answerer, ledger
        finally:
            # A skill that blocks beyond its timeout can't be stopped, and must not stop us.
            threads.shutdown(wait=False, cancel_futures=True)
            databases.close()
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
            perform=lambda data: answerer.answer(message_id_of(data)),
            alongside=(lambda: sweep_forever(ledger),),
            concurrency=settings.concurrency,
        )
        await worker.run()


def _dingtalk(
    settings: Settings, backends: Http, replies: httpx.AsyncClient, cache: RedisCache
) -> DingTalk | None:
    """The client of DingTalk's OpenAPI, if there is an account for it."""
    if not (settings.app_key and settings.secrets):
        return None
    return DingTalk(
        backends,
        replies,
        cache,
        app_key=settings.app_key,
        app_secret=settings.secrets[0],
        robot_code=settings.robot_code or settings.app_key,
        openapi_url=settings.openapi_url,
        oapi_url=settings.oapi_url,
        limits=_limits(settings),
    )


def _limits(settings: Settings) -> Limits:
    try:
        return Limits.parse(settings.openapi_limits)
    except ValueError as error:
        raise SettingsError(f"DINGDA_OPENAPI_LIMITS: {error}") from None
