"""What each robot's messages are answered with, put together from the settings."""

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, replace
from datetime import datetime

from redis.asyncio import Redis

from dingda.shared.dingtalk.card import route_key_of
from dingda.shared.dingtalk.robots import Robot
from dingda.shared.ledger.cards import CardLedger
from dingda.shared.ledger.keys import LedgerKeys
from dingda.shared.ledger.ledger import Ledger
from dingda.shared.ledger.streams import StreamRecords
from dingda.shared.runtime.clock import wall_clock_ms
from dingda.shared.runtime.set_clock import find_clock
from dingda.shared.runtime.settings import Settings
from dingda.shared.runtime.skill_modules import choose_modules
from dingda.worker.answering.admission import Admission
from dingda.worker.answering.answer_cards import AnswerCards
from dingda.worker.answering.cards import CardDisplay, RobotCards
from dingda.worker.answering.growing_card import GrowingCards
from dingda.worker.answering.help import help_skill
from dingda.worker.answering.hook_caller import HookCaller
from dingda.worker.answering.late import LateReplies
from dingda.worker.answering.metrics import AnsweringMetrics
from dingda.worker.answering.rate_limit import RateLimiter
from dingda.worker.answering.reaction import ThinkingReaction
from dingda.worker.answering.responder import Responder
from dingda.worker.answering.robots import AnsweringRobot, FindRobot
from dingda.worker.answering.routing import Router
from dingda.worker.answering.text_presses import TextPresses
from dingda.worker.delivery.card import CardChannel
from dingda.worker.delivery.card_api import CardApi
from dingda.worker.delivery.minute_limit import MinuteLimit
from dingda.worker.delivery.private import PrivateChannel
from dingda.worker.delivery.push import PushChannel
from dingda.worker.delivery.robot_api import RobotApi
from dingda.worker.delivery.transport import Transport
from dingda.worker.sdk.loader import LoadedSkills, load_skills_of
from dingda.worker.sdk.services import Services
from dingda.worker.sdk.skill import Skill
from dingda.worker.services.access_token import AccessToken
from dingda.worker.services.cache import Cache
from dingda.worker.services.call_rate import CallRate
from dingda.worker.services.contacts import Contacts
from dingda.worker.services.downloads import Downloads
from dingda.worker.services.http_client import Http
from dingda.worker.services.ledger_pusher import LedgerPusher
from dingda.worker.services.media import DingTalkMedia
from dingda.worker.services.openapi import OpenAPI
from dingda.worker.services.openapi_calls import OpenAPICalls


@dataclass(frozen=True, slots=True)
class SharedParts:
    """What the robots of one worker share."""

    redis: Redis
    ledger: Ledger
    replies: Transport
    services: Services
    """Those of a robot without an account for the OpenAPI."""
    downloads: Downloads
    """Of what people sent to any of them."""
    threads: Executor
    cards: CardLedger
    streams: StreamRecords
    admission: Admission
    """A skill has the same places whichever robot is asked."""
    metrics: AnsweringMetrics
    openapi_calls: OpenAPICalls
    """Those of all applications count together."""


def load_robots_skills(settings: Settings) -> LoadedSkills:
    """Load each robot's skills, by its code; one that names none has those of DINGDA_SKILLS."""
    return load_skills_of({robot.code: settings.skills_of(robot) for robot in settings.robots})


def describe_skills(settings: Settings) -> list[str]:
    """Which modules each robot's skills are loaded from, and why: a line each."""
    several = len(settings.robots) > 1
    return [
        f"skills{f' of {robot.label}' if several else ''}: {_describe_skills(settings, robot)}"
        for robot in settings.robots
    ]


def _describe_skills(settings: Settings, robot: Robot) -> str:
    chosen = choose_modules(settings.skills_of(robot))
    return chosen.describe("its skills") if robot.skills else chosen.describe()


def create_robots(
    settings: Settings, skills: Mapping[str, Sequence[Skill]], shared: SharedParts
) -> FindRobot:
    """Put together what each robot's messages are answered with.

    Args:
        settings: the worker's.
        skills: those that `load_robots_skills` has loaded, by the robots' codes.
        shared: what all of them use.
    """
    robots, now = settings.robots, find_clock()
    parts = {
        robot.code: _create(settings, robot, skills[robot.code], shared, now) for robot in robots
    }

    def find(robot_code: str) -> AnsweringRobot | None:
        robot = robots.find(robot_code)
        return parts[robot.code] if robot else None

    return find


