"""The worker, composed from its settings: the only module that knows all of its parts."""

import asyncio
import logging
import signal
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping, Sequence
from contextlib import AbstractContextManager, AsyncExitStack, asynccontextmanager, nullcontext
from functools import partial
from itertools import chain
from typing import TYPE_CHECKING, Any, NamedTuple

from redis.asyncio import Redis
from rq import Queue
from rq.serializers import JSONSerializer

from dingda.shared.dingtalk.media_hosts import MediaHosts
from dingda.shared.errors import SettingsError
from dingda.shared.ledger.cards import CardLedger, CardRecord
from dingda.shared.ledger.keys import LedgerKeys
from dingda.shared.ledger.ledger import Ledger
from dingda.shared.ledger.schedules import Schedules
from dingda.shared.ledger.streams import StreamRecords
from dingda.shared.ledger.times import LATE_MS
from dingda.shared.ledger.worker_report import MAX_MISSING
from dingda.shared.queue import JobQueue
from dingda.shared.runtime.clock import wall_clock_ms
from dingda.shared.runtime.egress import Egress
from dingda.shared.runtime.garbage import relax_garbage_collection
from dingda.shared.runtime.health import missing_skills_details
from dingda.shared.runtime.logs import name_worker
from dingda.shared.runtime.loop_lag import measure_loop_lag, responds
from dingda.shared.runtime.preflight import warn_of_unknown
from dingda.shared.runtime.redis_clients import (
    create_fetching_redis,
    create_rq_redis,
    create_worker_redis,
)
from dingda.shared.runtime.settings import Settings, load_settings
from dingda.shared.runtime.tracing import create_tracing
from dingda.worker.answering.admission import Admission
from dingda.worker.answering.answerer import Answerer
from dingda.worker.answering.card_closer import close_forever
from dingda.worker.answering.composition import (
    SharedParts,
    create_robots,
    describe_skills,
    load_robots_skills,
)
from dingda.worker.answering.inspection import inspected
from dingda.worker.answering.metrics import AnsweringMetrics
from dingda.worker.answering.robots import FindRobot
from dingda.worker.delivery import post
from dingda.worker.delivery.custom_robot import CustomRobot
from dingda.worker.delivery.outcome import Rejected, Retry
from dingda.worker.delivery.transport import ReplyTransport
from dingda.worker.delivery.webhook import WebhookChannel
from dingda.worker.engine.answer_job import AnswerJob, message_id_of
from dingda.worker.engine.concurrent_worker import GRACE_S, Activity, ConcurrentWorker
from dingda.worker.engine.threads import SkillThreads
from dingda.worker.engine.watchdog import Watchdog
from dingda.worker.engine.watched_worker import WatchedWorker
from dingda.worker.maintenance.alerts import tell_forever
from dingda.worker.maintenance.card_keeper import keep_cards_forever
from dingda.worker.maintenance.scheduler import Scheduled, Scheduler, schedule_forever
from dingda.worker.maintenance.sweeper import sweep_forever
from dingda.worker.sdk.loader import LoadedSkills, load_skill_settings, names_read
from dingda.worker.sdk.services import Services
from dingda.worker.sdk.skill import Skill
from dingda.worker.services.backend_client import BackendClient
from dingda.worker.services.cache import RedisCache
from dingda.worker.services.database import Databases
from dingda.worker.services.downloads import Downloads, create_download_client
from dingda.worker.services.http_client import Http
from dingda.worker.services.openapi_calls import OpenAPICalls

logger = logging.getLogger(__name__)

if TYPE_CHECKING:
    from dingda.worker.operations.skill_changes import SkillChanges
    from dingda.worker.operations.worker_metrics import WorkerMetrics

BackgroundTask = Callable[[], Coroutine[Any, Any, None]]


class WorkerParts(NamedTuple):
    """The answerer, and the parts that keep it running."""

    answerer: Answerer
    ledger: Ledger
    threads: SkillThreads
    databases: Databases
    backends: Http
    own_tasks: tuple[BackgroundTask, ...]
    """What runs beside the answerer: the scheduler, what tells of dead letters, counts calls, and
    keeps cards."""
    missing_skills: tuple[str, ...]
    """The modules of skills that could not be loaded, each with the error's class."""

    def activity(self, now_ms: int) -> Activity:
        """What the worker is doing; the present is in ms since 1970."""
        return Activity(
            self.answerer.doing(now_ms), self.backends.open_circuits, self.missing_skills
        )

    def are_threads_stuck(self) -> bool:
        """Whether no blocking call can be made any more."""
        return self.threads.are_stuck or self.databases.is_stuck


