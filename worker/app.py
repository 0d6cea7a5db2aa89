"""The worker, put together from its settings."""

import asyncio
import logging
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import NamedTuple

import httpx
from rq import Queue
from rq.serializers import JSONSerializer

from dingda.shared.connections import impatient, patient, patient_for_rq
from dingda.shared.ledger import Ledger
from dingda.shared.queue import JobQueue
from dingda.shared.settings import Settings
from dingda.shared.states import Lease
from dingda.worker import delivery, http
from dingda.worker.admission import Admission
from dingda.worker.answer import Answerer
from dingda.worker.answer_job import AnswerJob, message_id_of
from dingda.worker.cache import RedisCache
from dingda.worker.concurrent import ConcurrentWorker
from dingda.worker.conversation import Conversation
from dingda.worker.database import Databases
from dingda.worker.delivery import Delivery
from dingda.worker.dingtalk import DingTalk
from dingda.worker.flood import FloodLimits
from dingda.worker.help import help_skill
from dingda.worker.http import Http
from dingda.worker.loading import load_skill_settings, load_skills
from dingda.worker.routing import Router
from dingda.worker.services import Services
from dingda.worker.sweeper import sweep_forever
from dingda.worker.threads import SkillThreads
from dingda.worker.watchdog import Watchdog
from dingda.worker.way_out import WayOut

logger = logging.getLogger(__name__)

_HAND_BACK_S = 4.0
"""How long it may take to hand messages back when the loop can't any more."""


class Parts(NamedTuple):
    """What answers messages, and what looks after it needs."""

    answerer: Answerer
    ledger: Ledger
    threads: SkillThreads
    databases: Databases


@dataclass(frozen=True)
class _Watched:
    """The worker as the watchdog sees it."""

    worker: ConcurrentWorker
    parts: Parts
    settings: Settings

    @property
    def are_threads_stuck(self) -> bool:
        return self.parts.threads.are_stuck or self.parts.databases.is_stuck

    def give_up(self, reason: str) -> None:
        self.worker.give_up(reason)

    def hand_back(self, *, but: str) -> None:
        in_hand = list(self.parts.answerer.in_hand.values())
        others = [lease for lease in in_hand if lease.id != but]
        asyncio.run(_hand_back(others, self.settings))

    def sign_off(self) -> None:
        self.worker.sign_off()


@asynccontextmanager
async def open_answerer(settings: Settings) -> AsyncIterator[Parts]:
    """Build what answers messages, with connections that close at the end of the context."""
    redis = patient(settings.redis_url.get_secret_value())
    queue = JobQueue.create(settings.queue, skill_timeout_s=settings.skill_timeout)
    ledger = Ledger(redis, queue)
    skills = load_skills(settings.skills)
    admission = Admission(settings.concurrency, skills=len(skills) + 1)
    threads = SkillThreads()
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
            admission=admission,
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
            reply_parts=settings.reply_parts,
        )
        try:
            yield Parts(answerer, ledger, threads, databases)
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
    async with open_answerer(settings) as parts:
        asyncio.get_running_loop().set_default_executor(parts.threads)
        worker = ConcurrentWorker(
            queue,
            perform=lambda data: parts.answerer.answer(message_id_of(data)),
            alongside=(lambda: sweep_forever(parts.ledger),),
            concurrency=parts.answerer.most_at_once,
        )
        watchdog = Watchdog(_Watched(worker, parts, settings))
        try:
            await worker.run()
        finally:
            watchdog.close()


async def _hand_back(leases: Sequence[Lease], settings: Settings) -> None:
    """Hand messages back with connections of its own, for those of the worker's loop are stuck."""
    redis = impatient(settings.redis_url.get_secret_value(), timeout_s=_HAND_BACK_S / 2)
    ledger = Ledger(redis, JobQueue.create(settings.queue, skill_timeout_s=settings.skill_timeout))
    try:
        async with asyncio.timeout(_HAND_BACK_S):
            ends = await asyncio.gather(*map(ledger.hand_back, leases), return_exceptions=True)
    finally:
        await redis.aclose()
    logger.warning("handed %d other message(s) back", ends.count(None))


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
        limits=settings.openapi_limits,
    )