def _create(
    settings: Settings,
    robot: Robot,
    skills: Sequence[Skill],
    shared: SharedParts,
    now: Callable[[], datetime],
) -> AnsweringRobot:
    services = shared.services
    token = None
    if robot.app_key and robot.secrets:
        note_call = shared.openapi_calls.note
        token = create_access_token(
            settings, robot, services.http, services.cache, note_call=note_call
        )
    openapi = create_openapi(settings, services.http, token) if token else None
    if openapi:
        # With what the robot's application may read: its address book, and what is sent to it.
        media = DingTalkMedia(openapi, shared.downloads, robot_code=robot.openapi_code)
        services = replace(services, dingtalk=Contacts(openapi), media=media)
    metrics = shared.metrics.of_robot(robot.label)
    display = _card_display(robot, openapi) if openapi and robot.card_template else None
    cards = RobotCards(
        shared.cards,
        robot_code=robot.code,
        secrets=robot.secrets,
        skills=skills,
        display=display,
        address_book=services.dingtalk,
    )
    api = _robot_api(settings, robot, shared.replies, token) if token else None
    minutes = MinuteLimit(shared.redis, LedgerKeys(settings.queue))
    push = PushChannel(shared.replies, api, settings.groups, minutes, now_ms=wall_clock_ms)
    pusher = LedgerPusher(
        shared.ledger,
        robot.code,
        backlog_limit=settings.backlog_limit,
        why_not=push.why_not,
    )
    services = replace(services, pusher=pusher)
    return AnsweringRobot(
        Responder(
            router=Router([*skills, help_skill(skills)], own_name=robot.name),
            services=services,
            threads=shared.threads,
            skill_timeout_s=settings.skill_timeout,
            unmatched=settings.unmatched,
            admission=shared.admission,
            now=now,
            metrics=metrics,
            conversations=frozenset(robot.conversations),
            presses=TextPresses(cards, shared.threads) if has_actions(skills) else None,
        ),
        HookCaller(
            skills=skills,
            services=services,
            threads=shared.threads,
            skill_timeout_s=settings.skill_timeout,
            admission=shared.admission,
            now=now,
            metrics=metrics,
            cards=cards,
        ),
        card=CardChannel(display.api) if display else None,
        cards=cards,
        push=push,
        late=LateReplies(pusher, push.why_not),
        private=PrivateChannel(api) if api else None,
        growing=_growing_cards(settings, robot, shared, openapi) if openapi else None,
        reaction=_reaction(settings, robot, shared, openapi) if openapi else None,
        rate_limiter=RateLimiter(
            shared.redis,
            prefix=settings.queue,
            robot="" if settings.robots.takes_any_code else robot.code,
            per_sender=settings.sender_limit,
            per_conversation=settings.conversation_limit,
        ),
    )


def create_access_token(
    settings: Settings,
    robot: Robot,
    http: Http,
    cache: Cache,
    *,
    note_call: Callable[[], None] = lambda: None,
) -> AccessToken:
    """The token of a robot that has an account for DingTalk's OpenAPI."""
    return AccessToken(
        http,
        cache,
        app_key=robot.app_key,
        app_secret=robot.secrets[0],
        openapi_url=settings.openapi_url,
        limits=settings.openapi_limits,
        note_call=note_call,
    )


def _growing_cards(
    settings: Settings, robot: Robot, shared: SharedParts, openapi: OpenAPI
) -> GrowingCards | None:
    """The cards that answers grow on, if there is a template for them."""
    template_id = robot.answer_card_template or settings.answer_card_template
    if not template_id:
        return None
    api = CardApi(
        openapi,
        robot_code=robot.openapi_code,
    )
    rate = _call_rate(settings, robot, shared)
    cards = AnswerCards(api, rate, template_id, settings.answer_card_key)
    return GrowingCards(cards, shared.streams)


def _reaction(
    settings: Settings, robot: Robot, shared: SharedParts, openapi: OpenAPI
) -> ThinkingReaction | None:
    """What the robot puts on messages while it works on them, if that is set."""
    if not settings.thinking_reaction:
        return None
    return ThinkingReaction(
        openapi,
        _call_rate(settings, robot, shared),
        robot_code=robot.openapi_code,
        text=settings.thinking_reaction,
    )


def _call_rate(settings: Settings, robot: Robot, shared: SharedParts) -> CallRate:
    return CallRate(shared.redis, LedgerKeys(settings.queue).call_rate(robot.app_key))


def create_openapi(settings: Settings, http: Http, token: AccessToken) -> OpenAPI:
    """DingTalk's OpenAPI, called with a robot's token."""
    return OpenAPI(
        http,
        token,
        url=settings.openapi_url,
        oapi_url=settings.oapi_url,
        limits=settings.openapi_limits,
    )


def _card_display(robot: Robot, openapi: OpenAPI) -> CardDisplay:
    is_stream = (robot.card_callback or robot.mode) == "stream"
    return CardDisplay(
        CardApi(openapi, robot_code=robot.openapi_code),
        robot.card_template,
        route_key="" if is_stream else route_key_of(robot.app_key),
    )


def has_actions(skills: Sequence[Skill]) -> bool:
    """Whether any skill has buttons that call it."""
    return any(skill.actions for skill in skills)


def _robot_api(
    settings: Settings, robot: Robot, replies: Transport, token: AccessToken
) -> RobotApi:
    return RobotApi(
        replies,
        token,
        robot_code=robot.openapi_code,
        openapi_url=settings.openapi_url,
    )