async def run_worker(settings: Settings, changes: "SkillChanges | None" = None) -> None:
    """Work until told to stop; with *changes*, also until a skill's file has changed."""
    fetching = create_fetching_redis(settings.redis_address)
    metrics = _create_metrics(settings)
    watching: tuple[BackgroundTask, ...] = (changes.restart,) if changes else ()
    async with open_answerer(settings, metrics) as parts, fetching:
        asyncio.get_running_loop().set_default_executor(parts.threads)
        worker = ConcurrentWorker(
            _rq_queue(settings),
            fetching,
            perform=lambda data: parts.answerer.answer(message_id_of(data)),
            activity=parts.activity,
            background_tasks=(
                *_background_tasks(parts.ledger, metrics),
                *parts.own_tasks,
                *watching,
            ),
            concurrency=parts.answerer.max_concurrency,
            grace_s=changes.grace_s if changes else GRACE_S,
        )
        name_worker(worker.name)
        asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, _restart, worker)
        watchdog = Watchdog(
            WatchedWorker(worker, parts.answerer.held_leases, parts.are_threads_stuck, settings)
        )
        relax_garbage_collection()
        try:
            with _served(metrics, settings, worker, parts):
                await worker.run()
        finally:
            watchdog.close()


def _create_metrics(settings: Settings) -> "WorkerMetrics | None":
    """What counts the worker's work; None, and nothing is loaded for it, where metrics are off."""
    if not settings.metrics_port:
        return None
    from dingda.worker.operations.worker_metrics import WorkerMetrics  # noqa: PLC0415

    return WorkerMetrics(by_robot=len(settings.robots) > 1)


def _background_tasks(
    ledger: Ledger, metrics: "WorkerMetrics | None"
) -> tuple[BackgroundTask, ...]:
    if metrics is None:
        return (lambda: sweep_forever(ledger),)
    return (
        lambda: sweep_forever(ledger, on_requeued=metrics.requeued),
        lambda: measure_loop_lag(metrics.loop_lagged),
    )


def _served(
    metrics: "WorkerMetrics | None",
    settings: Settings,
    worker: ConcurrentWorker,
    parts: WorkerParts,
) -> AbstractContextManager[None]:
    """Serve the worker's metrics while the context lasts, if they are on."""
    if metrics is None:
        return nullcontext()
    from dingda.worker.operations.worker_metrics import WorkerState  # noqa: PLC0415

    loop = asyncio.get_running_loop()
    return metrics.served(
        settings,
        lambda: WorkerState(
            slots=parts.answerer.max_concurrency,
            slots_used=worker.slots_used,
            tasks=len(asyncio.all_tasks(loop)),
            circuits=parts.backends.circuits,
        ),
        is_alive=lambda: responds(loop),
        why_not_ready=lambda: worker.readiness.why_not,
        details=lambda: missing_skills_details(parts.missing_skills),
    )


def _restart(worker: ConcurrentWorker) -> None:
    """End in good order, so that the supervisor starts another with the settings on disk.

    If those are wrong, the other would not start: then this one goes on.
    """
    try:
        load_settings()
    except SettingsError as error:
        logger.error("not reloaded, as the settings are wrong: %s", error)
        return
    worker.stop()


@asynccontextmanager
async def open_answerer(
    settings: Settings, metrics: AnsweringMetrics | None = None
) -> AsyncIterator[WorkerParts]:
    """Build an answerer, with connections that close at the end of the context."""
    loaded = _load_skills(settings)
    skills = loaded.by_robot
    each_skill = list(chain.from_iterable(skills.values()))
    async with AsyncExitStack() as stack:
        tracing = create_tracing(settings.tracing, service="dingda-worker")
        stack.callback(tracing.close)
        egress = Egress(settings.proxy_url.get_secret_value(), settings.no_proxy)
        backends = Http(await stack.enter_async_context(BackendClient(egress)))
        media_hosts = MediaHosts.of(settings.media_hosts)
        storage = await stack.enter_async_context(create_download_client(egress, media_hosts))
        replies = await stack.enter_async_context(post.create_reply_transport(egress))
        redis = create_worker_redis(settings.redis_address)
        stack.push_async_callback(redis.aclose)
        databases = Databases()
        stack.callback(databases.close)
        threads = SkillThreads()
        # A skill that blocks beyond its timeout can't be stopped, and must not keep us from ending.
        stack.callback(threads.shutdown, wait=False, cancel_futures=True)

        ledger = Ledger(
            redis,
            _job_queue(settings),
            replicas=settings.redis_replicas,
            journal=settings.journal,
            late_ms=LATE_MS if any(robot.app_key for robot in settings.robots) else 0,
        )
        schedules = Schedules(redis, _job_queue(settings), replicas=settings.redis_replicas)
        services = Services(
            http=backends,
            cache=RedisCache(redis, prefix=settings.queue),
            databases=databases,
            dingtalk=None,
            settings=load_skill_settings(each_skill),
        )
        openapi_calls = OpenAPICalls(
            redis, LedgerKeys(settings.queue), monthly=settings.openapi_monthly_calls
        )
        stack.push_async_callback(openapi_calls.write)
        streams = StreamRecords(redis, _job_queue(settings))
        shared = SharedParts(
            redis,
            ledger,
            replies,
            services,
            Downloads(Http(storage), media_hosts),
            threads,
            CardLedger(redis, _job_queue(settings)),
            streams,
            Admission(settings.concurrency, skills=len({skill.name for skill in each_skill}) + 1),
            metrics or AnsweringMetrics(),
            openapi_calls,
        )
        find_robot = create_robots(settings, skills, shared)
        answerer = Answerer(
            ledger=ledger,
            find_robot=find_robot,
            webhook=WebhookChannel(replies, origins=settings.session_webhook_origins),
            admission=shared.admission,
            notice_after_s=settings.notice_after,
            reply_parts=settings.reply_parts,
            tracing=tracing,
            metrics=shared.metrics,
            schedules=schedules,
            new_notes=stack.enter_context(
                inspected({robot.label: skills[robot.code] for robot in settings.robots})
            ),
        )
        own_tasks = (
            *_alerts(settings, redis, replies),
            *_scheduling(settings, skills, schedules),
            *_card_keeper(settings, shared.cards, find_robot),
            openapi_calls.write_forever,
            *_closing_cards(settings, streams, find_robot),
        )
        missing = tuple(module.brief for module in loaded.failed[:MAX_MISSING])
        yield WorkerParts(answerer, ledger, threads, databases, backends, own_tasks, missing)


def _load_skills(settings: Settings) -> LoadedSkills:
    """Load the skills, and log why it is these, and the names of settings that nothing reads."""
    for line in describe_skills(settings):
        logger.info("%s", line)
    loaded = load_robots_skills(settings)
    warn_of_unknown(names_read(chain.from_iterable(loaded.by_robot.values())))
    return loaded


def _rq_queue(settings: Settings) -> Queue:
    connection = create_rq_redis(settings.redis_address)
    return Queue(
        settings.queue, connection=connection, job_class=AnswerJob, serializer=JSONSerializer
    )


def _job_queue(settings: Settings) -> JobQueue:
    return JobQueue.create(
        settings.queue,
        skill_timeout_s=settings.skill_timeout,
        result_ttl_s=settings.result_ttl,
    )


def _scheduling(
    settings: Settings, skills: Mapping[str, Sequence[Skill]], schedules: Schedules
) -> tuple[BackgroundTask, ...]:
    """The background task that accepts ticks, where skills have schedules; once for each robot."""
    mine = [
        Scheduled(schedule.facts(robot.code, robot.label, skill.name, function), schedule.cron)
        for robot in settings.robots
        for skill in skills[robot.code]
        for function, schedule in skill.schedules.items()
    ]
    if not mine:
        return ()
    scheduler = Scheduler(schedules, mine, backlog_limit=settings.backlog_limit)
    return (partial(schedule_forever, scheduler),)


def _card_keeper(
    settings: Settings, cards: CardLedger, find_robot: FindRobot
) -> tuple[BackgroundTask, ...]:
    """The background task that changes cards, where a template for them is set up."""
    if not any(robot.card_template for robot in settings.robots):
        return ()

    async def show(card: CardRecord) -> None:
        robot = find_robot(card.robot_code)
        if robot and robot.cards:
            await robot.cards.show(card)

    return (partial(keep_cards_forever, cards, show),)


def _closing_cards(
    settings: Settings, streams: StreamRecords, find_robot: FindRobot
) -> tuple[BackgroundTask, ...]:
    """The background task that ends the cards of messages that ended without them."""
    templates = [settings.answer_card_template]
    templates += [robot.answer_card_template for robot in settings.robots]
    return (partial(close_forever, streams, find_robot),) if any(templates) else ()


def _alerts(
    settings: Settings, redis: Redis, transport: ReplyTransport
) -> tuple[BackgroundTask, ...]:
    """The background task that tells of dead letters, where that is set up."""
    webhook = settings.alert_webhook.get_secret_value()
    if not webhook:
        return ()
    secret = settings.alert_secret.get_secret_value()
    robot = CustomRobot(transport, webhook=webhook, secret=secret, now_ms=wall_clock_ms)

    async def tell(text: str) -> str:
        match await robot.send(text):
            case Retry(_, reason) | Rejected(reason):
                return reason
            case _:
                return ""

    queue = _job_queue(settings)
    return (partial(tell_forever, redis, queue, tell, after_s=settings.alert_after),)
